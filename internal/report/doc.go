// Package report turns what the journal holds of one incident into the report that people write
// after it, and what it holds of many into figures.
//
// It decides what is worth saying, in which order and in which words: the runbook's post-incident
// template filled with what is known, and a box to tick for everything that only people can know.
// It never invents a number: what was not measured is said to be unknown. It reads no clock, no
// file and no database; the caller brings everything in a [Source] or a list of [Case].
//
// Start reading at [Build], then markdown.go and html.go; figures begin at [Count].
package report
