// Package evidence keeps what a cure is about to destroy: the last lines of the unit's log, its
// properties, the largest processes, the sockets, the sessions of the database, the pressure on the
// host, and what a program of the operator's own prints.
//
// It decides what is looked at, how much of it is kept and what is hidden in it. Everything is
// bounded in size and in time: [Collector.Collect] returns at its deadline whatever hangs, with what
// there is until then, because a cure waits for it. What could not be collected says why. No text
// leaves it without having passed the [Redactor]. It changes nothing on the host and never judges what
// it finds.
//
// Start reading at [Collector.Collect], then source.go (the list of sources), then redact.go.
package evidence
