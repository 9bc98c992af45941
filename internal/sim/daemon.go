package sim

import (
	"encoding/json"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// core is the door into the decision core. Only tests put something else than an
// incident.Policy there, to see that a broken one is caught.
type core interface {
	Step(incident.State, time.Time, incident.Event) (incident.State, incident.Record)
}

// daemon drives the core as package engine does: one event at a time, durable before any effect,
// one look at a time per target, the earliest wake-up only. It can be killed at every record, and
// goes on from what was durable.
type daemon struct {
	w      *world
	core   core
	policy *incident.Policy

	up    bool
	term  int           // counts its lives
	began time.Duration // of this life

	live   incident.State
	shadow incident.State // the fold of the durable records
	dirty  map[string]bool

	watchers []watcher // as w.targets
	wakes    []int     // generation of the wake-up of each target
	hostWake int       // and of the host's
	killAt   func() killing
}

// killing says whether the daemon dies at a durable record, and at which side of it.
type killing uint8

const (
	lives killing = iota
	diesBefore
	diesAfter
)

type watcher struct {
	due     time.Duration
	gen     int           // of the planned look
	looking int           // of the look in flight; 0 = none
	seen    time.Duration // when the last look that was delivered ended
	again   bool          // somebody wanted a look while one was in flight
	looks   int
}

// boot begins a life of the daemon, with the state that the journal gives back.
func (d *daemon) boot() {
	d.up, d.began = true, d.w.t
	d.term++
	d.live = d.w.throughJSON(d.shadow)
	breaks := d.w.o.breaks
	if breaks.boot != nil {
		d.live = breaks.boot(d.live)
		d.shadow = d.w.throughJSON(d.live) // what was forgotten is not in its journal either
	}
	d.dirty = map[string]bool{}
	d.hostWake++
	run := d.live.Host.Run
	for i := range d.watchers {
		d.watchers[i].gen++
		d.watchers[i].looking = 0
		d.watchers[i].due = forever
		d.wakes[i]++
	}
	if d.w.out != nil {
		d.w.say("daemon", "starts, with %d open incidents from its journal", len(d.live.Incidents))
	}
	for _, t := range d.w.targets {
		if ts := d.live.Targets[t.Name]; ts != nil && ts.Easing != nil {
			d.handle(incident.Event{Kind: incident.Ended, Target: t.Name, ActionID: ts.Easing.ActionID,
				Result: incident.ResultUnknown, Detail: "recoveryd was restarted while the action was in flight"})
		}
		if ts := d.live.Targets[t.Name]; ts != nil && ts.Phase == incident.Acting && !(run.Live() && run.CallID == ts.ActionID) {
			if breaks.repeats {
				a := ts.Plan.Actions[ts.Step]
				d.w.perform(incident.Effect{Kind: incident.Perform, Target: t.Name, ActionID: ts.ActionID, Action: &a},
					incident.Record{At: d.w.now(), After: ts, Incident: d.live.Incidents[ts.Incident]})
				continue
			}
			d.handle(incident.Event{Kind: incident.Ended, Target: t.Name, ActionID: ts.ActionID,
				Result: incident.ResultUnknown, Detail: "recoveryd was restarted while the action was in flight"})
		}
	}
	d.resumeRun()
	for i := range d.w.targets {
		d.lookAt(i, d.w.t+time.Duration(i)*time.Millisecond)
	}
	d.w.lastChange = d.w.t
}

// die ends a life of the daemon at once: nothing is flushed, nothing is told.
func (d *daemon) die(downFor time.Duration) {
	if !d.up {
		return
	}
	d.up = false
	d.term++
	d.w.report.Kills++
	if d.w.out != nil {
		d.w.say("daemon", "is killed; down for %s", downFor)
	}
	d.w.lostEmergencies()
	d.w.after(downFor, d.boot)
}

// throughJSON is what a journal gives back of a state.
func (w *world) throughJSON(s incident.State) incident.State {
	b, err := json.Marshal(s)
	if err != nil {
		w.fail(replayEqualsLive, "the state cannot be written: %v", err)
		return s
	}
	out := incident.NewState()
	if err := json.Unmarshal(b, &out); err != nil {
		w.fail(replayEqualsLive, "the state cannot be read back: %v", err)
	}
	return out
}

// handle gives one event to the core, as engine.handle does.
func (d *daemon) handle(ev incident.Event) {
	if !d.up || d.w.report.Violation != nil {
		return
	}
	w := d.w
	if known := d.live.Host.Stop; ev.Kind != incident.Stopped && !w.o.breaks.ignoresStop &&
		(known == nil && w.stopFile != "" || known != nil && known.Why != w.stopFile) {
		d.handle(incident.Event{Kind: incident.Stopped, Detail: w.stopFile})
		if !d.up || w.report.Violation != nil {
			return
		}
	}
	w.report.Steps++
	now := w.now()
	next, rec := d.core.Step(d.live, now, ev)
	if rec.Durable() {
		if w.o.breaks.actsFirst {
			d.act(rec)
		}
		if w.journalBroken && !w.o.breaks.ignoresJournal {
			d.journalFailed(now, ev)
			return
		}
		k := d.killAt()
		if k == diesBefore {
			d.die(w.downtime())
			return
		}
		if !w.journalBroken {
			d.shadow = incident.Fold(d.shadow, rec)
			w.durable(rec, next)
		}
		if k == diesAfter {
			d.die(w.downtime())
			return
		}
		if ev.Kind == incident.Impaired {
			w.say("daemon", "may act again")
		}
	}
	d.accept(next, rec)
}

// accept makes the state the present one and carries out the effects.
func (d *daemon) accept(next incident.State, rec incident.Record) {
	w := d.w
	before := d.live
	d.live = next
	w.decided(before, rec)
	if !w.o.breaks.actsFirst {
		d.act(rec)
	}
	for i := range rec.Effects {
		e := &rec.Effects[i]
		switch e.Kind {
		case incident.Look:
			if at, ok := w.index[e.Target]; ok {
				d.lookAt(at, w.t+e.After)
			}
		case incident.Conclude:
			d.conclude(*e)
		case incident.Wake:
			if e.Target == "" {
				d.wakeHost(e.At.Sub(rec.At))
				continue
			}
			d.wakeAt(w.index[e.Target], e.Target, e.At.Sub(rec.At))
		}
	}
}

// act hands the actions of a record out.
func (d *daemon) act(rec incident.Record) {
	for _, e := range rec.Effects {
		if e.Kind == incident.Perform {
			d.w.perform(e, rec)
		}
	}
}

// impair is what the shell does when it learns that the journal is broken.
func (d *daemon) impair(now time.Time) {
	w := d.w
	next, rec := d.core.Step(d.live, now, incident.Event{Kind: incident.Impaired, Detail: "the journal cannot be written"})
	next.Seq = d.live.Seq
	if w.out != nil {
		w.say("daemon", "cannot write its journal")
	}
	w.emergency(rec, next)
	d.accept(next, rec)
	term := d.term
	var retry func()
	retry = func() {
		if d.up && d.term == term && d.live.Host.Impaired != "" {
			d.handle(incident.Event{Kind: incident.Impaired})
			w.after(3*time.Second, retry)
		}
	}
	w.after(time.Second, retry)
}

// journalFailed is what the shell does when a record cannot be made durable: the decision is
// dropped, the core may only page, and what it wants to say leaves without a journal.
func (d *daemon) journalFailed(now time.Time, ev incident.Event) {
	w := d.w
	if ev.Kind == incident.Impaired {
		return
	}
	seq := d.live.Seq
	if d.live.Host.Impaired == "" {
		d.impair(now)
	}
	next, rec := d.core.Step(d.live, now, ev)
	for _, e := range rec.Effects {
		if e.Kind == incident.Perform {
			w.fail(writeFirst, "the core asked for %s although it was told that the journal is broken", e.Action)
			return
		}
	}
	next.Seq = seq
	w.emergency(rec, next)
	d.dirty[ev.Target] = true
	d.accept(next, rec)
}

func (d *daemon) wakeAt(i int, target string, in time.Duration) {
	d.wakes[i]++
	gen := d.wakes[i]
	d.w.after(max(in, 0), func() {
		if d.up && d.wakes[i] == gen {
			d.pollMissed(-1)
			d.handle(incident.Event{Kind: incident.Woke, Target: target})
		}
	})
}

// lookAt brings the next look at a target forward.
func (d *daemon) lookAt(i int, at time.Duration) {
	x := &d.watchers[i]
	if at >= x.due || !d.up {
		return
	}
	x.due = at
	x.gen++
	gen := x.gen
	d.w.push(at, func() {
		if d.up && x.gen == gen {
			d.look(i)
		}
	})
}

// pollMissed takes the looks that were left out while nothing happened: something happens now, and
// a daemon that polls all the time would have fresh looks at everything.
func (d *daemon) pollMissed(but int) {
	term := d.term
	for i := len(d.watchers) - 1; i >= 0; i-- { // what others need comes last in the list
		x := &d.watchers[i]
		if i == but || x.looking != 0 || x.seen <= d.began || d.w.t-x.seen < 3*pollInterval {
			continue
		}
		t := d.w.targets[i]
		facts, _ := d.w.look(t.Name)
		x.seen = d.w.t
		d.w.report.Looks++
		d.handle(incident.Event{Kind: incident.Observed, Target: t.Name, Observation: &detect.Observation{Target: t.Name, At: d.w.now(), Facts: facts}})
		if !d.up || d.term != term {
			return
		}
		x.due = forever
		d.lookAt(i, d.w.nextPoll(i, d.w.t))
	}
}

// interrupt abandons a look in flight and looks at once: a signal came.
func (d *daemon) interrupt(i int) {
	if d.up {
		d.watchers[i].looking = 0
		d.watchers[i].due = forever
		d.lookAt(i, d.w.t)
	}
}

func (d *daemon) look(i int) {
	w, x := d.w, &d.watchers[i]
	if x.looking != 0 {
		x.again = true
		return
	}
	if d.pollMissed(i); !d.up || x.looking != 0 {
		return
	}
	x.looks++
	x.again = false
	me := x.looks
	x.looking = me
	w.report.Looks++
	t := w.targets[i]
	at, began := w.now(), w.t
	facts, took := w.look(t.Name)
	term := d.term
	w.after(took, func() {
		if !d.up || d.term != term || x.looking != me {
			return // overtaken by a signal, or the daemon is another
		}
		x.looking = 0
		x.due, x.seen = forever, w.t
		d.handle(incident.Event{Kind: incident.Observed, Target: t.Name,
			Observation: &detect.Observation{Target: t.Name, At: at, Took: took.Seconds(), Facts: facts}})
		if d.up {
			if x.again {
				d.lookAt(i, w.t)
			}
			d.lookAt(i, max(w.nextPoll(i, began), w.t))
		}
	})
}

// keeps reports whether a cure has changed a setting that is to be taken back.
func (d *daemon) keeps() bool {
	for _, t := range d.live.Targets {
		if len(t.Kept) > 0 {
			return true
		}
	}
	return false
}

// knows is the state of a living daemon, or what the next life of a dead one will find.
func (d *daemon) knows() incident.State {
	if d.up {
		return d.live
	}
	return d.shadow
}

// command is a person's word to the daemon; lost while it is down, as a person would see.
func (d *daemon) command(target string, c incident.Command) bool {
	if !d.up {
		return false
	}
	if d.w.out != nil {
		d.w.say("person", "says %s %s %s until %v", c.Verb, target, c.Incident, c.Until)
	}
	seq := d.live.Seq
	d.handle(incident.Event{Kind: incident.Operator, Target: target, Command: &c})
	return d.up && d.live.Seq != seq && d.live.Host.Impaired == ""
}
