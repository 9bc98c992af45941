// Package sim is a model world in which the real decision core lives through days in
// milliseconds: units that follow systemd's rules, a PostgreSQL with slots, servers that hang,
// leak and crash, an operator, lying probes, lost signals, a broken journal, a clock that jumps,
// and a daemon that is killed at any moment and goes on from its durable records.
//
// Everything in a world follows from its seed. The core ([incident.Policy] with the real detect
// and strategy packages) is driven the way package engine drives it; the world around it is a
// model. After every step the promises of the design are checked as invariants (invariant.go);
// a world that breaks one yields a [Violation], and its seed replays it with a transcript.
//
// The package decides nothing for the daemon and is linked into no program. Start reading at
// [Run] in world.go, then faults.go (what goes wrong), daemon.go (how the core is driven) and
// invariant.go (what must hold).
package sim
