package sim

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// ailment is something that is wrong with a server or a database for a while. What it does is
// decided where processes begin and health is read; mended ends it.
type ailment struct {
	kind  string
	until time.Duration // somebody outside mends it then; forever when nobody does
	n     int           // how bad, in the unit of the kind
}

// What may be wrong with a server. Crashes, hangs and OOM kills that happen once are no ailments:
// they end with the process.
const (
	crashLoop   = "crash-loop"   // every process dies n seconds after it began
	exitLoop    = "exit-loop"    // every process ends by itself, with success, n seconds after it began
	wedge       = "wedge"        // every process hangs n seconds after it began
	leakIdle    = "leak-idle"    // loses n idle connections a minute
	leakLong    = "leak-long"    // loses n connections a minute in transactions that never end
	load        = "load"         // honestly needs n connections
	memoryLeak  = "memory-leak"  // grows by n MiB a minute
	memoryNeed  = "memory-need"  // honestly needs n MiB
	slowStart   = "slow-start"   // needs n seconds until it serves
	loads       = "loads"        // needs n seconds until it serves, and says so meanwhile
	replies     = "replies"      // its health url answers with the n-th strange reply
	unwell      = "unwell"       // calls itself unhealthy; n > 0: a call of real work fails too
	slowAnswers = "slow"         // answers after n seconds
	badSettings = "bad-settings" // its process dies at once while its pool is larger than n
)

// strange are replies which speak of the probe or the settings, not of the health.
var strange = []string{detect.OutcomeNotFound, detect.OutcomeHTML, detect.OutcomeDenied, detect.OutcomeTLS, detect.OutcomeDNS,
	detect.OutcomeLimited, detect.OutcomeGarbage, detect.OutcomeConnect, detect.OutcomeRPC, "ValidationError"}

// server is a model of an MCP server with a connection pool.
type server struct {
	w    *world
	u    *unit
	t    detect.Target
	db   *database // what it needs; nil when it runs elsewhere
	need *redis    // another thing that it needs, or nil

	ailments     []*ailment
	diesWithDB   bool // ends itself when its database is gone, instead of waiting for it
	stopsSlowly  bool // ignores SIGTERM while it hangs
	poolMax      int  // of the next process
	memMax       float64
	base         int     // connections that are always in use
	memBase      float64 // MiB
	startup      time.Duration
	quirkBacklog bool   // a hang shows in the accept queue
	appFact      string // name of the fact that counts its sessions
	gateway      *gateway

	// of the running process
	ready      time.Duration
	tells      bool // that it is not up yet
	hung       bool
	stoppedT   bool // stopped by a signal: state T
	pool       int
	idle, long int // leaked connections
	memSince   time.Duration
	memShare   float64
	lostUntil  time.Duration // has not found its database again before
	answered   bool
	tries      int // to find its database
}

func (s *server) has(kind string) *ailment {
	for _, a := range s.ailments {
		if a.kind == kind {
			return a
		}
	}
	return nil
}

// ail begins an ailment; the running process may feel it at once.
func (s *server) ail(kind string, d time.Duration, n int) {
	a := &ailment{kind: kind, until: s.w.t + d, n: n}
	if d >= forever {
		a.until = forever
	}
	s.ailments = append(s.ailments, a)
	if s.w.out != nil {
		s.w.say("fault", "%s: %s %d for %s", s.t.Name, kind, n, d)
	}
	if a.until < forever {
		s.w.after(d, func() { s.mend(a) })
	}
	if s.u.alive() {
		s.feel(a, true)
	}
	s.w.changed(s.t.Name)
}

// mend ends an ailment. What it did to the running process stays.
func (s *server) mend(a *ailment) {
	for i, x := range s.ailments {
		if x == a {
			s.ailments = append(s.ailments[:i:i], s.ailments[i+1:]...)
			if s.w.nature.calm {
				s.idle, s.long = 0, 0 // one fault at a time: nothing of it is left for the next
			}
			if s.w.out != nil {
				s.w.say("fault", "%s: %s is mended", s.t.Name, a.kind)
			}
			s.w.changed(s.t.Name)
			return
		}
	}
}

// feel is what an ailment does to the running process.
func (s *server) feel(a *ailment, midway bool) {
	soon := time.Duration(a.n) * time.Second
	switch a.kind {
	case crashLoop:
		s.u.inRun(soon, func() { s.u.die("exited", 1, "exit-code", detect.DepartureCrash) })
	case exitLoop:
		s.u.inRun(soon, func() { s.u.die("exited", 0, "success", detect.DepartureClean) })
	case wedge:
		s.u.inRun(soon, func() { s.hang() })
	case leakIdle, leakLong:
		s.leak(a)
	case memoryLeak, memoryNeed:
		s.memSince = s.w.t
		s.grow()
	case badSettings:
		if !midway && s.pool > a.n {
			s.u.inRun(300*time.Millisecond, func() { s.u.die("exited", 1, "exit-code", detect.DepartureCrash) })
		}
	}
}

func (s *server) began() {
	s.ready, s.tells, s.hung, s.stoppedT, s.answered = s.w.t+s.upTime(), s.has(loads) != nil, false, false, false
	s.pool, s.idle, s.long, s.memSince, s.memShare = s.poolMax, 0, 0, s.w.t, 0
	if s.db != nil && s.diesWithDB && !s.db.serves() {
		s.tries++ // it waits longer each time for its database
		s.u.inRun(min(4*time.Second<<min(s.tries, 10), 5*time.Minute), func() { s.u.die("exited", 1, "exit-code", detect.DepartureCrash) })
	}
	s.lostUntil = 0
	if s.db != nil && s.db.full() {
		s.lostUntil = forever // finds no connection; see databaseBack
	}
	s.w.after(s.ready-s.w.t, func() { s.w.changed(s.t.Name) })
	for _, a := range s.ailments {
		s.feel(a, false)
	}
	s.w.changed(s.t.Name)
}

func (s *server) gone() {
	s.idle, s.long = 0, 0
	if s.db != nil {
		s.w.changed(s.db.t.Name)
	}
	s.w.changed(s.t.Name)
}

func (s *server) upTime() time.Duration {
	for _, kind := range []string{loads, slowStart} {
		if a := s.has(kind); a != nil {
			return time.Duration(a.n) * time.Second
		}
	}
	return s.startup
}

func (s *server) stopTime() time.Duration {
	if s.stoppedT || s.hung && s.stopsSlowly {
		return forever
	}
	return 300 * time.Millisecond
}

// hang makes the running process stop answering.
func (s *server) hang() {
	if s.u.running() && !s.hung {
		s.hung = true
		if s.w.out != nil {
			s.w.say("fault", "%s hangs", s.t.Name)
		}
		s.w.changed(s.t.Name)
	}
}

// leak takes connections out of the pool, a few each minute, as long as the process lives.
func (s *server) leak(a *ailment) {
	s.u.inRun(time.Minute, func() {
		if s.has(a.kind) != a || s.used() >= s.pool {
			if s.has(a.kind) == a {
				s.leak(a) // full for now
			}
			return
		}
		before := s.share()
		if a.kind == leakIdle {
			s.idle += a.n
		} else {
			s.long += a.n
		}
		if after := s.share(); before < 0.95 && after >= 0.95 || before < 0.8 && after >= 0.8 {
			s.w.changed(s.t.Name)
		}
		s.leak(a)
	})
}

// used is how many connections of the pool are in use.
func (s *server) used() int {
	n := s.base + s.idle + s.long
	if a := s.has(load); a != nil {
		n += a.n
	}
	return min(n, s.pool)
}

func (s *server) share() float64 { return float64(s.used()) / float64(max(s.pool, 1)) }

// sessions is how many connections it holds open.
func (s *server) sessions() int {
	if !s.u.alive() || s.lost() {
		return 0
	}
	return min(max(s.used()*10/9+1, 5), s.pool) // a tenth is free, so that its own threshold is not met
}

// lost reports that the process has no connection to its database.
func (s *server) lost() bool {
	return s.db != nil && (!s.db.serves() && !s.db.frozen || s.w.t < s.lostUntil)
}

// memory is the process's memory in MiB.
func (s *server) memory() float64 {
	m := s.memBase
	minutes := (s.w.t - s.memSince).Minutes()
	if a := s.has(memoryLeak); a != nil {
		m += minutes * float64(a.n)
	}
	if a := s.has(memoryNeed); a != nil {
		m = min(m+minutes*40, float64(a.n))
	}
	return m
}

// grow follows the memory until the kernel kills the process.
func (s *server) grow() {
	s.u.inRun(30*time.Second, func() {
		if s.has(memoryLeak) == nil && s.has(memoryNeed) == nil {
			return
		}
		share := s.memory() / s.memMax
		if share >= 1 {
			s.u.die("killed", 9, "oom-kill", detect.DepartureOOM)
			return
		}
		if before := s.memShare; before < 0.8 && share >= 0.8 || before < 0.95 && share >= 0.95 {
			s.w.changed(s.t.Name)
		}
		s.memShare = share
		s.grow()
	})
}

// databaseGone and databaseBack are told to every server that needs it.
func (s *server) databaseGone() {
	if s.diesWithDB && s.u.alive() {
		s.u.inRun(time.Duration(2+s.w.rng.IntN(3))*time.Second, func() {
			if !s.db.serves() {
				s.u.die("exited", 1, "exit-code", detect.DepartureCrash)
			}
		})
	}
	s.idle, s.long = 0, 0
	s.w.changed(s.t.Name)
}

func (s *server) databaseBack() {
	s.tries = 0
	s.lostUntil = s.w.t + time.Duration(200+s.w.rng.IntN(1500))*time.Millisecond
	s.w.after(s.lostUntil-s.w.t, func() { s.w.changed(s.t.Name) })
}

// sick says what is truly wrong with it, "" when nothing is: what a person would call the problem.
// Trouble that is its database's is not its own.
func (s *server) sick() string {
	switch k := s.fails(); {
	case k != "":
		return k
	case s.lost():
		return "lost"
	case s.db != nil && s.db.frozen:
		return "waits"
	}
	return s.suffers()
}

// ill reports that something is wrong with it besides its gateway.
func (s *server) ill() bool {
	return s.lost() || s.db != nil && s.db.frozen || s.has(replies) != nil || s.suffers() != ""
}

// fails is what keeps it from answering at all.
func (s *server) fails() string {
	switch {
	case s.loading():
		return "loading"
	case s.u.active == "deactivating", s.u.active == "activating" && s.u.sub != "auto-restart":
		return "moving"
	case !s.u.running():
		return "down"
	case s.w.t < s.ready:
		return "starting"
	case s.hung:
		return "hung"
	case s.gateway != nil && s.gateway.fault:
		return "gateway"
	case s.has(replies) != nil:
		return "replies"
	}
	return ""
}

// suffers is what else may be wrong with it, whether its database answers or not.
func (s *server) suffers() string {
	switch {
	case s.has(unwell) != nil:
		return "unwell"
	case s.share() >= 0.95:
		return "full"
	case s.memory()/s.memMax >= 0.95:
		return "memory"
	case s.has(slowAnswers) != nil:
		return "slow"
	}
	return ""
}
