package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/test/lab"
)

const (
	manyAddr  = "127.0.0.1:8200"
	manyEvery = 10 * time.Second
	// onTime is the most that may pass between two checks of a target to count as on time.
	onTime = 11 * time.Second
	rounds = 5 // of all targets
)

// many answers for every target and notes when it was asked.
type many struct {
	mu   sync.Mutex
	last map[string]time.Time
	late int
	gaps int // how many gaps between two checks were seen
}

// ServeHTTP implements http.Handler.
func (m *many) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	m.mu.Lock()
	if before, ok := m.last[r.URL.Path]; ok {
		m.gaps++
		if now.Sub(before) > onTime {
			m.late++
		}
	}
	m.last[r.URL.Path] = now
	m.mu.Unlock()
	_, _ = w.Write([]byte("ok")) // the asker may have gone
}

// scale measures many targets that are asked over plain HTTP.
func (r *rig) scale(ctx context.Context, rep *report) error {
	for _, n := range []int{100, 1000} {
		if err := r.scaleTo(ctx, rep, n); err != nil {
			return err
		}
	}
	return r.WriteFile("/etc/recoveryd/recoveryd.yaml", lab.File{Content: configuration, Mode: 0o640, GID: lab.UIDRecoveryd})
}

func (r *rig) scaleTo(ctx context.Context, rep *report, n int) error {
	l, err := r.Listen(ctx, "tcp", manyAddr)
	if err != nil {
		return err
	}
	m := &many{last: map[string]time.Time{}}
	srv := &http.Server{Handler: m, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(l) }() // ends with Close
	defer srv.Close()                //nolint:errcheck // nothing depends on it
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nhost: bench\nhttp: {listen: \"%s\"}\ntargets:\n", apiAddr)
	for i := range n {
		fmt.Fprintf(&b, "  - {name: t%d, kind: plain, external: true, interval: %s, check: {type: http, url: \"http://%s/%d\", timeout: 5s}}\n", i, manyEvery, manyAddr, i)
	}
	if err := r.WriteFile("/etc/recoveryd/recoveryd.yaml", lab.File{Content: b.String(), Mode: 0o640, GID: lab.UIDRecoveryd}); err != nil {
		return err
	}
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
	before, err := used(pid)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.late, m.gaps = 0, 0
	m.mu.Unlock()
	if err := sleep(ctx, rounds*manyEvery); err != nil {
		return err
	}
	after, err := used(pid)
	if err != nil {
		return err
	}
	rss, err := resident(pid)
	if err != nil {
		return err
	}
	m.mu.Lock()
	gaps, late := m.gaps, m.late
	m.mu.Unlock()
	if gaps == 0 {
		return fmt.Errorf("no target was asked")
	}
	what := fmt.Sprintf("%d plain HTTP targets every 10 s: ", n)
	rep.value(what+"CPU seconds for 1000 checks", "recoveryd", (after-before).Seconds()/float64(gaps)*1000, "s").under(0.12)
	mem := rep.value(what+"resident memory", "recoveryd", rss/(1<<20), "MiB")
	if n == 1000 {
		mem.under(40)
	}
	rep.value(what+"checks on time", "recoveryd", 100*float64(gaps-late)/float64(gaps), "%").atLeast(100)
	return r.ctl(ctx, "stop", daemonUnit)
}
