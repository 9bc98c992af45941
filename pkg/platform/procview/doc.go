// Package procview lets the daemon know what it must know of the processes it watches, and no more.
//
// The unit of the daemon hides other users' processes from it (ProtectProc=invisible): their command
// lines, which may hold secrets, are nobody's business. Yet a stopped process, the memory of a unit
// and the name of who holds a port are evidence. So a second unit, recoveryd-procview.service, which
// has no network, no files and no right to do anything, answers questions of the form "file NAME of
// process PID" for the few files in [Names], over a socket that only the daemon's user may open.
//
// The package decides nothing and hides nothing: what cannot be asked is an error as from /proc itself,
// and becomes a fact that was not measured. Start reading at [Read] (the side of the daemon), then
// [Serve].
package procview
