// Package strategy decides what could be done about a diagnosis.
//
// It is pure: a [Strategy] turns a diagnosis into a [Plan], and a plan is data: a list of
// [Action] values with their time limits, what they disrupt and how they are undone. Whether a
// plan may run, and when, is decided by package incident; running it is the work of the platform
// adapters. It never acts, never reads the clock and knows no platform.
//
// Start reading at [Action], then [Strategy], then one file per strategy; the default ladders
// (mildest first) are in ladder.go.
package strategy
