package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// flapping is the chance of worlds in which servers end soon after each start and are started again, by
// their Restart= or by a timer, for up to an hour, and in which people stop them in the middle of it.
type flapping struct {
	*rand.Rand
	on    map[string]*flap
	voids map[string]int // actions that came too late, by incident and rung
}

// flap is one such time of one server.
type flap struct {
	from, until time.Duration
	lives       time.Duration // of each process, at the most
	known       time.Duration // when somebody last knew of it, or had it in hand
}

// drawFlaps chooses these worlds. As with stalls, the source of chance is their own, so that every other
// world is what it is without them.
func (w *world) drawFlaps() {
	r := rand.New(rand.NewPCG(w.o.Seed, 0xf1a9))
	if w.nature.calm || r.Float64() >= 0.15 {
		return
	}
	w.flaps = &flapping{Rand: r, on: map[string]*flap{}, voids: map[string]int{}}
	if r.Float64() < 0.7 { // budgets hide what is not bounded by itself
		l := &w.options.Limits
		l.Target.Actions, l.Class.Actions, l.Host.Actions = 500, 500, 500
	}
	for _, s := range w.servers {
		s.u.p = flapper{s}
	}
}

// planFlaps spreads the flapping, and the people who stop things at bad moments, over the world.
func (w *world) planFlaps(days float64, last time.Duration) {
	f := w.flaps
	if f == nil {
		return
	}
	for n := 1 + int(3*f.Float64()*days); n > 0; n-- {
		w.after(f.between(time.Minute, last-time.Hour), func() { w.flap(w.servers[f.IntN(len(w.servers))], last) })
	}
	w.flapTick(last)
}

func (f *flapping) between(a, b time.Duration) time.Duration {
	return a + time.Duration(f.Int64N(int64(b-a)))
}

// flap makes one server flap for a while.
func (w *world) flap(s *server, last time.Duration) {
	f, u := w.flaps, s.u
	if f.on[s.t.Name] != nil {
		return
	}
	x := &flap{from: w.t, until: min(w.t+f.between(5*time.Minute, time.Hour), last), lives: f.between(200*time.Millisecond, 4*time.Second), known: w.t}
	f.on[s.t.Name] = x
	policy, after, burst := u.policy, u.restartAfter, u.burst
	u.burst = 0
	if timer := f.Float64() < 0.4; timer {
		u.policy = "no"
		w.timer(u, x, f.between(100*time.Millisecond, time.Second))
	} else {
		u.policy, u.restartAfter = "always", f.between(100*time.Millisecond, 3*time.Second)
	}
	if w.out != nil {
		w.say("fault", "%s flaps for %s: it lives for %s at the most, Restart=%s", s.t.Name, x.until-w.t, x.lives, u.policy)
	}
	w.after(x.until-w.t, func() {
		delete(f.on, s.t.Name)
		u.policy, u.restartAfter, u.burst = policy, after, burst
		w.say("fault", "%s flaps no more", s.t.Name)
		w.changed(s.t.Name)
	})
	if u.alive() {
		u.die("exited", 1, "exit-code", detect.DepartureCrash)
	}
}

// timer starts a unit again and again, as long as nobody has stopped both.
func (w *world) timer(u *unit, x *flap, every time.Duration) {
	w.after(every, func() {
		if w.t >= x.until {
			return
		}
		if i := w.ledger.intent(u.target); !i.stopped && !u.masked && !u.alive() {
			u.start(bySystemd, false, nil)
		}
		w.timer(u, x, every)
	})
}

// flapper is the process of a server that may flap.
type flapper struct{ *server }

func (p flapper) began() {
	p.server.began()
	f := p.w.flaps
	if x := f.on[p.t.Name]; x != nil {
		p.u.inRun(f.between(x.lives/4, x.lives), func() {
			if p.w.t < x.until {
				p.u.die("exited", 1, "exit-code", detect.DepartureCrash)
			}
		})
	}
}

// flapTick is what people do to what flaps and to what has just been cured, and what must not last.
func (w *world) flapTick(last time.Duration) {
	f := w.flaps
	w.after(f.between(5*time.Second, time.Minute), func() {
		if w.t >= last || w.report.Violation != nil {
			return
		}
		for _, s := range w.servers {
			ts := w.d.live.Targets[s.t.Name]
			cured := ts != nil && (ts.Phase == incident.Probation || ts.Phase == incident.Verifying)
			if x := f.on[s.t.Name]; x != nil && f.Float64() < 0.05 || cured && f.Float64() < 0.1 {
				w.personStops(s.u, f.between(time.Minute, 20*time.Minute))
			}
		}
		if w.d.up {
			for name, x := range f.on {
				w.judgeFlap(name, x)
			}
		}
		w.flapTick(last)
	})
}

// judgeFlap: who watches a unit that flaps is told in time, however its reasons change.
func (w *world) judgeFlap(target string, x *flap) {
	i := w.ledger.intent(target)
	ts := w.d.live.Targets[target]
	if i.stopped || w.things[target].u.masked || ts != nil && w.inGoodHands(target) ||
		w.distortedSince(30*time.Minute) || !w.clockIsSteady(90*time.Minute) || w.d.live.Host.Impaired != "" || w.journalBroken {
		x.known = w.t
		return
	}
	lasts := w.t - max(x.from, x.known, w.d.began, i.hands)
	for _, name := range w.target(target).DependsOn { // until then it waited for that
		lasts = min(lasts, w.t-w.truth(name).quiet)
	}
	if lasts > tellWithin {
		phase := "not even seen"
		if ts != nil {
			phase = ts.Phase.String() + " (" + string(ts.Reason) + ")"
		}
		w.fail(neverSilent, "%s flaps since %s, is in phase %s, and nobody was told", target, clock(x.from), phase)
	}
}

// judgePersons is told of every step: what the daemon takes for a person's doing, and what it makes of it.
func (w *world) judgePersons(before incident.State, rec incident.Record) {
	t := rec.After
	x, known := w.things[rec.Target]
	if t == nil || !known {
		return
	}
	i, u := w.ledger.intent(rec.Target), x.u
	was := before.Targets[rec.Target]
	if rec.Event.Kind == incident.Observed && t.Intent != "" && (was == nil || was.Intent != t.Intent) && t.Last.Facts.Text(detect.WorkloadState) != "" &&
		!i.stopped && !u.masked && !(u.job != "" && u.jobBy == byPerson) && w.t-i.hands > 2*time.Minute && w.t-i.since > 2*time.Minute {
		w.fail(nobodysWord, "%s: %q, and nobody has done anything to it since %s", rec.Target, t.Intent, clock(max(i.hands, i.since)))
	}
	seen := 12 * time.Second // as in judgePerson
	if w.signals {
		seen = 3 * time.Second
	}
	if was != nil && failedEfforts(t) > failedEfforts(was) && i.stopped && w.t-i.since > seen && u.active == "inactive" && u.departure == detect.DepartureStopped &&
		!w.distortedSince(time.Minute, rec.Target) {
		w.fail(teachesNothing, "%s: a cure is counted as one that failed, and a person stopped it at %s (%s)", rec.Target, clock(i.since), rec.Sentence)
	}
	w.judgeRepeats(rec)
}

func failedEfforts(t *incident.TargetState) (n int) {
	for _, e := range t.Efforts {
		n += e.Failed
	}
	return n
}

// mostVoid is how often one rung may come too late in one incident.
const mostVoid = 5

// lag is how much later than decided an action on a unit that flaps reaches it: a disk is slow, and the
// record comes first.
func (w *world) lag(target string) time.Duration {
	if w.flaps == nil || w.flaps.on[target] == nil {
		return 0
	}
	return w.flaps.between(0, time.Second)
}

// judgeRepeats counts the actions that came too late.
func (w *world) judgeRepeats(rec incident.Record) {
	if w.flaps == nil || rec.Event.Kind != incident.Ended || rec.Event.Result != incident.ResultVoid || rec.Incident == nil || len(rec.Incident.Attempts) == 0 {
		return
	}
	as := rec.Incident.Attempts
	last := as[len(as)-1]
	key := fmt.Sprintf("%s/%s/%d", rec.Incident.ID, last.Strategy, last.Rung)
	w.flaps.voids[key]++
	if n := w.flaps.voids[key]; n > mostVoid {
		w.fail(repeatsEnd, "%s came too late %d times in %s, and is begun again and again", last.Strategy, n, rec.Incident.ID)
	}
}
