// Package journal keeps what must not be forgotten: the decisions, the incidents, the notices
// that have yet to leave, and the evidence behind them. It is one SQLite file in the state
// directory, in write-ahead mode with synchronous=FULL.
//
// It decides nothing and knows no incident rules: it is given entries and rows as they are.
// What [Journal.Append] has acknowledged is on the disk and survives a SIGKILL or a power cut at
// any instant; what it has not acknowledged is there as a whole or not at all. Every row carries
// a checksum, and each entry also that of the entry before it, so that a changed, missing or cut
// off row is noticed. A damaged file is never deleted and never silently replaced: it is moved
// aside, what checks out is carried over, and [Journal.Salvaged] tells what happened. A full disk
// does not silence it: a ballast file is given up first.
//
// One daemon writes ([Open] takes a lock and names the process that holds it), any number of
// readers may look on ([Options].ReadOnly).
//
// Start reading at [Open] and [Journal.Append], then chain.go for the checksums and salvage.go
// for damage.
package journal
