package sim

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

func commandOf(verb incident.CommandVerb) incident.Command {
	return incident.Command{Verb: verb, By: "ann"}
}

// person is somebody who does something to the host or says something to the daemon.
func (w *world) person() {
	if w.mended() {
		return
	}
	t := w.targets[w.rng.IntN(len(w.targets))]
	u := w.things[t.Name].u
	i := w.ledger.intent(t.Name)
	later := w.between(20*time.Second, 3*time.Hour)
	switch w.rng.IntN(17) {
	case 0, 1:
		w.personStops(u, later)
	case 2:
		w.say("person", "restarts %s", u.name)
		i.hands, i.stopped = w.t, false
		u.restart(byPerson, 0, false, nil)
	case 3:
		w.say("person", "masks %s", u.name)
		u.masked, i.masked = true, w.t
		w.unitChanged(u)
		w.after(later, func() {
			w.say("person", "unmasks and starts %s", u.name)
			u.masked = false
			w.unitChanged(u)
			w.personStarts(u)
		})
	case 4:
		if w.upgrading == "" {
			w.say("person", "upgrades the package of %s", t.Name)
			w.upgrading, i.upgrade, i.hands, i.stopped = t.Name, w.t, w.t, false
			w.changed(t.Name)
			u.restart(byPerson, 0, false, nil)
			w.after(w.between(30*time.Second, 10*time.Minute), func() {
				w.upgrading = ""
				w.changed(t.Name)
			})
		}
	case 5:
		c := commandOf(incident.CmdHold)
		if w.chance(0.7) {
			c.Until = w.now().Add(later)
		}
		if w.d.command(t.Name, c) {
			i.hold = &c
		}
		if w.chance(0.5) {
			w.after(later/2, func() { w.release(t.Name) })
		}
	case 6:
		c := commandOf(incident.CmdPause)
		if w.chance(0.7) {
			c.Until = w.now().Add(later)
		}
		if w.d.command("", c) {
			w.ledger.pause = &c
		}
		w.after(later, w.resume)
	case 7, 8, 9: // answers what the daemon says
		w.personAnswers()
	case 10:
		if !w.permission {
			return
		}
		w.say("person", "takes the daemon's permission away")
		w.permission = false
		w.after(later/4, func() { w.permission = true })
	case 11:
		w.say("person", "starts %s", u.name)
		i.hands, i.stopped = w.t, false
		u.start(byPerson, true, nil)
	case 14:
		w.d.command(t.Name, commandOf(incident.CmdForget))
	case 15, 16:
		w.personAsks(t.Name)
	case 13:
		if w.stopFile == "" {
			w.stopFile = "change 4711"
			w.say("person", "puts the stop file there")
			w.changed(t.Name)
			w.after(later, w.unstop)
		}
	case 12:
		w.say("person", "sends SIGTERM to %s", u.name)
		if u.running() && w.things[t.Name].sick() == "" {
			u.die("killed", 15, "success", "sigterm")
		}
	}
}

// personSteps is somebody who sees the same trouble, and is a moment faster than the daemon.
func (w *world) personSteps(target string) {
	u, i := w.things[target].u, w.ledger.intent(target)
	if w.chance(0.3) {
		w.personStops(u, w.between(time.Minute, time.Hour))
		return
	}
	w.say("person", "restarts %s, as the daemon is about to", u.name)
	i.hands, i.stopped = w.t, false
	u.restart(byPerson, 0, true, nil)
}

// release ends a hold, and resume a pause. The ledger knows first: the command itself may lead to
// an action. While the journal is broken the daemon takes the word for as long as it lives.
func (w *world) release(target string) {
	i := w.ledger.intent(target)
	was := i.hold
	i.hold = nil
	w.d.command(target, commandOf(incident.CmdRelease))
	if t := w.d.knows().Targets[target]; t == nil || t.Hold != nil {
		i.hold = was
	}
}

func (w *world) resume() {
	was := w.ledger.pause
	w.ledger.pause = nil
	w.d.command("", commandOf(incident.CmdResume))
	if w.d.knows().Host.Pause != nil {
		w.ledger.pause = was
	}
}

// unstop takes the stop file away; the daemon sees it when it next turns, a second later at most.
func (w *world) unstop() {
	if w.stopFile == "" {
		return
	}
	w.say("person", "takes the stop file away")
	w.stopFile = ""
	w.after(w.between(0, time.Second), func() { w.d.handle(incident.Event{Kind: incident.Impaired, Detail: w.d.live.Host.Impaired}) })
}

// personStops stops a unit and starts it again later.
func (w *world) personStops(u *unit, later time.Duration) {
	if u.active == "failed" || u.active == "inactive" {
		return // systemctl stop does nothing to it, and leaves no trace
	}
	if u.active == "deactivating" && u.job == "stop" {
		return // systemd makes one job of both, and nobody can tell that it has two owners
	}
	w.say("person", "stops %s", u.name)
	i := w.ledger.intent(u.target)
	i.stopped, i.since = true, w.t
	u.stop(byPerson, nil)
	w.mayUnload(u)
	w.after(later, func() { w.personStarts(u) })
}

func (w *world) personStarts(u *unit) {
	if u.masked {
		return
	}
	w.say("person", "starts %s", u.name)
	i := w.ledger.intent(u.target)
	i.stopped, i.hands = false, w.t
	u.start(byPerson, true, nil)
}

// personAnswers acknowledges, approves or asks for another try.
func (w *world) personAnswers() {
	for _, t := range w.targets {
		ts := w.d.live.Targets[t.Name]
		if ts == nil || !w.d.up {
			continue
		}
		inc := w.d.live.Incidents[ts.Incident]
		if inc == nil || inc.Target != t.Name || inc.Paged.IsZero() || w.chance(0.5) {
			continue
		}
		c := commandOf(incident.CmdAck)
		c.Incident = inc.ID
		switch {
		case inc.Proposal != nil:
			c.Verb = incident.CmdApprove
			w.d.command(t.Name, c)
		case w.chance(0.5):
			c.Verb = incident.CmdRetry
			w.d.command(t.Name, c)
		default:
			c.Until = w.now().Add(w.between(time.Minute, 2*time.Hour))
			w.d.command(t.Name, c)
		}
		return
	}
}

// personAsks wants something recovered now, most of the time something that is in trouble.
func (w *world) personAsks(target string) {
	for _, t := range w.targets {
		if ts := w.d.knows().Targets[t.Name]; ts != nil && ts.Diagnosis.Bad() && w.chance(0.6) {
			target = t.Name
		}
	}
	w.ledger.wishes[target] = w.now() // also when it dies with it: it is kept or lost, and no other time
	w.d.command(target, commandOf(incident.CmdRecover))
}

// personApproves says yes to what is proposed for an incident.
func (w *world) personApproves(id string) {
	if i := w.d.live.Incidents[id]; w.d.up && i != nil && i.Proposal != nil {
		c := commandOf(incident.CmdApprove)
		c.Incident = id
		w.d.command(i.Target, c)
	}
}

// personComes is somebody who was paged and puts a target right, with what it needs.
func (w *world) personComes(target, key string) {
	if w.ledger.pages[key] != told || w.mended() {
		return
	}
	if w.out != nil {
		w.say("person", "comes because of %s, and mends %s", key, target)
	}
	x := w.things[target]
	if x.server != nil {
		x.server.ailments = nil
	}
	for _, name := range append(w.target(target).DependsOn, target) {
		if name == "postgres" {
			w.db.diskFull, w.db.idle, w.db.long, w.db.active = false, 0, 0, 0
			w.db.relieved()
		}
		if i := w.ledger.intent(name); !i.stopped && !w.things[name].u.masked {
			w.mend(w.things[name])
		}
	}
}

// mend brings a unit up again in whatever way it needs.
func (w *world) mend(x thing) {
	w.ledger.intent(x.u.target).hands = w.t
	switch x.sick() {
	case "", "moving", "starting", "loading", "waits", "lost":
	case "gateway":
		x.server.gatewayMended()
	case "down":
		x.u.starts = nil
		x.u.start(byPerson, true, nil)
	default:
		x.u.stopTimeout = 5 * time.Second
		x.u.restart(byPerson, 0, true, nil)
	}
}
