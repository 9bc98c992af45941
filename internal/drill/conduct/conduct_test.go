package conduct_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/drill"
	"github.com/recoveryd/recoveryd/internal/drill/conduct"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// world is a daemon and hands that note what is asked of them. at says what the daemon shows so
// long after the fault.
type world struct {
	calls    []string
	injected time.Time
	fail     map[string]error
	at       func(since time.Duration, w *world)

	incidents []incident.Incident
	records   []incident.Record
	notices   []queue.Queued
	target    conduct.Target
}

func (w *world) call(name string) error {
	w.calls = append(w.calls, name)
	return w.fail[name]
}

func (w *world) now() {
	if w.at != nil && !w.injected.IsZero() {
		w.at(time.Since(w.injected), w)
	}
}

func (w *world) Target(context.Context, string) (conduct.Target, error) {
	w.now()
	return w.target, w.fail["target"]
}
func (w *world) Announce(context.Context, drill.Order) error { return w.call("announce") }
func (w *world) Over(_ context.Context, _ drill.Order, why string) error {
	verdict, _, _ := strings.Cut(why, ":")
	return w.call("over " + verdict)
}
func (w *world) Incidents(context.Context) ([]incident.Incident, error) {
	w.now()
	return w.incidents, w.fail["incidents"]
}
func (w *world) Records(context.Context, string) ([]incident.Record, error) { return w.records, nil }
func (w *world) Notices(context.Context, string) ([]queue.Queued, error) {
	w.now()
	return w.notices, nil
}
func (w *world) Prepare(context.Context, drill.Order, conduct.Target) error { return w.call("prepare") }
func (w *world) Guard(context.Context, time.Time) error                     { return w.call("guard") }
func (w *world) Unguard(context.Context) error                              { return w.call("unguard") }
func (w *world) Inject(context.Context) (string, error) {
	w.injected = time.Now()
	return "SIGKILL", w.call("inject")
}
func (w *world) Undo(context.Context) (string, error) { return "start job", w.call("undo") }

// cured shows an incident that is confirmed after 3 s, cured after 8 s and closed after 20 s.
func cured(since time.Duration, w *world) {
	at := w.injected
	i := incident.Incident{ID: "i1", Target: "codebase", Class: detect.ClassDown, Since: at.Add(time.Second), Opened: at.Add(3 * time.Second),
		Drill: &incident.Drilled{ID: "d1"}, Attempts: []incident.Attempt{{At: at.Add(3 * time.Second), Action: "start", Result: incident.ResultDone}}}
	rec := incident.Record{At: i.Opened, Target: "codebase", From: incident.Suspect, To: incident.Acting, Sentence: "acting"}
	w.incidents, w.records = []incident.Incident{i}, []incident.Record{rec}
	if since < 3*time.Second {
		w.incidents, w.records = nil, nil
		return
	}
	if since >= 8*time.Second {
		w.incidents[0].Attempts[0].Verdict = incident.Verified
		w.records = append(w.records, incident.Record{At: at.Add(8 * time.Second), Target: "codebase", From: incident.Verifying, To: incident.Probation,
			Sentence: "verified", After: &incident.TargetState{ProbationEnd: at.Add(20 * time.Second)}})
	}
	if since >= 20*time.Second {
		w.incidents[0].Closed = at.Add(20 * time.Second)
		q := queue.Queued{Channel: "slack", Kind: notice.Change, State: queue.Waiting, Notice: notice.Notice{At: at.Add(20 * time.Second)}}
		if since >= 22*time.Second {
			q.State, q.Settled = queue.Delivered, at.Add(21*time.Second)
		}
		w.notices = []queue.Queued{q}
	}
}

func order() drill.Order {
	return drill.Order{ID: "d1", Fault: incident.FaultKill, Target: "codebase", By: "ann", Timeout: time.Minute}
}

func TestADrillIsAnnouncedGuardedBroughtAboutWatchedAndPutBackInThisOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{at: cured}
		r := (&conduct.Conductor{Daemon: w, Hands: w}).Run(t.Context(), order())
		require.Equal(t, drill.Passed, r.Verdict, r.Why)
		require.Equal(t, []string{"prepare", "announce", "guard", "inject", "undo", "over passed", "unguard"}, w.calls)
		require.InDelta(t, 1, *r.Times.Noticed, 1e-6)
		require.InDelta(t, 3, *r.Times.Confirmed, 1e-6)
		require.InDelta(t, 8, *r.Times.Verified, 1e-6)
		require.InDelta(t, 20, *r.Times.Closed, 1e-6)
		require.InDelta(t, 1, *r.Times.Told, 1e-6)
	})
}

func TestWhateverFailsNothingIsLeftBehind(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		fail    string
		verdict drill.Verdict
		calls   []string
	}{
		"the target is not known":                          {"target", drill.Refused, nil},
		"it cannot be done safely":                         {"prepare", drill.Refused, []string{"prepare"}},
		"the daemon refuses":                               {"announce", drill.Refused, []string{"prepare", "announce"}},
		"no guard can be had":                              {"guard", drill.Refused, []string{"prepare", "announce", "guard", "over it was not begun"}},
		"the fault cannot be brought about":                {"inject", drill.Aborted, []string{"prepare", "announce", "guard", "inject", "undo", "over aborted", "unguard"}},
		"the daemon is silent all the while":               {"incidents", drill.Failed, []string{"prepare", "announce", "guard", "inject", "undo", "over failed", "unguard"}},
		"it cannot be put back: that is left to the guard": {"undo", drill.Passed, []string{"prepare", "announce", "guard", "inject", "undo", "undo", "undo", "over passed"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{at: cured, fail: map[string]error{c.fail: broken}}
				r := (&conduct.Conductor{Daemon: w, Hands: w}).Run(t.Context(), order())
				require.Equal(t, c.verdict, r.Verdict, r.Why)
				require.Equal(t, c.calls, slices.Clip(w.calls))
			})
		})
	}
}

func TestADrillThatIsInterruptedPutsEverythingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{at: cured}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r := (&conduct.Conductor{Daemon: w, Hands: w}).Run(ctx, order())
		require.Equal(t, drill.Aborted, r.Verdict)
		require.Equal(t, "start job", r.Restoration)
		require.Equal(t, []string{"undo", "over aborted", "unguard"}, w.calls[4:])
	})
}

func TestAFaultThatNobodyNoticesIsTakenBackWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		began := time.Now()
		r := (&conduct.Conductor{Daemon: w, Hands: w}).Run(t.Context(), order())
		require.Equal(t, drill.Failed, r.Verdict)
		require.Equal(t, "it was not noticed", r.Why)
		require.Equal(t, time.Minute, time.Since(began))
		require.Contains(t, w.calls, "undo")
	})
}

func TestATargetThatSystemdBroughtBackBeforeAnythingWasConfirmedIsWellAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := func(id string) conduct.Target {
			return conduct.Target{Phase: incident.Watching, Verdict: detect.Healthy, Facts: detect.Facts{detect.WorkloadRun: detect.Word(id)}}
		}
		w := &world{target: run("r1"), at: func(_ time.Duration, w *world) { w.target = run("r2") }}
		r := (&conduct.Conductor{Daemon: w, Hands: w}).Run(t.Context(), order())
		require.Equal(t, drill.Alone, r.Verdict)
	})
}
