package acceptance

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/test/lab"
)

// wary is a configuration of one server that is cured by starting it, and by nothing else.
func wary() string {
	return fmt.Sprintf(`
version: 1
host: lab
probation: 2s
http: {listen: %q}
targets:
  - {name: fickle, kind: service, unit: victim@8120.service, interval: 1s, start_grace: 4s, stop_grace: 2s, health: [{url: "http://127.0.0.1:8120/health/status", timeout: 700ms}]}
classes:
  - {class: down, ladder: [start]}
budgets:
  target: {actions: 50, window: 1h}
  backoff: {initial: 1s, factor: 1.1, max: 2s}
approval: {deadline: 1m, promote_after: 1, demote_after: 2}
page_after: {held: 2m, unknown: 2m, unresolved: 2m}
notifiers:
  - {name: pagerduty, type: pagerduty, routing_key_file: /etc/recoveryd/pagerduty.key, endpoint: "http://%s"}
`, apiAddr, pdAddr)
}

// TestWhatDoesNotHelpIsAskedForAndWhatHelpsIsNot is one boot: a cure that did not help twice in a row is
// proposed from then on, also after recoveryd was killed, and nothing is done without a yes; with a yes
// it helps, and is done by itself again.
func TestWhatDoesNotHelpIsAskedForAndWhatHelpsIsNot(t *testing.T) {
	const unit, target = "victim@8120.service", "fickle"
	const faults = "/run/lab/faults/" + unit
	s := newStage(t, setting{config: wary(), before: func(s *stage) {
		s.ctl("start", unit)
		s.exec("rm", setup.PolkitRule)
		r := s.says("setup", "--apply", "--yes")
		require.Zero(s.t, r.Code, r.Stdout+r.Stderr)
	}})
	say := func(args ...string) string {
		t.Helper()
		r := s.says(args...)
		require.Zero(t, r.Code, r.Stdout+r.Stderr)
		return r.Stdout
	}
	page := func() string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+apiAddr+"/", nil)
		require.NoError(t, err)
		resp, err := s.HTTPClient().Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(b)
	}
	serves := func() {
		t.Helper()
		s.eventually(30*time.Second, "it serves and is watched", func() bool { v := s.target(target); return v.Verdict == "healthy" && v.Phase == "watching" })
	}
	fails := func() {
		t.Helper()
		require.NoError(t, s.SignalMain(t.Context(), unit, "KILL"))
	}
	mended := func() {
		t.Helper()
		require.NoError(t, s.WriteFile(faults, lab.File{Content: ""}))
		s.ctl("reset-failed", unit)
		s.ctl("start", unit)
		serves()
	}
	latest := func(n int) incidentView {
		t.Helper()
		var list []incidentView
		s.eventually(15*time.Second, fmt.Sprintf("incident %d", n), func() bool { list = s.incidents(); return len(list) == n })
		return list[n-1]
	}
	serves()

	// It ends again after each start: that a start does not help is no news the first time.
	for n := 1; n <= 2; n++ {
		require.NoError(t, s.WriteFile(faults, lab.File{Content: "crash?delay=200ms\n"}))
		fails()
		s.eventually(60*time.Second, "everything was tried", func() bool { return s.target(target).Reason == "ladder-ended" && len(s.incidents()) == n })
		require.Len(t, latest(n).Attempts, 1)
		require.Len(t, s.actions(), n, "it acts by itself, so far")
		s.eventually(10*time.Second, "people are told", func() bool { return len(s.pages()) == n })
		if n == 1 {
			require.NotContains(t, say("status"), "learned")
			mended()
		}
	}

	// The second time is one too many, and that is said wherever people look.
	const lesson = "start on fickle is now propose: it did not help 2 times in a row, and needs approval from now on"
	const inForce = "start: propose since "
	demoted := latest(2).ID
	said := func() {
		t.Helper()
		require.Contains(t, say("status"), target+" learned: "+inForce)
		require.Contains(t, say("status"), "by experience, the configuration says auto (undo: recoveryd forget fickle)")
		require.Contains(t, say("show", target), inForce)
		require.Contains(t, page(), inForce)
		require.Contains(t, say("explain", demoted), lesson)
	}
	said()
	require.Contains(t, say("logs", demoted), lesson, "it is in the journal")
	require.Contains(t, say("report", demoted), lesson)
	require.Len(t, s.pd.Log.Select(func(e escalatetest.Entry) bool {
		return e.Kind == "trigger" && strings.Contains(e.Body, "learned: "+lesson)
	}), 1, "the page says so")
	mended()

	// From now on it asks, and does nothing, also when it is killed meanwhile.
	done, starts, run, restarts := len(s.actions()), s.starts(unit), s.show(unit, "InvocationID"), s.show(unit, "NRestarts")
	require.Equal(t, 5, starts, "the first, two that did not help, two by a person")
	nothing := func(span time.Duration) {
		t.Helper()
		s.never(span, "an action without a yes", func() bool { return len(s.actions()) > done || s.show(unit, "ActiveState") != "failed" })
		require.Equal(t, starts, s.starts(unit), "systemd was not asked to start it")
		require.Equal(t, run, s.show(unit, "InvocationID"))
		require.Equal(t, restarts, s.show(unit, "NRestarts"))
	}
	fails()
	asks := func() {
		t.Helper()
		s.eventually(15*time.Second, "it asks", func() bool { return s.target(target).Reason == "needs-approval" })
	}
	asks()
	proposed := latest(3)
	require.Empty(t, proposed.Attempts)
	require.Contains(t, say("explain", proposed.ID), "nobody has said yes yet")
	nothing(2 * time.Second)
	pid := s.show("recoveryd.service", "MainPID")
	require.NoError(t, s.SignalMain(t.Context(), "recoveryd.service", "KILL"))
	s.eventually(20*time.Second, "another recoveryd", func() bool {
		now := s.show("recoveryd.service", "MainPID")
		return now != pid && now != "0" && s.target(target).Reason == "needs-approval"
	})
	nothing(3 * time.Second)
	said()
	require.Equal(t, proposed.ID, latest(3).ID, "the same incident")
	require.Len(t, s.pages(), 2, "nobody is woken to be asked before the deadline")

	// With a yes it is done. It helped, so it is not asked for again.
	say("approve", proposed.ID, "--by", "ann")
	serves()
	cured := latest(3)
	require.Len(t, cured.Attempts, 1)
	require.Equal(t, "start", cured.Attempts[0].Verb)
	require.Equal(t, "verified", cured.Attempts[0].Verdict)
	require.NotEqual(t, run, s.show(unit, "InvocationID"))
	require.NotContains(t, say("status"), "learned")
	require.Contains(t, say("explain", cured.ID), "start on fickle is now auto: 1 proposals in a row were approved and helped")
	fails()
	again := latest(4)
	serves()
	require.NotContains(t, say("explain", again.ID), "nobody has said yes")
	require.Len(t, s.actions(), 4)
	require.Len(t, s.pages(), 2)
}
