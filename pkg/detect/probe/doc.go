// Package probe looks at targets and reports what it saw as facts.
//
// Each witness ([HTTPHealth], [MCPHealth], [Socket], [Postgres], ...) measures one kind of thing
// and names it with the constants of package detect. A [Looker] asks the platform and then all
// witnesses of one target at the same time, under one deadline, and returns one
// [detect.Observation]. What a health reply says is decoded by [ReadHealth], a pure function over
// a captured [Reply], so that a reply from a file is read exactly as one from a socket.
//
// It decides nothing: no verdict, no threshold, no class. It never returns an error and never
// turns something that it could not see into a number; what could not be measured is a reading
// with the reason in it. It never waits beyond its deadline, never reads more than its bound, and
// never puts a credential into a fact.
//
// Start reading at [Witness], then [Looker], then [ReadHealth].
package probe
