package pgtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// endWithParent makes the kernel send SIGQUIT (PostgreSQL's immediate shutdown) when the parent dies.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }

// removeSharedMemory removes the small System V segment that a killed postmaster leaves behind.
// Its id is the second number on the seventh line of postmaster.pid; a clean stop removes both.
func (c *Cluster) removeSharedMemory() error {
	file, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the shared memory of PostgreSQL: %w", err)
	}
	lines := strings.Split(string(file), "\n")
	if len(lines) < 7 {
		return nil // it died before it made one
	}
	fields := strings.Fields(lines[6])
	if len(fields) != 2 {
		return nil
	}
	id, err := strconv.Atoi(fields[1])
	if err != nil {
		return fmt.Errorf("find the shared memory of PostgreSQL: %w", err)
	}
	if _, err := unix.SysvShmCtl(id, unix.IPC_RMID, nil); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EIDRM) {
		return fmt.Errorf("remove the shared memory segment %d of PostgreSQL: %w", id, err)
	}
	return nil
}
