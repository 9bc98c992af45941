package sim

import (
	"math/rand/v2"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// gateway stands in front of a server: its health url is asked through it. It answers in the server's place
// while the server does not, and while it is itself at fault, with the server well behind it.
type gateway struct {
	fault    bool
	status   float64 // of what it says while it is at fault
	realWork bool    // calls of real work are made through it as well
}

// planWays puts gateways in front of servers in some worlds, and breaks them. As with stalls, the source of
// chance is their own, so that every other world is what it is without them.
func (w *world) planWays(days float64, last time.Duration) {
	r := rand.New(rand.NewPCG(w.o.Seed, 0x6a7e))
	if w.nature.calm || r.Float64() >= 0.25 {
		return
	}
	for _, s := range w.servers {
		if r.Float64() < 0.7 {
			s.gateway = &gateway{realWork: r.Float64() < 0.5}
		}
	}
	for n := 1 + int(5*r.Float64()*days); n > 0; n-- {
		s, status := w.servers[r.IntN(len(w.servers))], []float64{502, 503, 504, 522}[r.IntN(4)]
		at, long := time.Duration(r.Int64N(int64(last))), 10*time.Second+time.Duration(r.Int64N(int64(90*time.Minute)))
		w.after(at, func() { s.gatewayFails(status, long) })
	}
}

// gatewayFails makes the gateway answer in the server's place for a while.
func (s *server) gatewayFails(status float64, long time.Duration) {
	g, w := s.gateway, s.w
	if g == nil || g.fault || w.mended() {
		return
	}
	g.fault, g.status = true, status
	if w.out != nil {
		w.say("fault", "the gateway in front of %s answers HTTP %.0f in its place for %s", s.t.Name, status, long)
	}
	w.changed(s.t.Name)
	w.after(long, s.gatewayMended)
}

func (s *server) gatewayMended() {
	if s.gateway != nil && s.gateway.fault {
		s.gateway.fault = false
		if s.w.out != nil {
			s.w.say("fault", "the gateway in front of %s works again", s.t.Name)
		}
		s.w.changed(s.t.Name)
	}
}

// says is the status with which it answers in the server's place, which has that to say; 0 = it passes on
// what the server answers.
func (g *gateway) says(out string) float64 {
	switch {
	case g == nil:
		return 0
	case g.fault:
		return g.status
	case out == detect.OutcomeRefused:
		return 502
	case out == detect.OutcomeNoReply:
		return 504
	}
	return 0
}

// planLoads makes some worlds slow to start: what begins there in that time loads for long, and says so. As
// with stalls, the source of chance is their own.
func (w *world) planLoads(days float64, last time.Duration) {
	r := rand.New(rand.NewPCG(w.o.Seed, 0x10ad))
	if w.nature.calm || r.Float64() >= 0.3 {
		return
	}
	for n := 1 + int(5*r.Float64()*days); n > 0; n-- {
		at, long := time.Duration(r.Int64N(int64(last))), time.Minute+time.Duration(r.Int64N(int64(2*time.Hour)))
		takes := 5*time.Second + time.Duration(r.Int64N(int64([]time.Duration{time.Minute, 15 * time.Minute, time.Hour}[r.IntN(3)])))
		which, dies := r.IntN(len(w.servers)+2), r.Float64() < 0.6
		w.after(at, func() { w.loadSlowly(which, takes, long, dies) })
	}
}

// loadSlowly makes one of the things take so long to start for a while, and say so meanwhile. Where it dies as
// well, that is what happens at once.
func (w *world) loadSlowly(which int, takes, long time.Duration, dies bool) {
	if w.mended() {
		return
	}
	var u *unit
	name := "postgres"
	switch {
	case which < len(w.servers):
		s := w.servers[which]
		u, name = s.u, s.t.Name
		s.ail(loads, long, int(takes.Seconds()))
	case which == len(w.servers) && w.redis != nil:
		u, name = w.redis.u, "redis"
		w.redis.loads = takes
		w.after(long, func() { w.redis.loads = 0 })
	default:
		u = w.db.u
		w.db.recovers = takes
		w.after(long, func() { w.db.recovers = 0 })
	}
	if w.out != nil {
		w.say("fault", "%s takes %s to start, and says so, for %s", name, takes, long)
	}
	if dies {
		u.die("killed", 9, "signal", detect.DepartureCrash)
	}
}

// loading reports that a target is up as far as to say that it is still starting.
func (x thing) loading() bool {
	switch {
	case x.server != nil:
		return x.server.loading()
	case x.redis != nil:
		return x.redis.loading()
	}
	return x.db.sick() == "starting"
}

func (s *server) loading() bool {
	return s.tells && s.w.t < s.ready && s.u.alive() && s.u.active != "deactivating"
}

func (r *redis) loading() bool { return r.w.t < r.ready && r.u.alive() && r.u.active != "deactivating" }
