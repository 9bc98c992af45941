package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/console/look"
	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

func TestStatusShowsEveryTargetAndWideEveryColumn(t *testing.T) {
	_, socket := hosttest.Serve(t, hosttest.DatabaseDead)
	out, _, code := say(t, "status", "--socket", socket)
	require.Zero(t, code)
	require.NotContains(t, out, "\x1b", "no colours where nobody can see them")
	require.Regexp(t, `(?m)^TARGET +PHASE +FOR +VERDICT +CLASS +INCIDENT +BECAUSE$`, out)
	require.Regexp(t, `(?m)^codebase-mcp +held \(dependency\) +\S+ +unhealthy +database `, out)
	out, _, _ = say(t, "status", "-o", "wide", "--socket", socket)
	require.Regexp(t, `(?m)^codebase-mcp +service +codebase-mcp\.service +postgres,ollama .* waits for postgres, which is treated in postgres-`, out)
	require.Regexp(t, `(?m)^ollama +plain +- +- +watching`, out)
	var a, b httpserve.Status
	asJSON, _, _ := say(t, "status", "-o", "json", "--socket", socket)
	require.NoError(t, json.Unmarshal([]byte(asJSON), &a))
	asYAML, _, _ := say(t, "status", "-o", "yaml", "--socket", socket)
	back, err := yaml.YAMLToJSON([]byte(asYAML))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(back, &b))
	require.Len(t, b.Targets, 6)
	a.Now, b.Now = time.Time{}, time.Time{}
	require.Equal(t, a, b)
}

func TestShowOfATargetIsOneScreenOfIt(t *testing.T) {
	_, socket := hosttest.Serve(t, hosttest.DatabaseDead)
	dir, file := told(t, storyConfig, hungStory()) // its journal knows nothing of this host
	where := []string{"--socket", socket, "--state-dir", dir, "--config", file}
	out, _, code := say(t, append([]string{"show", "postgres"}, where...)...)
	require.Zero(t, code)
	for _, want := range []string{"target     postgres (postgres)", "needed by  codebase-mcp, workflow-mcp", "state      unhealthy, escalated", "database (database dead or frozen)",
		"next       recoveryd will do nothing more by itself", "last hour   ", "  served ", "not measured now", "facts\n", "none is on record", console.BarLegend} {
		require.Contains(t, out, want)
	}
	for _, l := range strings.Split(out, "\n") {
		if strings.HasPrefix(l, "last hour") {
			require.Equal(t, 60, strings.Count(l, "█")+strings.Count(l, "x")+strings.Count(l, "·")+strings.Count(l, "▄")+strings.Count(l, "?"))
		}
	}
	out, _, _ = say(t, append([]string{"show", "postgres", "-o", "json"}, where...)...)
	var x look.ShownTarget
	require.NoError(t, json.Unmarshal([]byte(out), &x))
	require.Equal(t, "postgres", x.Name)
	require.Len(t, x.History, 60)

	_, stderr, code := say(t, append([]string{"show", "nothing"}, where...)...)
	require.Equal(t, console.NotHealthy, code)
	require.Contains(t, stderr, "see: recoveryd status, recoveryd incidents")
}

func TestShowOfAnIncidentNeedsNoDaemon(t *testing.T) {
	dir, file := told(t, storyConfig, hungStory())
	out, _, code := say(t, "show", storyID, "--state-dir", dir, "--config", file, "--socket", "/nonexistent")
	require.Zero(t, code)
	require.Contains(t, out, "restart: restart mcp.service")
	require.Contains(t, out, "done in 2s, verified")
	require.Contains(t, out, "ended      ")
	require.NotContains(t, out, "next  ")
	_, stderr, code := say(t, "show", "mcp", "--state-dir", dir, "--config", file, "--socket", "/nonexistent")
	require.Equal(t, console.NotHealthy, code)
	require.Contains(t, stderr, "is it running")
}

func TestLogsPrintTheRecordsOfATargetOrAnIncident(t *testing.T) {
	dir, file := told(t, storyConfig, hungStory())
	where := []string{"--state-dir", dir, "--config", file}
	all, _, code := say(t, append([]string{"logs"}, where...)...)
	require.Zero(t, code)
	require.Regexp(t, `(?m)^2026-11-22 .*:08\.000  mcp +acting +.*\n +-> restart mcp\.service`, all)
	one, _, _ := say(t, append([]string{"logs", storyID}, where...)...)
	require.Contains(t, one, "restart")
	require.Less(t, len(one), len(all), "what came before the incident is none of it")
	of, _, _ := say(t, append([]string{"logs", "db"}, where...)...)
	require.Equal(t, "no records\n", of, "nothing was decided about it")
	last, _, _ := say(t, append([]string{"logs", "mcp", "-n", "1", "-o", "wide"}, where...)...)
	require.Contains(t, last, "rule ")
	require.Contains(t, last, "watching")
	lines, _, _ := say(t, append([]string{"logs", "mcp", "-o", "json"}, where...)...)
	for _, l := range strings.Split(strings.TrimSpace(lines), "\n") {
		var r incident.Record
		require.NoError(t, json.Unmarshal([]byte(l), &r))
		require.Equal(t, "mcp", r.Target)
	}
	_, stderr, code := say(t, append([]string{"logs", "nothing"}, where...)...)
	require.Equal(t, console.NotHealthy, code)
	require.Contains(t, stderr, "see: recoveryd status")
	_, stderr, code = say(t, append([]string{"logs", "--since", "soon"}, where...)...)
	require.Equal(t, console.Usage, code)
	require.Contains(t, stderr, "30m")
}

// heard is a writer that can be waited for.
type heard struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	more chan struct{}
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case h.more <- struct{}{}:
	default:
	}
	return h.buf.Write(b)
}

func (h *heard) await(t *testing.T, want string) {
	t.Helper()
	for end := time.After(30 * time.Second); ; { // far beyond what any machine needs
		h.mu.Lock()
		s := h.buf.String()
		h.mu.Unlock()
		if strings.Contains(s, want) {
			return
		}
		select {
		case <-h.more:
		case <-end:
			require.FailNow(t, "never printed "+want, s)
		}
	}
}

// start runs a command until stop is called, which returns its error.
func start(t *testing.T, out io.Writer, args ...string) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	root := newRoot(out, io.Discard)
	root.SetArgs(args)
	done := make(chan error, 1)
	go func() { done <- root.ExecuteContext(ctx) }()
	return func() error { cancel(); return <-done }
}

func TestWatchPrintsWhatChangedAndOutlivesTheDaemon(t *testing.T) {
	h, socket := hosttest.Serve(t, hosttest.Night)
	out := &heard{more: make(chan struct{}, 1)}
	stop := start(t, out, "status", "--watch", "--interval", "200ms", "--socket", socket)
	out.await(t, "workflow-mcp  watching")
	h.Say("workflow-mcp", incident.Command{Verb: incident.CmdHold, By: "ann"})
	out.await(t, "hold by ann")
	require.NoError(t, os.Rename(socket, socket+".away"))
	out.await(t, "no daemon answers")
	require.NoError(t, os.Rename(socket+".away", socket))
	h.Say("workflow-mcp", incident.Command{Verb: incident.CmdRelease, By: "ann"})
	require.NoError(t, stop(), "an interrupted watch has done what it was asked")
	require.NotContains(t, out.buf.String(), "\x1b")
}

func TestWatchOnATerminalDrawsInPlace(t *testing.T) {
	h, socket := hosttest.Serve(t, hosttest.Night)
	cmd := program(t, "status", "--watch", "--interval", "200ms", "--socket", socket)
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 30, Cols: 90})
	require.NoError(t, err)
	defer master.Close()
	out := &heard{more: make(chan struct{}, 1)}
	read := make(chan struct{})
	go func() { defer close(read); _, _ = io.Copy(out, master) }() // ends with an error when the other end is closed
	out.await(t, "\x1b[2J\x1b[H")
	h.Say("workflow-mcp", incident.Command{Verb: incident.CmdHold, By: "ann"})
	out.await(t, "hold by ann")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait(), "Ctrl-C is how it ends")
	<-read
	require.Equal(t, 1, strings.Count(out.buf.String(), "\x1b[2J"), "the screen is cleared once, then drawn over")
}

func TestLogsFollowGoesOnWithWhatComes(t *testing.T) {
	dir, file := told(t, storyConfig, hungStory()[:5])
	out := &heard{more: make(chan struct{}, 1)}
	stop := start(t, out, "logs", "--follow", "--state-dir", dir, "--config", file)
	out.await(t, "-> restart mcp.service")
	goOn(t, dir, file, hungStory()[5:])
	out.await(t, "probation")
	require.NoError(t, stop())
	require.Equal(t, 1, strings.Count(out.buf.String(), "-> restart mcp.service"), "nothing is printed twice")
}

func TestColoursAreForTerminalsOnlyAndNO_COLORIsHeard(t *testing.T) {
	_, socket := hosttest.Serve(t, hosttest.DatabaseDead)
	on := func() string {
		master, slave, err := pty.Open()
		require.NoError(t, err)
		defer master.Close()
		root := newRoot(slave, io.Discard)
		root.SetArgs([]string{"status", "--socket", socket})
		read := make(chan string, 1)
		go func() { b, _ := io.ReadAll(master); read <- string(b) }() // ends with an error when the other end is closed
		require.NoError(t, root.ExecuteContext(t.Context()))
		require.NoError(t, slave.Close())
		return <-read
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm-256color")
	require.Contains(t, on(), "\x1b[31munhealthy\x1b[0m")
	t.Setenv("NO_COLOR", "1")
	require.NotContains(t, on(), "\x1b")
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	require.NotContains(t, on(), "\x1b")
}

func TestTopOnARealTerminalDrawsAndGivesItBack(t *testing.T) {
	_, socket := hosttest.Serve(t, hosttest.DatabaseDead)
	cmd := program(t, "top", "--socket", socket, "--interval", "200ms")
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 150})
	require.NoError(t, err)
	defer master.Close()
	out := &heard{more: make(chan struct{}, 1)}
	read := make(chan struct{})
	go func() { defer close(read); _, _ = io.Copy(out, master) }() // ends with an error when the other end is closed
	out.await(t, "\x1b[?1049h")
	out.await(t, "codebase-mcp")
	out.await(t, "\x1b[31m")
	_, err = master.WriteString("d")
	require.NoError(t, err)
	out.await(t, "24 HOURS") // only what changed is drawn, and no letter of it was there
	_, err = master.WriteString("q")
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	<-read
	require.Contains(t, out.buf.String(), "\x1b[?1049l", "the terminal is as it was")
}
