package incident

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// palette is what targets may be seen as in generated stories.
func palette(target, run string) map[string]detect.Facts {
	if target == "postgres" {
		return map[string]detect.Facts{"well": database(run), "busy": busy(run, 30), "frozen": frozen(run), "dead": dead(run),
			"saturated": saturated(run), "unasked": but(database(run), detect.SQLOutcome, detect.NotMeasured("x")),
			"starting": but(database(run), detect.SQLOutcome, detect.SQLStarting), "blind": {}}
	}
	return map[string]detect.Facts{"well": well(run), "crashed": crashed(run), "stopped": stopped(run), "hung": noReply(run),
		"stuck": but(noReply(run), detect.SocketBacklog, 9), "full": full(run), "404": but(noReply(run), detect.HTTPOutcome, detect.OutcomeNotFound),
		"garbage": but(noReply(run), detect.HTTPOutcome, detect.OutcomeGarbage), "masked": but(crashed(run), detect.WorkloadDisabled, "masked"),
		"unwell":       but(well(run), detect.HealthStatus, "unhealthy", detect.SyntheticOK, false),
		"lost":         but(well(run), detect.HealthStatus, "unhealthy", detect.HealthDatabase, "disconnected", detect.PoolSize, 0, detect.PoolFree, 0),
		"oom":          but(crashed(run), detect.WorkloadOOM, true, detect.WorkloadDeparture, detect.DepartureOOM, detect.MemoryMax, 1<<28),
		"auto-restart": but(crashed(run), detect.WorkloadState, detect.StateRetrying, detect.WorkloadPolicy, "always", detect.WorkloadRetryAfter, 3),
		"forbidden":    but(crashed(run), detect.WorkloadPermission, "no"), "blind": {}}
}

// drawEvent is any event at all, sensible or not.
func drawEvent(t *rapid.T, s State, now time.Time) Event {
	target := rapid.SampledFrom([]string{"postgres", "codebase", "workflow"}).Draw(t, "target")
	switch rapid.IntRange(0, 9).Draw(t, "event") {
	case 0, 1, 2, 3, 4:
		run := rapid.SampledFrom([]string{"r1", "r2", "r3"}).Draw(t, "run")
		all := palette(target, run)
		as := rapid.SampledFrom(sortedNames(all)).Draw(t, "as")
		at := now.Add(-time.Duration(rapid.IntRange(0, 3).Draw(t, "began before")) * time.Second)
		return Event{Kind: Observed, Target: target, Observation: &detect.Observation{Target: target, At: at, Facts: all[as]}}
	case 5, 6:
		ts := s.target(target)
		id := rapid.SampledFrom([]string{ts.ActionID, ts.ActionID, "another/a1"}).Draw(t, "id")
		r := rapid.SampledFrom([]Result{ResultDone, ResultDone, ResultFailed, ResultUnknown, ResultTimedOut, ResultDenied}).Draw(t, "result")
		return Event{Kind: Ended, Target: target, ActionID: id, Result: r}
	case 7:
		return Event{Kind: Woke, Target: target}
	case 8:
		c := Command{Verb: rapid.SampledFrom([]CommandVerb{CmdHold, CmdRelease, CmdAck, CmdApprove, CmdRetry, CmdRecover, CmdPause, CmdResume}).Draw(t, "verb"), By: "ann"}
		if rapid.Bool().Draw(t, "ends") {
			c.Until = now.Add(time.Minute)
		}
		if c.Verb == CmdPause || c.Verb == CmdResume {
			target = ""
		}
		return Event{Kind: Operator, Target: target, Command: &c}
	}
	return Event{Kind: Impaired, Detail: rapid.SampledFrom([]string{"", "", "", "the disk is full"}).Draw(t, "lacks")}
}

// TestAnyStoryCanBeReplayedAndActsOnlyWhenItMay throws any events at the core in any order. What
// must hold: the same input gives the same record; the old state is left alone; the durable
// records, by way of JSON, give back all that a restart needs; and no action is asked for against
// the plainest rules.
func TestAnyStoryCanBeReplayedAndActsOnlyWhenItMay(t *testing.T) {
	mode := rapid.SampledFrom([]Mode{Auto, Auto, Propose, Observe})
	rapid.Check(t, func(r *rapid.T) {
		o := options(t)
		o.Modes = map[string]Mode{"codebase": mode.Draw(r, "mode")}
		o.PageAfter.Operator = time.Hour
		p, err := NewPolicy(o)
		require.NoError(t, err)
		now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
		live, folded := NewState(), NewState()
		used, open := map[string]bool{}, map[string]bool{}
		for range rapid.IntRange(1, 120).Draw(r, "steps") {
			now = now.Add(rapid.SampledFrom([]time.Duration{0, 30 * time.Millisecond, time.Second, 5 * time.Second, time.Minute, 20 * time.Minute}).Draw(r, "later"))
			ev := drawEvent(r, live, now)
			was := asJSON(t, live)
			next, rec := p.Step(live, now, ev)
			_, twice := p.Step(live, now, ev)
			require.Equal(r, asJSON(t, rec), asJSON(t, twice))
			require.Equal(r, was, asJSON(t, live), "the old state was changed")
			if rec.Durable() {
				var back Record
				require.NoError(r, json.Unmarshal([]byte(asJSON(t, rec)), &back))
				require.Equal(r, asJSON(t, rec), asJSON(t, back), "a record does not survive JSON")
				folded = Fold(folded, back)
			}
			require.Empty(r, differences(lasting(t, next), lasting(t, folded)), "%s", rec.Sentence)
			for _, e := range rec.Effects {
				if e.Kind == Notify {
					checkNotice(r, open, rec, e)
				}
				if e.Kind != Perform {
					continue
				}
				after := next.Targets[e.Target]
				require.False(r, used[e.ActionID], "action id %s used twice", e.ActionID)
				used[e.ActionID] = true
				require.True(r, rec.Durable())
				require.Equal(r, Acting, after.Phase)
				require.Equal(r, e.ActionID, after.ActionID)
				require.Empty(r, next.Host.Impaired)
				require.False(r, next.Host.Pause.active(now))
				require.False(r, after.Hold.active(now))
				intent, _ := operatorIntent(after.Last.Facts)
				require.Empty(r, intent)
				if p.mode(e.Target) == Observe {
					require.NotNil(r, after.Asked, "in observe mode only a person's wish acts")
				}
				require.NotEqual(r, strategy.Stop, e.Action.Verb)
				if e.Action.Disrupts && after.Step == 0 {
					_, agree := detect.Agree(after.Diagnosis.Class, after.Diagnosis.Witnesses)
					require.True(r, agree, "%s on %v", e.Action, after.Diagnosis.Witnesses)
				}
			}
			live = next
		}
	})
}

// checkNotice requires that people are told once per tier, and told the end of what they were
// told the beginning of.
func checkNotice(r *rapid.T, open map[string]bool, rec Record, e Effect) {
	key := fmt.Sprintf("%s/t%d", rec.Incident.ID, e.Notice.Tier)
	switch e.Notice.Kind {
	case NoticeTrigger:
		require.False(r, open[key], "%s is told twice", key)
		open[key] = true
	case NoticeUpdate, NoticeResolve:
		require.True(r, open[key], "%s was never told", key)
		if e.Notice.Kind == NoticeResolve {
			delete(open, key)
		}
	}
}
