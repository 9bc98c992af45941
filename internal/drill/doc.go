// Package drill decides what came of a fault that was brought about on purpose: how soon it was
// noticed, acted on, proven cured and told, and whether that is what should have happened. It also
// decides how much a fault may take.
//
// It is pure: it reads no clock and touches nothing. The conducting is in conduct, what is done to
// the host in onhost, and what the daemon makes of an announced drill in pkg/incident.
//
// Start reading at [Judge], then [Report].
package drill
