package toy

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/doctest"
	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// leaking is a server that has used up its descriptors, and is slow or not.
func leaking(wait float64) detect.Facts {
	return hosttest.With(hosttest.Serving("run-1"), detect.ProcessFDs, 1020, detect.ProcessFDLimit, 1024, detect.HTTPLatency, wait)
}

// host is a host whose policy knows the toys.
func host(t *testing.T, told *bytes.Buffer) (*hosttest.Host, *[]strategy.Action) {
	t.Helper()
	o := hosttest.Options(t)
	set, err := strategy.NewSet(append(strategy.Builtin(), Renew())...)
	require.NoError(t, err)
	o.Strategies, o.Extra = set, []detect.Condition{Condition()}
	bell, err := NewBell(told)(func(v any) error { v.(*BellConfig).Prefix = "ding "; return nil })
	require.NoError(t, err)
	h := hosttest.New(t, time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC), o)
	h.Told = func(r incident.Record) {
		for _, e := range r.Effects {
			if e.Kind == incident.Notify {
				_, err := bell.Notify(t.Context(), notice.Delivery{Notice: engine.Renderer{Host: "db1"}.Render(*e.Notice, *r.Incident, r.At), Attempt: 1})
				require.NoError(t, err)
			}
		}
	}
	var done []strategy.Action
	h.Do = func(a strategy.Action) incident.Result {
		done = append(done, a)
		h.Facts[a.Target] = hosttest.With(hosttest.Serving("run-2"), detect.ProcessFDs, 40, detect.ProcessFDLimit, 1024)
		return incident.ResultDone
	}
	h.Run(time.Minute)
	return h, &done
}

func TestAnIncidentOfTheToysGoesFromTheFactToTheChannel(t *testing.T) {
	var told bytes.Buffer
	h, done := host(t, &told)
	h.Facts["task-mcp"] = leaking(1.4)
	h.Run(5 * time.Minute)
	list, err := h.Incidents(t.Context(), false, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	i := list[0]
	require.Equal(t, Descriptors, i.Class)
	require.Equal(t, detect.P2, i.Severity)
	require.False(t, i.Open())
	require.Equal(t, "renew", i.Attempts[0].Strategy)
	require.Equal(t, incident.Verified, i.Attempts[0].Verdict, "a new process, and the condition clear: the core's own proof")
	require.Len(t, *done, 1)
	require.Equal(t, strategy.Restart, (*done)[0].Verb)
	require.True(t, strings.HasPrefix(told.String(), "ding change: "), told.String())
}

func TestTheToysAreHeldByTheSamePromises(t *testing.T) {
	var told bytes.Buffer
	h, done := host(t, &told)
	h.Facts["task-mcp"] = leaking(0.02)
	h.Run(10 * time.Minute)
	require.Empty(t, *done, "one kind of evidence restarts nothing")
	require.Contains(t, told.String(), "ding trigger: ")
	require.Equal(t, incident.HoldOneWitness, h.State().Targets["task-mcp"].Reason)
}

func TestWhatIsNotMeasuredIsNoVerdict(t *testing.T) {
	f := Condition().Match(detect.Observation{Facts: hosttest.Serving("run-1")}, detect.Background{})
	require.Equal(t, detect.Unknown, f.Verdict)
	_, err := Renew().Plan(strategy.Input{Diagnosis: detect.Diagnosis{Class: detect.ClassDown}})
	require.ErrorIs(t, err, strategy.ErrNotApplicable)
}

func TestAFailedTryIsHandedBackToTheOutbox(t *testing.T) {
	b := &Bell{out: broken{}}
	_, err := b.Notify(t.Context(), notice.Delivery{})
	again, ok := errors.AsType[*notice.RetryError](err)
	require.True(t, ok)
	require.Equal(t, notice.ReasonNetwork, again.Reason)
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("nobody is there") }

func TestTheCodeInTheDocsIsThisCode(t *testing.T) {
	source, err := os.ReadFile("toy.go")
	require.NoError(t, err)
	shelf, err := os.ReadFile("platform.go")
	require.NoError(t, err)
	source = append(source, shelf...)
	text, err := os.ReadFile("../../docs/extending.md")
	require.NoError(t, err)
	n := 0
	for _, b := range doctest.Parse("docs/extending.md", text).Blocks {
		if b.Lang() != "go" {
			continue
		}
		n++
		require.True(t, strings.Contains(string(source), b.Code), "%s: not as in test/toy:\n%s", b.At(0), b.Code)
	}
	require.GreaterOrEqual(t, n, 7)
}
