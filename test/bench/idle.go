package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// settled is how long a daemon runs before its idle cost is measured: its start is not idling.
const settled = 10 * time.Second

// idle measures what watching costs while nothing is wrong.
func (r *rig) idle(ctx context.Context, rep *report) error {
	if err := r.ctl(ctx, "start", daemonUnit); err != nil {
		return err
	}
	if err := r.calm(ctx); err != nil {
		return err
	}
	pid, err := r.hostPID(ctx, daemonUnit)
	if err != nil {
		return err
	}
	// Who else works because of it: systemd and the bus answer its questions.
	others := map[string]int{"systemd": r.Leader()}
	if bus, err := r.hostPID(ctx, "dbus.service"); err == nil {
		others["dbus-daemon"] = bus
	}
	if err := sleep(ctx, settled); err != nil {
		return err
	}
	share, shares, err := r.cpu(ctx, pid, others)
	if err != nil {
		return err
	}
	rss, err := resident(pid)
	if err != nil {
		return err
	}
	if err := r.ctl(ctx, "stop", daemonUnit); err != nil {
		return err
	}
	least, err := r.poller(ctx)
	if err != nil {
		return err
	}
	if err := sleep(ctx, settled/2); err != nil {
		return err
	}
	_, without, err := r.cpu(ctx, os.Getpid(), others)
	if err != nil {
		return err
	}
	rep.value("idle, 2 targets at 1 s: CPU of a core", "bare listener and poller", least*100, "%")
	rep.value("idle, 2 targets at 1 s: CPU of a core", "recoveryd", share*100, "%").under(0.1)
	rep.value("idle, 2 targets at 1 s: resident memory", "recoveryd", rss/(1<<20), "MiB").under(25e6 / (1 << 20))
	for _, name := range []string{"systemd", "dbus-daemon"} {
		if _, ok := others[name]; ok {
			rep.value("idle, 2 targets at 1 s: CPU of a core, more than without recoveryd", name, (shares[name]-without[name])*100, "%")
		}
	}
	return nil
}

// poller measures what two polls a second cost at the least.
func (r *rig) poller(ctx context.Context) (float64, error) {
	if err := r.ctl(ctx, "start", pollerUnit); err != nil {
		return 0, err
	}
	pid, err := r.hostPID(ctx, pollerUnit)
	if err != nil {
		return 0, err
	}
	if err := sleep(ctx, settled/2); err != nil {
		return 0, err
	}
	share, _, err := r.cpu(ctx, pid, nil)
	if err != nil {
		return 0, err
	}
	return share, r.ctl(ctx, "stop", pollerUnit)
}

// cpu returns the share of a core that a process, and others, use while nothing happens.
func (r *rig) cpu(ctx context.Context, pid int, others map[string]int) (float64, map[string]float64, error) {
	before, began := map[string]time.Duration{}, time.Now()
	all := map[string]int{"": pid}
	for name, p := range others {
		all[name] = p
	}
	for name, p := range all {
		d, err := used(p)
		if err != nil {
			return 0, nil, err
		}
		before[name] = d
	}
	if err := sleep(ctx, r.o.idle); err != nil {
		return 0, nil, err
	}
	span := time.Since(began)
	shares := map[string]float64{}
	for name, p := range all {
		d, err := used(p)
		if err != nil {
			return 0, nil, err
		}
		shares[name] = (d - before[name]).Seconds() / span.Seconds()
	}
	return shares[""], shares, nil
}

// used is the processor time of all threads of a process, to the nanosecond.
func used(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		fields := bytes.Fields(text)
		if len(fields) < 1 {
			continue
		}
		ns, err := strconv.ParseInt(string(fields[0]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", f, err)
		}
		sum += time.Duration(ns)
	}
	if len(files) == 0 {
		return 0, fmt.Errorf("process %d is gone", pid)
	}
	return sum, nil
}

// resident is the resident memory of a process in bytes.
func resident(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			f := bytes.Fields(rest)
			kb, err := strconv.ParseFloat(string(f[0]), 64)
			return kb * 1024, err
		}
	}
	return 0, fmt.Errorf("process %d has no resident memory", pid)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
