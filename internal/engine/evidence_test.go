package engine

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// witness notes when evidence was asked for, and hangs until its time is over.
type witness struct {
	r     *rig
	limit time.Duration
}

func (w witness) Limit(string) time.Duration { return w.limit }

func (w witness) Collect(ctx context.Context, target, inc string, before detect.Facts) {
	w.r.mu.Lock()
	if before != nil {
		w.r.log = append(w.r.log, "before: "+before.Text(detect.WorkloadState))
	}
	w.r.log = append(w.r.log, "collect "+target)
	w.r.mu.Unlock()
	<-ctx.Done()
	w.r.mu.Lock()
	w.r.log = append(w.r.log, "collected")
	w.r.mu.Unlock()
}

func hung(run string) detect.Facts {
	return detect.Facts{detect.WorkloadState: detect.Word(detect.StateRunning), detect.WorkloadRun: detect.Word(run),
		detect.HTTPOutcome: detect.Word(detect.OutcomeNoReply), detect.HTTPLatency: detect.Num(1)}
}

// TestHungEvidenceDelaysACureByItsLimitOnly lets the collection hang before a disruptive action, and
// beside one that disrupts nobody.
func TestHungEvidenceDelaysACureByItsLimitOnly(t *testing.T) {
	for _, c := range []struct {
		name  string
		facts detect.Facts
		limit time.Duration
		verb  string
		delay time.Duration
		steps []string
	}{
		{"a restart waits for it, within its limit", hung("run1"), 750 * time.Millisecond, "do restart", 750 * time.Millisecond,
			[]string{"append first-sign", "append act", "collect svc", "collected", "do restart"}},
		{"a limit beyond what the core waits for is cut", hung("run1"), time.Hour, "do restart", evidenceLimit,
			[]string{"append first-sign", "append act", "collect svc", "collected", "do restart"}},
		{"a start waits for nothing", dead("run1"), 750 * time.Millisecond, "do start", 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &rig{facts: healthy("run1")}
				var acted time.Time
				r.onDo = func(strategy.Action) (incident.Result, string) {
					acted = time.Now()
					r.set(healthy("run2"))
					return incident.ResultDone, ""
				}
				r.look = func(context.Context) {
					if time.Since(epoch) > 20*time.Second && acted.IsZero() {
						r.set(c.facts)
					}
				}
				e := r.engine(t, incident.NewState())
				e.o.Evidence = witness{r, c.limit}
				run(t, e, time.Minute)
				require.Equal(t, 1, r.count("collect svc"))
				require.Equal(t, 1, r.count(c.verb))
				if c.steps != nil {
					require.Equal(t, c.steps, r.steps()[:len(c.steps)])
				}
				if c.verb == "do start" {
					require.Equal(t, 1, r.count("before: "+dead("run1").Text(detect.WorkloadState)), "what the new process hides")
				}
				decided := slices.IndexFunc(r.records, func(rec incident.Record) bool { return rec.Reason == incident.Act })
				require.Equal(t, c.delay, acted.Sub(r.records[decided].At))
			})
		})
	}
}

// epoch is when a bubble of synctest begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// TestAPersonWhoIsCalledFindsEvidenceThoughNothingIsDone escalates at once: the unit cannot be cured.
func TestAPersonWhoIsCalledFindsEvidenceThoughNothingIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := dead("run1")
		f[detect.SocketListening], f[detect.SocketOwnerOurs], f[detect.SocketOwner] = detect.Flag(true), detect.Flag(false), detect.Word("nc")
		f[detect.HTTPOutcome] = detect.Word(detect.OutcomeHTML)
		r := &rig{facts: f}
		e := r.engine(t, incident.NewState())
		e.o.Evidence = witness{r, time.Second}
		run(t, e, time.Minute)
		require.Equal(t, 1, r.count("collect svc"))
		require.Equal(t, incident.Escalated, r.records[len(r.records)-1].To)
	})
}
