// Package alerts takes what Alertmanager says and makes facts of it: which alert fires about which
// target.
//
// It decides which of the configuration's entries an alert matches, and how long one counts that is
// neither repeated nor resolved. It never judges a target: a firing alert is one piece of evidence, which
// package detect shows and never acts on alone. It keeps nothing over a restart: Alertmanager repeats what
// still fires.
//
// Start reading at [Decode], then [Book].
package alerts
