package sim

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// plan spreads over the days of the world everything that will happen to it.
func (w *world) plan() {
	days := w.o.Days
	last := w.end - mendingTime
	many := func(rate float64, do func()) {
		for n := rate * days; n > 0; n-- {
			if n >= 1 || w.chance(n) {
				w.after(w.between(time.Minute, last), do)
			}
		}
	}
	n := w.nature
	if n.calm {
		// One fault at a time, far enough apart that each has its own budget and its own incident.
		for at := w.between(5*time.Minute, 2*time.Hour); at < last-time.Hour; at += w.between(2*time.Hour, 5*time.Hour) {
			w.after(at, w.calmFault)
		}
	} else {
		many(n.faults, w.fault)
	}
	many(n.persons, w.person)
	many(n.lies, w.distort)
	many(n.crashes, func() { w.d.die(w.downtime()) })
	many(n.journal, w.breakJournal)
	many(n.clocks, w.stepClock)
	w.planStalls(days, last)
	w.planUnloads()
	w.planWays(days, last)
	w.planLoads(days, last)
	w.planFlaps(days, last)
	if len(w.options.Playbooks) > 0 {
		many(4, w.personPlays)
	}
	w.after(last, w.mendAll)
	w.after(last+10*time.Minute, w.mendAll)
	w.after(last+time.Hour, w.mendAll)
	w.tick()
}

// mended reports that nothing new goes wrong any more.
func (w *world) mended() bool { return w.t >= w.end-mendingTime }

func (w *world) server() *server { return w.servers[w.rng.IntN(len(w.servers))] }

// calmFault is one that recoveryd can cure without help.
func (w *world) calmFault() {
	s := w.server()
	minutes := func(a, b int) time.Duration {
		return time.Duration(a+w.rng.IntN(b-a+1)) * time.Minute
	}
	switch w.rng.IntN(9) {
	case 0:
		s.u.die("killed", 9, "signal", detect.DepartureCrash)
	case 1:
		s.hang()
	case 2:
		w.db.u.die("killed", 9, "exit-code", detect.DepartureCrash)
	case 3:
		w.db.freeze(w.chance(0.5))
	case 4:
		s.ail(leakIdle, minutes(40, 80), 1)
	case 5:
		s.ail(leakLong, minutes(30, 50), 1)
	case 6:
		s.u.die("killed", 9, "oom-kill", detect.DepartureOOM)
	case 7:
		s.ail(memoryLeak, minutes(40, 80), 4+w.rng.IntN(6))
	case 8:
		if s.t.Pool.EnvFile == "" {
			s.hang()
			return
		}
		s.ail(load, minutes(30, 60), 31+w.rng.IntN(5))
	}
}

// fault is anything at all.
func (w *world) fault() {
	if w.mended() {
		return
	}
	r, s := w.rng, w.server()
	long := w.between(time.Minute, 90*time.Minute)
	switch r.IntN(26) {
	case 25: // everything at once
		for _, s := range w.servers {
			s.u.die("killed", 9, "signal", detect.DepartureCrash)
		}
		w.db.u.die("killed", 9, "exit-code", detect.DepartureCrash)
	case 24:
		s.ail(exitLoop, min(long, 30*time.Minute), 30+r.IntN(120))
	case 0, 1:
		s.u.die("killed", 9, "signal", detect.DepartureCrash)
	case 2:
		s.u.die("exited", 0, "success", detect.DepartureClean)
	case 3:
		s.u.die("killed", 15, "success", detect.DepartureSIGTERM)
	case 4, 5:
		s.hang()
	case 6:
		if s.u.running() && !s.hung {
			s.stoppedT = true
			s.hang()
		}
	case 7:
		s.ail(crashLoop, min(long, 20*time.Minute), 2+r.IntN(40))
		s.u.die("dumped", 11, "core-dump", detect.DepartureCrash)
	case 8:
		s.ail(wedge, long, 3+r.IntN(60))
	case 9:
		s.ail([]string{leakIdle, leakLong}[r.IntN(2)], long, 2+r.IntN(12))
	case 10:
		s.ail(load, long, 20+r.IntN(40))
	case 11:
		s.ail(memoryLeak, long, 5+r.IntN(60))
	case 12:
		s.ail(memoryNeed, long, 300+r.IntN(700))
	case 13:
		s.ail(slowStart, long, 5+r.IntN(60))
		s.u.die("exited", 1, "exit-code", detect.DepartureCrash)
	case 14:
		s.ail(replies, long, r.IntN(len(strange)))
	case 15:
		s.ail(unwell, long, r.IntN(2))
	case 16:
		s.ail(slowAnswers, long, 1+r.IntN(4))
	case 17:
		s.ail(badSettings, 4*time.Hour, 32)
		s.ail(load, long, 40)
	case 18:
		w.db.u.die("killed", 9, "exit-code", detect.DepartureCrash)
	case 19:
		w.db.freeze(w.chance(0.5))
	case 20:
		w.db.crowd([]string{"idle", "long", "active"}[r.IntN(3)], long)
	case 21:
		w.db.diskFull = true
		w.db.u.die("exited", 1, "exit-code", detect.DepartureCrash)
		w.after(min(long, 30*time.Minute), func() { w.db.diskFull = false; w.changed("postgres") })
	case 22:
		if w.redis != nil {
			w.redis.u.die("killed", 9, "signal", detect.DepartureCrash)
		}
	case 23:
		if w.redis != nil && w.redis.u.running() {
			w.redis.stuck = true
			w.changed("redis")
		}
	}
}

// distort makes a witness blind or makes it lie. One witness at most lies at a time: against two
// that lie in agreement nothing helps.
func (w *world) distort() {
	if w.mended() {
		return
	}
	var kept []distortion
	lying := false
	for _, d := range w.distortions {
		if w.t < d.until {
			kept = append(kept, d)
			lying = lying || d.lie != ""
		}
	}
	w.distortions = kept
	d := distortion{target: w.targets[w.rng.IntN(len(w.targets))].Name, from: w.t, until: w.t + w.between(5*time.Second, 30*time.Minute)}
	x := w.things[d.target]
	mayLie := !lying && w.chance(0.5)
	switch {
	case w.chance(0.3):
		d.witness = detect.ByPlatform
		if mayLie && x.server != nil {
			d.lie = "failed"
		}
	case x.server != nil && w.chance(0.3):
		d.witness = []detect.Witness{detect.BySocket, detect.ByMemory}[w.rng.IntN(2)]
		if mayLie && d.witness == detect.BySocket {
			d.lie = []string{"timeout", "unreachable"}[w.rng.IntN(2)] // a kernel that refuses does not lie
		}
	case x.server != nil:
		d.witness = detect.ByHTTP
		if mayLie {
			d.lie = []string{detect.OutcomeConnect, detect.OutcomeDNS, detect.OutcomeTLS, detect.OutcomeNotFound, detect.OutcomeHTML, detect.OutcomeLimited,
				detect.OutcomeGarbage, detect.OutcomeNoReply, detect.OutcomeReset, detect.OutcomeHTTPError}[w.rng.IntN(10)]
		}
	case x.db != nil:
		d.witness = detect.BySQL
		if mayLie {
			d.lie = []string{detect.SQLNoConnect, detect.SQLRefused, detect.SQLFrozen, detect.SQLDenied, detect.SQLFailed, detect.SQLStarting}[w.rng.IntN(6)]
		}
	default:
		d.witness = detect.ByPlain
	}
	w.distortions = append(w.distortions, d)
	if w.out != nil {
		w.say("sensor", "%s of %s is %s for %s", d.witness, d.target, map[bool]string{true: "blind", false: "lying: " + d.lie}[d.lie == ""], d.until-w.t)
	}
	w.changed(d.target)
	w.after(d.until-w.t, func() { w.changed(d.target) })
}

// foundBroken is how long the journal takes to find out by itself that it cannot be written.
const foundBroken = 80 * time.Second

func (w *world) breakJournal() {
	if w.mended() || w.journalBroken {
		return
	}
	w.journalBroken = true
	w.say("fault", "the disk of the journal is full")
	var found func() // by the daemon itself, when nothing had to be decided
	found = func() {
		if !w.journalBroken || w.o.breaks.ignoresJournal {
			return
		}
		if w.d.up && w.d.live.Host.Impaired == "" && w.t-w.d.began >= foundBroken {
			w.d.impair(w.now())
		}
		w.after(foundBroken, found)
	}
	w.after(foundBroken, found)
	w.after(w.between(5*time.Second, 20*time.Minute), func() {
		w.journalBroken = false
		w.say("fault", "the journal has room again")
	})
}

// stepClock sets the host's clock forward or back.
func (w *world) stepClock() {
	if w.mended() {
		return
	}
	step := w.between(-time.Hour, time.Hour)
	if w.chance(0.5) {
		step /= 100
	}
	w.skew += step
	w.ledger.stepped = w.t
	w.ledger.clockSteps++
	if w.out != nil {
		w.say("fault", "the clock is set by %s", step)
	}
	w.changed("postgres")
}

func (w *world) downtime() time.Duration {
	if w.chance(0.7) {
		return w.between(200*time.Millisecond, 20*time.Second)
	}
	return w.between(20*time.Second, time.Hour)
}

// mendAll is a person who puts everything right.
func (w *world) mendAll() {
	w.say("person", "puts everything right")
	w.journalBroken, w.permission, w.upgrading = false, true, ""
	for i := range w.distortions { // over, and not undone: what was seen until now is what it made of it
		w.distortions[i].until = min(w.distortions[i].until, w.t)
	}
	w.db.diskFull, w.db.idle, w.db.long, w.db.active = false, 0, 0, 0
	for _, s := range w.servers {
		s.ailments = nil
		s.gatewayMended()
	}
	w.db.recovers = 0
	if w.redis != nil {
		w.redis.stuck, w.redis.loads = false, 0
	}
	w.unstop()
	w.resume()
	w.personEndsRun()
	for _, t := range w.targets {
		w.release(t.Name)
	}
	w.db.relieved()
	mend := func(x thing) {
		w.ledger.intent(x.u.target).stopped = false
		x.u.masked = false
		w.mend(x)
	}
	mend(w.things["postgres"])
	w.after(20*time.Second, func() {
		for _, t := range w.targets {
			if t.Name != "postgres" {
				mend(w.things[t.Name])
			}
		}
	})
}
