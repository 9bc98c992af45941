package acceptance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/test/lab"
)

// victims are targets of the day's guards: servers without a database, by port.
var victims = []struct {
	name string
	port int
	more string
}{
	{"observed", 8100, "mode: observe, "}, {"asked", 8101, "mode: propose, "}, {"one", 8102, ""}, {"two", 8103, ""}, {"window", 8104, ""},
}

// daysGuards is a configuration of five small servers, each with another guard in front of it.
func daysGuards(host, class int, maintenance bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nhost: lab\nprobation: 3s\nhttp: {listen: %q}\ntargets:\n", apiAddr)
	for _, v := range victims {
		fmt.Fprintf(&b, "  - {name: %s, kind: service, unit: victim@%d.service, %sinterval: 1s, start_grace: 5s, stop_grace: 3s, health: [{url: \"http://127.0.0.1:%d/health/status\", timeout: 700ms}]}\n",
			v.name, v.port, v.more, v.port)
	}
	fmt.Fprintf(&b, `budgets:
  target: {actions: 50, window: 1h}
  host: {actions: %d, window: 1h}
  class: {actions: %d, window: 1h}
  backoff: {initial: 1s, factor: 1.1, max: 2s}
  concurrent: 1
storm: {targets: 3, window: 3s}
approval: {deadline: 1m, promote_after: 1}
experience: {skip_after: 2, forget_after: 1h}
page_after: {held: 1m, unknown: 1m, unresolved: 2m}
notifiers:
  - {name: pagerduty, type: pagerduty, routing_key_file: /etc/recoveryd/pagerduty.key, endpoint: "http://%s"}
`, host, class, pdAddr)
	if maintenance {
		b.WriteString("maintenance: [{name: rack, start: \"00:00\", duration: 1d, targets: [window]}]\n")
	}
	return b.String()
}

// TestTheGuardsOfADay is one boot with the guards that TheGuardsOfANight leaves out: observe mode, a
// maintenance window, a pause, a relapse, a promotion, one disruptive action at a time, what has not
// helped, a storm, the budgets of class and host, and a daemon that only rehearses.
func TestTheGuardsOfADay(t *testing.T) {
	unit := func(name string) string {
		for _, v := range victims {
			if v.name == name {
				return fmt.Sprintf("victim@%d.service", v.port)
			}
		}
		t.Fatal(name)
		return ""
	}
	s := newStage(t, setting{config: daysGuards(100, 100, true), before: func(s *stage) {
		for _, v := range victims {
			s.ctl("start", unit(v.name))
		}
		for _, n := range []string{"one", "two"} { // they take their time to stop
			require.NoError(s.t, s.WriteFile("/etc/systemd/system/"+unit(n)+".d/slow.conf", lab.File{Content: "[Service]\nExecStop=/bin/sleep 2\n"}))
		}
		s.exec("rm", setup.PolkitRule)
		r := s.says("setup", "--apply", "--yes")
		require.Zero(s.t, r.Code, r.Stdout+r.Stderr)
	}})
	kill := func(names ...string) {
		t.Helper()
		for _, n := range names {
			require.NoError(t, s.SignalMain(t.Context(), unit(n), "KILL"))
		}
	}
	say := func(args ...string) string {
		t.Helper()
		r := s.says(args...)
		require.Zero(t, r.Code, r.Stdout+r.Stderr)
		return r.Stdout
	}
	heldBy := func(name, reason string) {
		t.Helper()
		s.eventually(15*time.Second, name+" is held: "+reason, func() bool { return s.target(name).Reason == reason })
	}
	serves := func(names ...string) {
		t.Helper()
		for _, n := range names {
			s.eventually(30*time.Second, n+" serves and is watched", func() bool { v := s.target(n); return v.Verdict == "healthy" && v.Phase == "watching" })
		}
	}
	last := func(name string) (i incidentView) {
		for _, x := range s.incidents() {
			if x.Target == name {
				i = x
			}
		}
		return i
	}
	reload := func(conf string) {
		t.Helper()
		require.NoError(t, s.WriteFile("/etc/recoveryd/recoveryd.yaml", lab.File{Content: conf, Mode: 0o640, GID: lab.UIDRecoveryd}))
		n := strings.Count(s.daemonLog(), "configuration reloaded")
		s.ctl("reload", "recoveryd.service")
		s.eventually(15*time.Second, "reloaded", func() bool { return strings.Count(s.daemonLog(), "configuration reloaded") > n })
	}
	serves("observed", "asked", "one", "two", "window")

	// Observe mode, a maintenance window and a pause: three reasons not to act, said as such.
	kill("observed", "window")
	heldBy("observed", "observe-mode")
	heldBy("window", "maintenance")
	s.eventually(25*time.Second, "the observed one is paged, after page_after.confirmed", func() bool { return len(s.pages()) == 1 })
	say("pause", "--why", "moving the rack", "--by", "ann")
	kill("one")
	heldBy("one", "paused")
	require.Contains(t, say("status"), "paused by ann")
	s.never(2*time.Second, "an action, or a page while a person has everything", func() bool { return len(s.actions()) > 0 || len(s.pages()) > 1 })
	say("resume", "--by", "ann")
	s.ctl("start", unit("observed"), unit("window")) // by a person

	// It dies again while it is on probation: the same incident goes on, on its next rung.
	s.eventually(20*time.Second, "on probation", func() bool { return s.target("one").Phase == "probation" })
	kill("one")
	serves("one", "observed", "window")
	relapsed := last("one")
	require.Len(t, relapsed.Attempts, 2, "one incident, two attempts")
	count := 0
	for _, i := range s.incidents() {
		if i.Target == "one" {
			count++
		}
	}
	require.Equal(t, 1, count)

	// What was asked for and has helped is not asked for again.
	kill("asked")
	heldBy("asked", "needs-approval")
	say("approve", last("asked").ID, "--by", "ann")
	serves("asked")
	before := len(s.incidents())
	kill("asked")
	s.eventually(15*time.Second, "another incident", func() bool { return len(s.incidents()) > before })
	serves("asked")
	require.NotContains(t, say("explain", last("asked").ID), "nobody has said yes")
	require.Contains(t, say("status"), "asked learned:")

	// Two hang at once: one disruptive action at a time.
	for _, n := range []string{"one", "two"} {
		require.NoError(t, s.SignalMain(t.Context(), unit(n), "STOP"))
	}
	s.eventually(30*time.Second, "one waits for the other", func() bool { return strings.Contains(s.daemonLog(), `"reason":"action-in-flight"`) })
	serves("one", "two")

	// What has not helped is passed over the next time.
	faults := "/run/lab/faults/" + unit("two")
	require.NoError(t, s.WriteFile(faults, lab.File{Content: "crash?delay=200ms\n"}))
	kill("two")
	s.eventually(60*time.Second, "everything was tried", func() bool { return s.target("two").Phase == "escalated" })
	require.NoError(t, s.WriteFile(faults, lab.File{Content: ""}))
	s.ctl("reset-failed", unit("two"))
	s.ctl("start", unit("two"))
	serves("two")
	kill("two")
	s.eventually(15*time.Second, "passed over", func() bool { return strings.Contains(say("explain", last("two").ID), "not tried") })
	require.Contains(t, say("explain", last("two").ID), "start: it has not helped the last 2 times")
	say("forget", "two", "--by", "ann")
	if s.target("two").Phase == "escalated" { // what is forgotten may be tried again before anybody asks
		say("retry", "two", "--by", "ann")
	}
	serves("two")

	// Many at once have one cause: with three that began, the fourth is not acted on before the storm is
	// over.
	reload(daysGuards(100, 100, false)) // the window is over
	kill("one", "two", "window", "asked")
	s.eventually(10*time.Second, "a storm", func() bool { return strings.Contains(s.daemonLog(), `"reason":"storm"`) })
	serves("one", "two", "window", "asked")

	// Budgets of the class and of the host.
	reload(daysGuards(100, 1, false))
	kill("one")
	heldBy("one", "class-budget")
	reload(daysGuards(1, 100, false))
	heldBy("one", "host-budget")
	s.eventually(10*time.Second, "it is paged", func() bool {
		for _, p := range s.pages() {
			if p.Status != "resolved" {
				return true
			}
		}
		return false
	})
	reload(daysGuards(100, 100, false))
	serves("one")

	// A daemon that only rehearses.
	require.NoError(t, s.WriteFile("/etc/systemd/system/recoveryd.service.d/60-dry.conf", lab.File{Content: "[Service]\nExecStart=\nExecStart=/usr/bin/recoveryd run --dry-run\n"}))
	s.ctl("daemon-reload")
	s.ctl("restart", "recoveryd.service")
	serves("window")
	done := len(s.actions())
	kill("window")
	heldBy("window", "observe-mode")
	s.never(2*time.Second, "an action", func() bool { return len(s.actions()) > done })
}
