// Package systemd is the platform adapter for units of systemd, over D-Bus.
//
// It reports what systemd says about a unit ([Adapter.Inspect]), tells of changes within a
// millisecond or so ([Adapter.Watch]), and performs one job when told ([Adapter.Do]). It runs
// unprivileged; what it may do is decided by polkit, and a refusal wraps
// [platform.ErrPermission].
//
// It decides nothing, never retries an action, and never waits for systemd's own stop timeout
// (90 s by default, an hour for Debian's PostgreSQL unit): a stop has a grace, after which every
// process of the unit is killed. An answer that was lost is the result unknown, never done.
//
// Two kinds of connection are used. Calls go through go-systemd (link.go). Signals come on one of
// our own (session.go, feed.go): go-systemd subscribes to every unit of the host and drops what
// a slow reader leaves, and it has no place for the bodies of the signals, which are all that is
// left of a stopped unit that systemd has unloaded.
//
// Start reading at [Adapter] (adapter.go), then inspect.go, then tracker.go, which turns signals
// into what is known of one unit; the rules that tell an operator's stop from a crash are in
// package detect ([DepartureOf]).
package systemd
