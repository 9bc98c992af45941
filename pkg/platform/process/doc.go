// Package process is the platform adapter for child processes: the platform of `recoveryd demo`,
// and of hosts without systemd.
//
// It starts the programs it is told of as its own children, each in a process group, and tells
// how they end. It restarts nothing by itself, and nothing that it started outlives it: the
// kernel kills the main processes when the daemon dies. Its facts have systemd's words, so that
// the rest of recoveryd need not know which platform it is on; memory is the resident memory of
// the process group, from /proc (memory.source is procfs).
//
// Start reading at [Adapter], then unit.go.
package process
