package sim

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// The playbooks of the worlds that have them.
const (
	fullRecovery = "full-recovery" // stops two servers and brings everything up in order; a rung of ladders, or by a person
	restoreData  = "restore-data"  // destructive: only by a person, who approves a step, and never without a dump
)

// What the commands of restore-data are called.
const (
	dumpCommand    = "dump"
	restoreCommand = "restore"
)

// hasBooks reports whether the world has playbooks. It is drawn from a source of its own, so that the
// others are as they are without them.
func (w *world) hasBooks() bool {
	return !w.nature.calm && rand.New(rand.NewPCG(w.o.Seed, 0xb00c)).Float64() < 0.25
}

// giveBooks puts the playbooks into the configuration, one of them at the end of two ladders.
func (w *world) giveBooks() {
	a, b := w.servers[0].t, w.servers[1].t
	step := strategy.TargetStep
	command := func(name string, disrupts bool) strategy.Step {
		return strategy.Step{Name: name, Do: strategy.StepCommand, Timeout: 30 * time.Second, Again: !disrupts, Action: &strategy.Action{
			Verb: strategy.CommandRun, Object: name, Timeout: 30 * time.Second, Disrupts: disrupts, Args: map[string]string{strategy.ArgPlatform: "host"}}}
	}
	stopIt := step(strategy.StepStop, a, 0)
	stopIt.Approval = true
	w.options.Playbooks = []strategy.Playbook{
		{Name: fullRecovery, Description: "stop both, then start everything in order", Timeout: 10 * time.Minute, Steps: []strategy.Step{
			step(strategy.StepStop, a, 0), step(strategy.StepStop, b, 0), step(strategy.StepEnsure, w.db.t, 0),
			step(strategy.StepStart, b, 0), step(strategy.StepWait, b, 0), step(strategy.StepStart, a, 0), step(strategy.StepWait, a, 0)}},
		{Name: restoreData, Description: "dump, then restore", Timeout: 15 * time.Minute, Keep: true, Steps: []strategy.Step{
			command(dumpCommand, false), stopIt, command(restoreCommand, true), step(strategy.StepStart, a, 0), step(strategy.StepWait, a, 0)}},
	}
	for _, c := range []detect.Class{detect.ClassDown, detect.ClassHung} {
		cond, _ := detect.ConditionFor(c, detect.KindService, nil)
		w.options.Overrides = append(w.options.Overrides, incident.Override{Class: c, Targets: []string{a.Name, b.Name},
			Timing: incident.Timing{Ladder: append(slices.Clone(cond.Ladder), strategy.PlaybookPrefix+fullRecovery)}})
	}
}

// personPlays is somebody who runs a playbook by hand.
func (w *world) personPlays() {
	c := commandOf(incident.CmdPlay)
	c.Playbook = []string{fullRecovery, restoreData, restoreData}[w.rng.IntN(3)]
	if w.mended() || !w.d.command("", c) {
		return
	}
	for range 2 { // looks at it now and then, and approves what waits
		w.after(w.between(5*time.Second, 20*time.Minute), w.personApprovesStep)
	}
}

// personApprovesStep says yes to the step that waits for it.
func (w *world) personApprovesStep() {
	r := w.d.live.Host.Run
	if !w.d.up || r == nil || r.Stage != incident.StageApproval || w.mended() {
		return
	}
	c := commandOf(incident.CmdPlayApprove)
	c.Run = r.ID
	if w.now().Before(r.Until) {
		w.ledger.stepYes[r.ID] = r.At + 1
	}
	w.d.command("", c)
}

// personEndsRun ends the run under way, or the one that is halted.
func (w *world) personEndsRun() {
	if r := w.d.live.Host.Run; w.d.up && r != nil {
		c := commandOf(incident.CmdPlayStop)
		c.Run = r.ID
		w.d.command("", c)
	}
}

// runOf is the run that the id of a step's action belongs to.
func runOf(actionID string) string {
	id, _, _ := strings.Cut(actionID, "/")
	return id
}

// command is what an operator's command does.
func (w *world) command(a strategy.Action, id string, end func(incident.Result, string)) {
	took := w.between(time.Second, 10*time.Second)
	if a.Object == dumpCommand && w.db.sick() != "" && w.db.sick() != "saturated" {
		w.after(took, func() { end(incident.ResultFailed, "exit status 1: cannot connect to PostgreSQL") })
		return
	}
	if a.Object == dumpCommand {
		w.ledger.dumped[runOf(id)] = true
	}
	w.after(took, func() { end(incident.ResultDone, "exit status 0") })
}

// resume settles what an earlier life left in flight, as engine.resume does.
func (d *daemon) resumeRun() {
	switch run := d.live.Host.Run; {
	case !run.Live():
	case run.Stage == incident.StageActing:
		d.handle(incident.Event{Kind: incident.Ended, ActionID: run.ActionID, Result: incident.ResultUnknown, Detail: "recoveryd was restarted while the action was in flight"})
	default:
		d.handle(incident.Event{Kind: incident.Woke})
	}
}

// wakeHost keeps the wake-up of the host: the latest that was asked for counts.
func (d *daemon) wakeHost(in time.Duration) {
	d.hostWake++
	gen, term := d.hostWake, d.term
	d.w.after(max(in, 0), func() {
		if d.up && d.term == term && d.hostWake == gen {
			d.pollMissed(-1)
			d.handle(incident.Event{Kind: incident.Woke})
		}
	})
}

// conclude posts the end of a rung that was a playbook.
func (d *daemon) conclude(e incident.Effect) {
	term := d.term
	d.w.after(time.Millisecond, func() {
		if d.up && d.term == term {
			d.handle(incident.Event{Kind: incident.Ended, Target: e.Target, ActionID: e.ActionID, Result: e.Result, Detail: e.Detail})
		}
	})
}
