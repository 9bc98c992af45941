//go:build !linux

package pgtest

import "syscall"

// endWithParent does nothing: only Linux has a parent-death signal.
func endWithParent(*syscall.SysProcAttr) {}

// removeSharedMemory does nothing: the next start of a cluster in the same directory reuses it.
func (c *Cluster) removeSharedMemory() error { return nil }
