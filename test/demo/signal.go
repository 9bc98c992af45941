package main

import (
	"context"
	"fmt"
	"syscall"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform/proctable"
)

const processes = proctable.Table("/proc")

// pid asks recoveryd for the main process of a target.
func (st *stage) pid(ctx context.Context, target string) (int, error) {
	all, err := st.daemon.status(ctx)
	if err != nil {
		return 0, err
	}
	n, ok := all[target].Facts.Num(detect.WorkloadPID)
	if !ok || n < 2 {
		return 0, fmt.Errorf("recoveryd names no process of %s", target)
	}
	return int(n), nil
}

func kill(pid int) error   { return send(syscall.SIGKILL, pid) }
func freeze(pid int) error { return send(syscall.SIGSTOP, pid) }

// freezeAll stops a process and its descendants, the process itself first, so that it starts no
// other; it returns how many there were.
func freezeAll(pid int) (int, error) {
	if err := freeze(pid); err != nil {
		return 0, err
	}
	all := processes.Tree(pid)
	return len(all), send(syscall.SIGSTOP, all...)
}

// killAll kills a process and its descendants.
func killAll(pid int) (int, error) {
	n, err := freezeAll(pid)
	if err != nil {
		return n, err
	}
	return n, send(syscall.SIGKILL, processes.Tree(pid)...)
}

func send(sig syscall.Signal, pids ...int) error {
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil {
			return fmt.Errorf("%s to process %d: %w", sig, pid, err)
		}
	}
	return nil
}
