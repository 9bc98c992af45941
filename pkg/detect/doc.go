// Package detect decides what is wrong with a target, and shows why it thinks so.
//
// It is pure: it touches nothing, keeps nothing and never reads the clock. Sensors
// (package probe, and the platform adapters) fill an [Observation] with facts; [Diagnose] turns
// one observation and what is known about the target's dependencies into a [Diagnosis]:
// a verdict, a failure class, the culprit, and the evidence in one sentence.
//
// It never turns a fact that could not be measured into a number or a verdict, and never calls
// a service unhealthy because the probe itself went wrong.
//
// Start reading at [Observation], then [Diagnose], then one file per failure class
// (down.go, hung.go, database.go, ...). The names of all facts are in facts.go; which pairs of
// witnesses justify a disruptive action is one table in witness.go.
package detect
