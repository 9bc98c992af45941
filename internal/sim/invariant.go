package sim

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// The invariants: what must hold at every step of every world. The names appear in violations and
// in MUTANTS.md; the number is the promise of docs/architecture.md that each belongs to.
const (
	unknownIsNotDown  = "unknown-is-not-down"     // 1: every witness behind a disruptive action was measured in that very look
	freshEvidence     = "fresh-evidence"          // 1: every action is decided with a look that has just ended: not on an old one, nor on one of an earlier life of the daemon
	twoWitnesses      = "two-witnesses"           // 2: a plan that disrupts has a pair of detect.Pairs that agrees
	innocentLeftAlone = "innocent-left-alone"     // 2: one lying witness never gets a healthy target restarted
	leftToStart       = "left-to-start"           // 1: what says that it is still starting is not restarted, killed or stopped
	culpritOnly       = "culprit-only"            // 3: while only the database is broken, no server gets an incident or an action
	saturationIsAlive = "saturation-is-not-death" // 3: PostgreSQL is never restarted, killed or stopped while it answers
	operatorLeftAlone = "operator-left-alone"     // 4: nothing is done to what a person stopped, masked, holds, upgrades or has paused, nor in a maintenance window
	stopFileObeyed    = "stop-file-obeyed"        // 4: nothing at all is done while the stop file exists
	operatorNotPaged  = "operator-not-paged"      // 4: nobody is told that a person stopped something, unless configured
	nobodysWord       = "nobodys-word"            // 4: nothing that systemd or the unit does is taken for a person's doing
	teachesNothing    = "persons-teach-nothing"   // 4: what a person does to a unit is no failure of a cure
	withinBudget      = "within-budget"           // 5: never more plans in a window than the budget of target and host
	oneAtATime        = "one-at-a-time"           // 5: never more disruptive actions at once than configured
	backsOff          = "backs-off"               // 5: the pause after a failed plan is kept, and grows
	leavesSystemd     = "leaves-systemd-to-work"  // 5: no start of ours while systemd is about to restart the unit by itself
	stopsInAStorm     = "stops-in-a-storm"        // 5: no action while too many incidents have just begun
	leavesStartLimit  = "leaves-start-limit"      // 5: no start of ours is refused by systemd's start limit
	repeatsEnd        = "repeats-end"             // 5: what comes too late is not tried for ever
	withinCaps        = "within-caps"             // 5: no pool and no memory limit above its cap
	asConfigured      = "as-configured"           // 5: no action in observe mode, none without a yes in propose mode
	asksInTime        = "asks-in-time"            // 5: a proposal is told at once, and paged at its deadline and not before
	skipsWhatFails    = "skips-what-fails"        // 5: what has not helped too often in a row is not tried
	easedWhenQuiet    = "eased-when-quiet"        // 5: a kept change is taken back only after its quiet time, where it is not needed, and never beyond what was before
	backToNormal      = "back-to-normal"          // 5: in the end every kept change is taken back
	dumpFirst         = "dump-before-destroy"     // 5: a playbook destroys nothing before its own dump has succeeded
	writeFirst        = "write-first"             // 6: every action has a durable record before it reaches the host
	atMostOnce        = "at-most-once"            // 6: no action id is performed twice
	replayEqualsLive  = "replay-equals-live"      // 6: the durable records give back what the running daemon knows
	takenBack         = "taken-back"              // 5: a change that did not help is undone before the next rung
	neverSilent       = "never-silent"            // 7: a lasting problem is noticed, and somebody is told in time
	isCured           = "is-cured"                // 7: what can be cured is cured within minutes
	noNeedlessPage    = "no-needless-page"        // 7: nobody is woken for what was cured
	pageOnce          = "page-once"               // 7: one page per incident and tier
	pageResolved      = "page-resolved"           // 7: every page is resolved when the world is well again, and none otherwise
	tiersTold         = "tiers-told"              // 7: the next tier is told when a page grows old
	trueRecovery      = "true-recovery"           // 7: no incident is closed while its target is broken
	comesToRest       = "comes-to-rest"           // 7: in a healthy world nothing is left open, held or in flight
)

// Invariants lists the names of all invariants.
func Invariants() []string {
	return []string{unknownIsNotDown, freshEvidence, twoWitnesses, innocentLeftAlone, leftToStart, culpritOnly, saturationIsAlive, operatorLeftAlone, stopFileObeyed, operatorNotPaged, nobodysWord, teachesNothing,
		withinBudget, oneAtATime, backsOff, leavesSystemd, stopsInAStorm, leavesStartLimit, repeatsEnd, withinCaps, asConfigured, asksInTime, skipsWhatFails, easedWhenQuiet, backToNormal, dumpFirst, writeFirst, atMostOnce, replayEqualsLive, takenBack,
		neverSilent, isCured, noNeedlessPage, pageOnce, pageResolved, tiersTold, trueRecovery, comesToRest}
}

// disruptive are the verbs that end work in progress: an opinion of its own, beside the flag that
// the strategies set.
func disruptive(v strategy.Verb) bool {
	switch v {
	case strategy.Restart, strategy.Kill, strategy.Stop, strategy.PGTerminateLong:
		return true
	}
	return false
}

func onUnit(v strategy.Verb) bool {
	switch v {
	case strategy.Start, strategy.Restart, strategy.Kill, strategy.Stop, strategy.ResetFailed:
		return true
	}
	return false
}

func word(f detect.Facts, name string) bool { return f.Text(name) != "" }

// measured reports whether a kind of evidence can have come from a look: at least one fact of it
// was measured there, or in the present look at a neighbour.
func (w *world) measured(by detect.Witness, target string, f detect.Facts) bool {
	if d := w.distorted(target, by); d != nil && d.lie == "" && d.from < w.d.watchers[w.index[target]].seen-time.Minute/6 {
		return by == detect.BySocket && word(f, detect.HTTPOutcome)
	}
	num := func(name string) bool { _, ok := f.Num(name); return ok }
	neighbour := func(names []string, fact string) bool {
		for _, n := range names {
			if ts := w.d.live.Targets[n]; ts != nil && word(ts.Last.Facts, fact) {
				return true
			}
		}
		return false
	}
	switch by {
	case detect.ByHTTP:
		return word(f, detect.HTTPOutcome)
	case detect.ByPlatform:
		return word(f, detect.WorkloadState)
	case detect.BySocket:
		return word(f, detect.SocketConnect) || word(f, detect.HTTPOutcome) || num(detect.SocketBacklog)
	case detect.BySQL:
		return word(f, detect.SQLOutcome) || neighbour(w.target(target).DependsOn, detect.SQLOutcome)
	case detect.ByMemory:
		return num(detect.MemoryCurrent)
	case detect.ByProcess:
		return num(detect.ProcessRSS) || word(f, detect.ProcessState)
	case detect.BySynthetic:
		return num(detect.SyntheticOK)
	case detect.ByPlain:
		return word(f, detect.PlainOutcome)
	case detect.ByDependents:
		return neighbour(w.d.policy.Dependents(target), detect.HTTPOutcome)
	}
	return false
}
