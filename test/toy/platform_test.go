package toy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/platform"
)

// shelfConfig watches one box.
func shelfConfig(t *testing.T, s *Shelf, target string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "recoveryd.yaml")
	text := fmt.Sprintf("version: 1\nmode: auto\nstate_dir: %s/state\nruntime_dir: %s/run\nhttp: {listen: \"\"}\nnotifiers: [{name: log, type: log}]\ntargets:\n"+
		"  - {name: toy, kind: service, %s, interval: 300ms, start_grace: 1s, health: [{url: \"http://%s/health\", timeout: 200ms}]}\n", dir, dir, target, s.Addr)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	_, err := config.Load(file, app.Known(NewDriver(s)))
	return file, err
}

// watched runs recoveryd with the shelf as its only platform.
func watched(t *testing.T, s *Shelf) *app.App {
	t.Helper()
	s.Box, s.Addr = "red-1", "127.0.0.1:0"
	require.NoError(t, s.Open())
	t.Cleanup(s.Close)
	file, err := shelfConfig(t, s, "box: red-1")
	require.NoError(t, err)
	d := NewDriver(s)
	c, err := config.Load(file, app.Known(d))
	require.NoError(t, err)
	a, err := app.New(t.Context(), app.Options{Config: c, ConfigPath: file, Logger: zap.NewNop(), Drivers: []platform.Driver{d}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, nil) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-ended) })
	await(t, a, "it is well", func(ts *incident.TargetState) bool { return ts.Diagnosis.Good() })
	return a
}

func await(t *testing.T, a *app.App, what string, is func(*incident.TargetState) bool) *incident.TargetState {
	t.Helper()
	var last *incident.TargetState
	require.Eventually(t, func() bool {
		last = a.State().Targets["toy"]
		return last != nil && is(last)
	}, 30*time.Second, 20*time.Millisecond, what)
	return last
}

func TestAPlatformOfOnesOwnIsValidated(t *testing.T) {
	s := &Shelf{Box: "red-1", Addr: "127.0.0.1:1"}
	for target, want := range map[string]string{
		"box: red-1":                  "",
		"box: RED":                    `targets[toy].box: is not acceptable (got "RED", want a box such as red-1)`,
		"platform: shelf":             "targets[toy].box: is missing (want a box such as red-1)",
		"boks: red-1":                 "targets[toy].boks: unknown key",
		"box: red-1, platform: none":  "targets[toy].box: has no effect (got platform none, want platform shelf); leave one of them out",
		"unit: mcp.service":           "targets[toy].unit: unknown key",
		"platform: systemd":           `targets[toy].platform: unknown platform (got "systemd"`,
		"box: red-1, external: false": "",
	} {
		_, err := shelfConfig(t, s, target)
		if want == "" {
			require.NoError(t, err, target)
			continue
		}
		require.ErrorContains(t, err, want, target)
	}
}

func TestAnIncidentOnAPlatformOfOnesOwn(t *testing.T) {
	s := &Shelf{}
	a := watched(t, s)
	s.Fall()
	ts := await(t, a, "it is cured", func(ts *incident.TargetState) bool { return ts.Phase == incident.Probation })
	i := a.State().Incidents[ts.Incident]
	require.Equal(t, "start red-1 (reset=yes)", i.Attempts[0].Action)
	require.Equal(t, incident.Verified, i.Attempts[0].Verdict)
	require.Equal(t, "opening 2", ts.Run, "by a new run")
	require.Contains(t, i.Diagnosis.Because, "box failed", "the sentence has the platform's words")
}

func TestAPersonsWishOnAPlatformOfOnesOwn(t *testing.T) {
	s := &Shelf{}
	a := watched(t, s)
	s.Close()
	ts := await(t, a, "it is held", func(ts *incident.TargetState) bool { return ts.Reason == incident.HoldOperator })
	require.Equal(t, "a person stopped the box", ts.Intent)
	require.Equal(t, "opening 1", ts.Run, "nobody opened it again")
}

func TestARightThatIsMissingOnAPlatformOfOnesOwn(t *testing.T) {
	s := &Shelf{Locked: true}
	a := watched(t, s)
	s.Fall()
	ts := await(t, a, "people are told", func(ts *incident.TargetState) bool { return ts.Phase == incident.Escalated })
	require.Equal(t, incident.PageFirst, ts.Reason)
	require.Equal(t, "opening 1", ts.Run, "nothing was tried")
}
