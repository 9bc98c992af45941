package incident

import "strings"

// flags are named truths about a target at the moment of a step. view (view.go) reduces
// everything to them; the rules below see nothing else.
type flags uint32

const (
	bad           flags = 1 << iota // the verdict is unhealthy
	good                            // the verdict is healthy or degraded
	confirmed                       // seen often and long enough, just now, and what it needs was looked at since
	cleared                         // good, often and long enough
	newRun                          // a new process, or none was promised
	masked                          // the culprit is another target
	held                            // a reason not to act applies (holds.go)
	pageFirst                       // nothing that recoveryd may do can help
	rung                            // the ladder has an applicable rung left
	settled                         // the grace after the action is over
	verifyOver                      // the time to prove the cure is over, or it cannot come any more
	probationOver                   // the probation is over
	undoable                        // the last plan changed something and did not help: it is taken back next
	unclear                         // the verdict has been unknown for so long that a person must look
	joined                          // it waits as a dependent in another target's incident
	ended                           // the event is the end of the action in flight
	endedOK                         // ... and it is done
	endedDenied                     // ... and the host refused it
	more                            // the plan has another action, and nothing bars it
	overdue                         // the action in flight has not ended in time
	easy                            // a change that a cure made is not needed any more
	willed                          // a person has a hand in it: stopped, disabled, restarts or upgrades it
	handedOver                      // a person's word holds it back, and nobody was told of it yet
	lingers                         // it has been degraded by its own word for so long that somebody must hear of it
	nFlags        = iota
)

var flagNames = [nFlags]string{"bad", "good", "confirmed", "cleared", "new-run", "masked", "held", "page-first", "rung",
	"settled", "verify-over", "probation-over", "undoable", "unclear", "joined", "ended", "ended-ok", "ended-denied", "more", "overdue", "easy", "willed", "handed-over", "lingers"}

// String lists the names of the flags that are set.
func (f flags) String() string {
	var names []string
	for i, n := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, " ")
}

// rule is one row of the decision table. In its phase, the first rule whose needed flags are all
// set and whose denied flags are all clear decides.
type rule struct {
	need, deny flags
	to         Phase
	why        Reason
	do         []move
}

// decide is what a confirmed problem leads to, from whichever phase it is confirmed in.
func decide(need flags) []rule {
	return []rule{
		{need | masked, 0, Held, HoldDependency, []move{join}},
		{need | held, masked, Held, HoldUnknown, []move{open, holdBack}},
		{need | pageFirst, masked | held, Escalated, PageFirst, []move{open}},
		{need | rung, masked | held | pageFirst, Acting, Act, []move{open, perform}},
		{need, masked | held | pageFirst | rung, Escalated, LadderEnded, []move{open}},
	}
}

// rules is the decision table: per phase, first match wins. The reason HoldUnknown on a row that
// goes to Held is replaced by the reason that applies (holds.go). Before the rules are asked, an
// attempt whose fate is sealed is written off (accounts.go), so the flags already speak of the
// next rung.
func rules() [len(phaseNames)][]rule {
	var r [len(phaseNames)][]rule
	r[Watching] = []rule{
		{bad, 0, Suspect, FirstSign, []move{again, lookAround}}, // when confirmed at once, decided in the same step
		{unclear, 0, Escalated, UnknownTooLong, []move{open}},
		{lingers, 0, Escalated, DegradedTooLong, []move{open}},
		{good | easy, bad | unclear, Watching, BackToNormal, []move{ease}},
		{0, bad | unclear, Watching, NoChange, nil},
	}
	r[Suspect] = append(decide(bad|confirmed),
		rule{bad, confirmed, Suspect, Confirming, []move{again}},
		rule{good, 0, Watching, Blip, []move{forget}},
		rule{unclear, 0, Escalated, UnknownTooLong, []move{open}},
		rule{0, bad | good | unclear, Suspect, CannotTell, nil},
	)
	r[Held] = append([]rule{
		{cleared | joined, 0, Watching, DependencyCured, []move{forget}},
		{cleared, joined, Probation, ClearedByItself, []move{probate}},
		{bad | confirmed | undoable, masked | held, Acting, Undo, []move{undo}},
	}, decide(bad|confirmed)...)
	r[Held] = append(r[Held],
		rule{unclear, 0, Escalated, UnknownTooLong, []move{open}},
		rule{bad, confirmed, Held, NoChange, []move{again}},
		rule{0, bad | cleared, Held, NoChange, nil},
	)
	r[Acting] = []rule{
		{endedOK | more, 0, Acting, NextStep, []move{next}},
		{endedOK, more, Verifying, ActionOver, []move{prove}},
		{endedDenied, 0, Escalated, NoPermission, []move{refusal}},
		{ended, endedOK | endedDenied, Verifying, ActionFailed, []move{prove}},
		{overdue, ended, Verifying, OverdueAction, []move{prove}},
		{0, ended | overdue, Acting, NoChange, nil},
	}
	r[Verifying] = append([]rule{
		{cleared | newRun, 0, Probation, Verified, []move{vouch, probate}},
		{cleared | verifyOver, newRun, Probation, ClearedByItself, []move{probate}},
		{0, verifyOver, Verifying, NoChange, []move{again}},
		{bad | undoable, masked | held, Acting, Undo, []move{undo}},
	}, decide(bad)...)
	r[Verifying] = append(r[Verifying],
		rule{unclear, 0, Escalated, UnknownTooLong, nil},
		rule{0, bad | unclear, Verifying, CannotTell, []move{again}},
	)
	r[Probation] = append([]rule{ // what a person does is no relapse
		{bad | willed, probationOver, Probation, NoChange, nil},
		{bad | willed | probationOver, 0, Watching, LeftToPerson, []move{leave}},
	}, decide(bad|confirmed)...)
	r[Probation] = append(r[Probation],
		rule{bad, confirmed, Probation, Confirming, []move{again}},
		rule{good | probationOver, 0, Watching, Closed, []move{end}},
		rule{unclear, 0, Escalated, UnknownTooLong, nil},
		rule{0, bad | unclear, Probation, NoChange, nil},
	)
	r[Escalated] = []rule{
		{cleared, 0, Probation, Mended, []move{probate}},
		{bad | confirmed | handedOver, masked, Held, HoldUnknown, []move{holdBack}}, // who holds it knows
		{bad | confirmed | undoable, masked | held, Acting, Undo, []move{undo}},
		{bad | confirmed | rung, masked | held | pageFirst, Acting, Act, []move{open, perform}},
		{bad | confirmed | rung | held, masked | pageFirst, Escalated, NoChange, []move{offer}},
		{0, 0, Escalated, NoChange, nil},
	}
	return r
}
