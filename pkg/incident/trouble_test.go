package incident

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// failing is a host on which the caches cannot be cleared, so that the playbook fails in its third step.
func failing(t *testing.T, change ...func(*Options)) (s *story, mend func()) {
	s = obeying(t, change...)
	obey, broken := s.do, true
	s.do = func(a strategy.Action) outcome {
		if broken && a.Verb == strategy.CacheClean {
			return outcome{result: ResultFailed, took: time.Second}
		}
		return obey(a)
	}
	return s.run(10 * time.Second), func() { broken = false }
}

func tiers(o *Options) { o.Escalation = Ages{0, 15 * time.Minute} }

func TestAFailedRunOfAPersonIsToldAndOverWhenWhatItHadInHandIsWell(t *testing.T) {
	s, _ := failing(t, withPlaybooks())
	s.says("", plays()).run(20 * time.Second)
	require.Len(t, s.s.Host.Troubles, 1)
	trouble := s.s.Host.Troubles[0]
	require.Equal(t, detect.P2, trouble.Case.Severity)
	require.Equal(t, "playbook:full-recovery", trouble.Case.Target)
	require.Contains(t, trouble.Case.Diagnosis.Because, "step 3 of 9, clear caches failed")
	require.Equal(t, "stop codebase", trouble.Case.Attempts[0].Action)
	require.Equal(t, ResultFailed, trouble.Case.Attempts[2].Result)
	require.Equal(t, "trigger t0 : playbook-failed", s.told[0])
	s.restart().run(10 * time.Minute)
	require.Empty(t, s.s.Host.Troubles)
	require.Contains(t, s.told, "resolve t0 : mended")
	var triggers int
	for _, n := range s.told {
		if n == "trigger t0 : playbook-failed" {
			triggers++
		}
	}
	require.Equal(t, 1, triggers, "told once, also through a restart")
}

func TestAHaltedRunIsToldToTheNextPeopleUntilAPersonEndsIt(t *testing.T) {
	s, _ := failing(t, tiers, withPlaybooks(func(b *strategy.Playbook) { b.Keep, b.Severity = true, detect.P1 }))
	s.says("", plays()).run(10 * time.Minute)
	id := s.s.Host.Run.ID
	s.tells("trigger t0 : playbook-failed")
	s.restart().run(10 * time.Minute)
	s.tells("trigger t0 : playbook-failed", "trigger t1 : tier-due")
	s.says("", Command{Verb: CmdPlayStop, Run: id}).run(time.Second)
	s.tells("trigger t0 : playbook-failed", "trigger t1 : tier-due", "resolve t0 : mended", "resolve t1 : mended")
	require.Empty(t, s.s.Host.Troubles)
}

func TestWhoAcknowledgesAFailedRunKeepsTheNextPeopleAsleep(t *testing.T) {
	s, _ := failing(t, tiers, withPlaybooks(func(b *strategy.Playbook) { b.Keep = true }))
	s.says("", plays()).run(time.Minute)
	s.says("", Command{Verb: CmdAck, Incident: "another", By: "bob"})
	require.Contains(t, s.last.Sentence, "refused, another is neither an open incident nor a failed run")
	s.says("", Command{Verb: CmdAck, Incident: s.s.Host.Run.ID, By: "bob"}).run(time.Hour)
	s.tells("trigger t0 : playbook-failed")
}

func TestALaterRunThatSucceedsEndsTheTrouble(t *testing.T) {
	// Nothing in hand: it is not over because targets are well.
	only := func(b *strategy.Playbook) { b.Steps = b.Steps[2:3] }
	s, mend := failing(t, withPlaybooks(only))
	s.says("", plays()).run(10 * time.Minute)
	require.Len(t, s.s.Host.Troubles, 1)
	s.tells("trigger t0 : playbook-failed")
	mend()
	s.says("", plays()).run(time.Minute)
	require.Empty(t, s.s.Host.Troubles)
	s.tells("trigger t0 : playbook-failed", "change t0 : playbook-done", "resolve t0 : mended")
}

func TestAPersonMaySayThatAFailedRunIsSeenTo(t *testing.T) {
	s, _ := failing(t, withPlaybooks(func(b *strategy.Playbook) { b.Steps = b.Steps[2:3] }))
	s.says("", plays()).run(time.Minute)
	id := s.s.Host.Troubles[0].Run
	s.says("", Command{Verb: CmdPlayStop, Run: id, By: "bob"})
	require.Contains(t, s.last.Sentence, "seen to by bob")
	s.tells("trigger t0 : playbook-failed", "resolve t0 : mended")
	s.says("", Command{Verb: CmdPlayStop, Run: id, By: "bob"})
	require.Contains(t, s.last.Sentence, "the run has ended already")
}

func TestARunThatWaitsForAPersonAsksWithoutWakingAnybody(t *testing.T) {
	s := obeying(t, withPlaybooks(func(b *strategy.Playbook) { b.Steps[2].Approval = true })).run(10 * time.Second)
	s.says("", plays()).run(2 * time.Minute)
	s.tells("change t0 : playbook-waits")
	require.Contains(t, s.s.Host.Run.Words(), "waits for approval of step 3 of 9, clear caches")
}

func TestARungTellsByItsIncidentAlone(t *testing.T) {
	s, _ := failing(t, withPlaybooks(), func(o *Options) {
		o.Overrides = []Override{{Class: detect.ClassDown, Timing: Timing{Ladder: []string{strategy.PlaybookPrefix + "full-recovery"}}}}
	})
	s.host["codebase"] = crashed("c1")
	s.run(10 * time.Minute)
	require.Empty(t, s.s.Host.Troubles)
	require.NotEmpty(t, s.told)
	for _, n := range s.told {
		require.NotContains(t, n, "playbook-failed")
	}
}

func TestALookThatCannotTellBeginsTheGoodOnesAnew(t *testing.T) {
	s := quiet(t)
	s.sees("codebase", but(well("c1"), detect.HTTPOutcome, "", detect.HealthStatus, "")).sees("codebase", well("c1"))
	require.Equal(t, 1, s.s.Targets["codebase"].GoodLooks)
	require.Equal(t, s.now, s.s.Targets["codebase"].GoodSince)
}

func TestThePageOfWhatAPersonHeldCountsFromThenOnForItsLaterTiers(t *testing.T) {
	s := quiet(t, func(o *Options) {
		o.PageAfter = PageAfter{Operator: 3 * time.Hour}
		o.Escalation = allDue{Ages{0, 15 * time.Minute}}
	})
	s.says("codebase", Command{Verb: CmdHold})
	s.host["postgres"], s.host["workflow"], s.host["codebase"] = database("p1"), well("w1"), crashed("c1")
	s.run(3*time.Hour + 10*time.Minute)
	require.Len(t, s.incident("codebase").Told, 1, "%v", s.told)
	s.run(20 * time.Minute)
	require.Len(t, s.incident("codebase").Told, 2, "%v", s.told)
}

// allDue tells everybody at once whose time has come, as a real escalation does.
type allDue struct{ Ages }

func (a allDue) Due(i *Incident, needed bool, now time.Time) (out []Told) {
	for n := len(i.Told); n < len(a.Ages) && !now.Before(i.Counted().Add(a.Ages[n])) && (needed || n > 0); n++ {
		out = append(out, Told{Address: Address{Key: i.ID + string(rune('0'+n))}, N: n, Tiers: []string{"tier"}, At: now})
	}
	return out
}
