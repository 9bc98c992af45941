package sim

import (
	"strconv"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// perform carries out what the core asked for, as an adapter does: it takes time, may do nothing
// or something worse, and its end may be lost.
func (w *world) perform(e incident.Effect, rec incident.Record) {
	a, id := *e.Action, e.ActionID
	w.performing(e, rec)
	w.report.Actions++
	w.report.Acted[a.Verb]++
	m := w.nature.moods
	if w.mended() {
		m = moods{}
	}
	delay := time.Millisecond
	if a.Disrupts && e.Target != "" {
		delay += w.between(0, 700*time.Millisecond) // evidence is collected first
	}
	if e.Target != "" {
		delay += w.lag(e.Target)
	}
	term, over := w.d.term, false
	end := func(r incident.Result, detail string) {
		if over {
			return
		}
		over = true
		if w.chance(m.endless) {
			return
		}
		after := w.between(time.Millisecond, 30*time.Millisecond)
		if w.chance(m.late) {
			after = w.between(time.Second, 3*time.Minute)
		}
		if w.chance(m.lost) {
			r, detail = incident.ResultUnknown, "the job's signal was lost"
		}
		w.after(after, func() {
			if w.d.up && w.d.term == term {
				w.d.handle(incident.Event{Kind: incident.Ended, Target: e.Target, ActionID: id, Result: r, Detail: detail})
			}
		})
	}
	if onUnit(a.Verb) && w.nature.persons > 0 && !w.mended() && w.chance(0.03) {
		w.after(w.between(0, delay), func() { w.personSteps(a.Target) })
	}
	w.after(a.Timeout, func() { end(incident.ResultTimedOut, "no end in time") })
	w.after(delay, func() {
		if w.d.term != term {
			return // the daemon was killed before it asked anybody
		}
		if w.stopFile != "" && !w.o.breaks.ignoresStop {
			end(incident.ResultUnknown, "not begun: the stop file came first")
			return
		}
		if why := w.outdated(a); why != "" && !w.o.breaks.neverAsksAgain {
			end(incident.ResultVoid, why)
			return
		}
		w.executed(a, id)
		switch {
		case !w.permission:
			end(incident.ResultDenied, "polkit refuses it")
		case w.chance(m.failed):
			w.after(time.Second, func() { end(incident.ResultFailed, "the platform reports failure") })
		case w.chance(m.nothing) && a.Verb != strategy.CommandRun: // its exit status is all that can be known
			w.after(time.Second, func() { end(incident.ResultDone, "done") })
		default:
			if x := w.things[a.Target]; w.chance(m.worse) && x.server != nil {
				x.server.ail([]string{crashLoop, wedge, slowStart}[w.rng.IntN(3)], w.between(time.Minute, 20*time.Minute), 1+w.rng.IntN(20))
			}
			w.effect(a, id, end)
		}
	})
}

// outdated asks the unit once more just before an action, as the adapters do.
func (w *world) outdated(a strategy.Action) string {
	u := w.things[a.Target].u
	if u == nil || a.Object != u.name {
		return ""
	}
	f := detect.Facts{}
	u.facts(f)
	return a.Seen.Outdated(a.Verb, f)
}

// effect is what the verb does to the host.
func (w *world) effect(a strategy.Action, id string, end func(incident.Result, string)) {
	done := func() { w.after(50*time.Millisecond, func() { end(incident.ResultDone, "done") }) }
	u := w.things[a.Target].u
	s := w.things[a.Target].server
	number := func(arg string) int {
		n, err := strconv.Atoi(a.Args[arg])
		if err != nil {
			return 0
		}
		return n
	}
	switch a.Verb {
	case strategy.Start:
		u.start(byUs, a.Args[strategy.ArgReset] == "yes", end)
	case strategy.Restart:
		grace, _ := time.ParseDuration(a.Args[strategy.ArgStopGrace])
		u.restart(byUs, grace, a.Args[strategy.ArgReset] == "yes", end)
	case strategy.Stop:
		grace, _ := time.ParseDuration(a.Args[strategy.ArgStopGrace])
		u.stop(byUs, end)
		u.impatient(grace)
	case strategy.CommandRun:
		w.command(a, id, end)
	case strategy.Kill:
		u.kill()
		done()
	case strategy.SetMemory:
		s.memMax = float64(number(strategy.ArgBytes)) / mib
		done()
	case strategy.SetEnv:
		s.poolMax = 30
		if n := number(strategy.ArgValue); n > 0 {
			s.poolMax = n
		}
		done()
	case strategy.HTTPPoolResize:
		if x := s.sick(); x == "down" || x == "hung" || x == "waits" || x == "starting" {
			w.after(time.Second, func() { end(incident.ResultFailed, "no answer") })
			return
		}
		s.pool = number(strategy.ArgMaxSize)
		w.changed(s.t.Name)
		done()
	case strategy.PGTerminateIdle, strategy.PGTerminateLong:
		if w.db.sick() != "" && w.db.sick() != "saturated" {
			w.after(time.Second, func() { end(incident.ResultFailed, "PostgreSQL does not answer") })
			return
		}
		w.terminate(a)
		done()
	default:
		w.fail(writeFirst, "no adapter knows %s", a.Verb)
	}
}

// terminate ends sessions: of one application, or for a saturated cluster of anybody.
func (w *world) terminate(a strategy.Action) {
	idle := a.Verb == strategy.PGTerminateIdle
	for _, s := range w.servers {
		if app := a.Args[strategy.ArgApplication]; app != "" && app != s.t.Name {
			continue
		}
		if idle {
			s.idle = 0
		} else {
			s.long = 0
		}
		w.changed(s.t.Name)
	}
	if a.Args[strategy.ArgApplication] == "" {
		if idle {
			w.db.idle = 0
		} else {
			w.db.long = 0
		}
	}
	w.db.relieved()
}
