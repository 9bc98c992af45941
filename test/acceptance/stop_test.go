package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/lab"
)

// slowStop is the usual configuration, with a server whose stop is waited for, and systemd that waits longer.
func slowStop() setting {
	return setting{
		config: strings.Replace(config(), "    unit: workflow-mcp.service\n    depends_on: [postgres]\n    interval: 2s\n    start_grace: 15s\n    stop_grace: 1500ms\n",
			"    unit: workflow-mcp.service\n    depends_on: [postgres]\n    interval: 2s\n    start_grace: 15s\n    stop_grace: 8s\n", 1),
		files: map[string]lab.File{"/etc/systemd/system/workflow-mcp.service.d/stop.conf": {Content: "[Service]\nTimeoutStopSec=90s\n"}},
	}
}

// stopping waits until the wedged server is being stopped by us.
func (s *stage) stopping() {
	s.t.Helper()
	require.NoError(s.t, s.Control(lab.WorkflowControl).Set(s.t.Context(), "wedge"))
	s.eventually(25*time.Second, "the stop is under way", func() bool { return s.show(lab.WorkflowUnit, "ActiveState") == "deactivating" })
}

func TestAStopOfRecoverydWaitsForTheActionInFlightAndWritesItsEndDown(t *testing.T) {
	s := newStage(t, slowStop())
	s.stopping()
	began := time.Now()
	s.ctl("stop", "recoveryd.service")
	t.Logf("the stop took %s, of a stop grace of 8s", time.Since(began).Round(time.Millisecond))
	require.Greater(t, time.Since(began), 3*time.Second, "it waited for the action")
	require.Equal(t, "active", s.show(lab.WorkflowUnit, "ActiveState"), "the action was seen through")
	run := s.show(lab.WorkflowUnit, "InvocationID")
	require.NotEqual(t, s.runs[lab.WorkflowUnit], run)

	var list []incidentView // of a daemon that does not run: read from its journal
	require.NoError(t, json.Unmarshal([]byte(s.exec("/usr/bin/recoveryd", "incidents", "-o", "json", "--state-dir", "/var/lib/recoveryd")), &list))
	require.Len(t, list, 1)
	require.Equal(t, "done", list[0].Attempts[0].Result, "%+v", list[0])
	require.Contains(t, list[0].Attempts[0].Detail, "kill")

	s.ctl("start", "recoveryd.service")
	inc := s.closed(1, 40*time.Second)[0]
	require.Len(t, inc.Attempts, 1, "nothing is done twice")
	require.Equal(t, run, s.show(lab.WorkflowUnit, "InvocationID"))
	s.noPages()
}

func TestAfterAKillInTheMiddleOfAWedgedStopTheNextProcessEndsItWithinItsGrace(t *testing.T) {
	s := newStage(t, slowStop())
	s.stopping()
	began := time.Now()
	require.NoError(t, s.SignalMain(t.Context(), "recoveryd.service", "KILL"))
	took := s.healthy(lab.WorkflowAddr, 60*time.Second)
	t.Logf("killed %s before it was healthy again", took.Round(time.Millisecond))
	require.Less(t, time.Since(began), 40*time.Second, "its grace is 8s; systemd alone would wait for 90s")
	inc := s.closed(1, 60*time.Second)[0]
	require.Equal(t, "hung", inc.Class)
	require.Len(t, inc.Attempts, 1, "nothing is repeated: %+v", inc)
	require.Equal(t, "unknown", inc.Attempts[0].Result)
	require.Contains(t, inc.Attempts[0].Detail, "still under way", "%+v", inc)
	s.noPages()
}

// left is what the process of recoveryd holds.
type left struct{ descriptors, inotify, bus, goroutines, memoryKiB int }

func (s *stage) left() (l left) {
	s.t.Helper()
	pid := s.show("recoveryd.service", "MainPID")
	out := s.exec("sh", "-c", "ls -l /proc/"+pid+"/fd | grep -c -- '->'; ls -l /proc/"+pid+"/fd | grep -c inotify; "+
		"busctl list --unique --no-legend --no-pager | awk '$2 == "+pid+"' | wc -l; awk '/^VmRSS/ {print $2}' /proc/"+pid+"/status")
	_, err := fmt.Sscan(out, &l.descriptors, &l.inotify, &l.bus, &l.memoryKiB)
	require.NoError(s.t, err, out)
	resp, err := s.HTTPClient().Get("http://" + apiAddr + "/metrics")
	require.NoError(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			_, err = fmt.Sscan(n, &l.goroutines)
			require.NoError(s.t, err)
		}
	}
	require.Positive(s.t, l.goroutines)
	return l
}

// manyReloads is how many configurations are taken and refused: two of three are taken.
const manyReloads = 1000

func TestWhatBelongsToAConfigurationEndsWithIt(t *testing.T) {
	s := newStage(t, setting{files: map[string]lab.File{
		"/etc/recoveryd/good.yaml":    {Content: config(), Mode: 0o640, GID: lab.UIDRecoveryd},
		"/etc/recoveryd/other.yaml":   {Content: strings.Replace(config(), "interval: 2s", "interval: 4s", 1), Mode: 0o640, GID: lab.UIDRecoveryd},
		"/etc/recoveryd/refused.yaml": {Content: strings.Replace(config(), "interval: 3s", "interval: soon", 1), Mode: 0o640, GID: lab.UIDRecoveryd},
	}})
	reload := func(n int) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		r, err := s.Exec(ctx, "sh", "-c", fmt.Sprintf("cd /etc/recoveryd; i=0; bad=0; while [ $i -lt %d ]; do "+
			"for f in good other refused; do cp $f.yaml recoveryd.yaml; if /usr/bin/recoveryd reload >/dev/null 2>&1; then [ $f = refused ] && bad=$((bad+1)); else [ $f != refused ] && bad=$((bad+1)); fi; i=$((i+1)); done; done; cp good.yaml recoveryd.yaml; /usr/bin/recoveryd reload >/dev/null && echo wrong $bad of $i", n))
		require.NoError(t, err)
		require.Contains(t, r.Stdout, "wrong 0 of", r.Stdout+r.Stderr)
	}
	reload(15) // what is kept for later is kept now
	s.eventually(20*time.Second, "everything is well", func() bool { return s.target("codebase-mcp").Verdict == "healthy" })
	before := s.left()
	require.Positive(t, before.descriptors)
	require.Positive(t, before.bus)
	began := time.Now()
	reload(manyReloads)
	t.Logf("%d reloads in %s", manyReloads, time.Since(began).Round(time.Second))
	var after left
	s.eventually(30*time.Second, "what the last reload closes is closed", func() bool {
		after = s.left()
		return after.descriptors <= before.descriptors+3 && after.goroutines <= before.goroutines+5
	})
	t.Logf("before %+v, after %+v", before, after)
	require.LessOrEqual(t, after.inotify, before.inotify)
	require.LessOrEqual(t, after.bus, before.bus)
	require.Less(t, after.memoryKiB, before.memoryKiB+16<<10, "the memory of ten configurations is not kept")
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.healthy(lab.CodebaseAddr, 10*time.Second)
}
