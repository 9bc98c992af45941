// Package incident decides whether, when and in what order something is done about a diagnosis.
//
// It is pure: [Policy.Step] takes the state, the time and one event, and returns the next state
// and a [Record] of what was decided and why. It touches nothing, never reads the clock, and the
// same input gives the same output. What a record asks for (its effects) is done by package
// engine, after the record is durable; a refusal to act is a record too.
//
// Start reading at [Policy.Step] in step.go, then the rule tables in rules.go (the same slices
// render docs/decision-table.md), then the reasons not to act, in their fixed order, in holds.go.
package incident
