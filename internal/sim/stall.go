package sim

import (
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// stall is a time in which the whole host waits for memory: everything is late, and nothing is wrong
// with anything on it. What was measured on a machine whose memory was taken away looked so: two
// kinds of evidence agreed that PostgreSQL was frozen, since everything else was late as well.
type stall struct{ from, until time.Duration }

// planStalls spreads stalls over some worlds. They have a source of chance of their own, so that the
// rest of a world is what it is without them.
func (w *world) planStalls(days float64, last time.Duration) {
	r := rand.New(rand.NewPCG(w.o.Seed, 0x57a11))
	if w.nature.calm || r.Float64() >= 0.2 {
		return
	}
	for n := 1 + int(3*r.Float64()*days); n > 0; n-- {
		at := time.Duration(r.Int64N(int64(last)))
		long := 10*time.Second + time.Duration(r.Int64N(int64(20*time.Minute)))
		w.after(at, func() {
			if w.t < w.stall.until {
				return
			}
			w.stall = stall{w.t, min(w.t+long, last)}
			if w.out != nil {
				w.say("fault", "the host stalls for %s", w.stall.until-w.t)
			}
		})
	}
}

// stalled reports whether everything on the host is late.
func (w *world) stalled() bool { return w.t < w.stall.until }

// stalledSince reports whether it was within that time.
func (w *world) stalledSince(within time.Duration) bool {
	return w.stall.until > 0 && w.t-w.stall.until <= within
}

// pressure is what the kernel says of the last ten seconds at that time (PSI, full avg10): it
// rises and falls by an exponential mean.
func (s stall) pressure(at time.Duration) float64 {
	const most, mean = 80, 10 * time.Second
	rising := func(d time.Duration) float64 { return most * (1 - math.Exp(-d.Seconds()/mean.Seconds())) }
	switch {
	case s.until == 0 || at < s.from:
		return 0
	case at <= s.until:
		return rising(at - s.from)
	}
	return rising(s.until-s.from) * math.Exp(-(at-s.until).Seconds()/mean.Seconds())
}

// late turns the look at a target on a stalling host into what it finds there: answers do not come
// in time, and now and then not even systemd's.
func (w *world) late(f detect.Facts, took time.Duration) time.Duration {
	if w.stalled() {
		if w.chance(0.2) {
			forget(f, "unit.", "workload.")
			f[detect.WorkloadState] = detect.NotMeasured(blind)
			f[detect.WorkloadError] = detect.Word(blind)
		}
		if f.Text(detect.HTTPOutcome) == detect.OutcomeReply {
			forget(f, "http.", "health.", "pool.")
			f[detect.HTTPOutcome], f[detect.HTTPLatency] = detect.Word(detect.OutcomeNoReply), detect.Num(httpTimeout.Seconds())
			f[detect.SocketBacklog] = detect.Num(2)
			took = max(took, httpTimeout)
		}
		if f.Text(detect.SQLOutcome) == detect.SQLOK {
			forget(f, "sql.")
			f[detect.SQLOutcome], f[detect.SQLLatency] = detect.Word(detect.SQLFrozen), detect.Num(sqlTimeout.Seconds())
			took = max(took, sqlTimeout)
		}
	}
	if p := w.stall.pressure(w.t + took); p > 0 {
		f[detect.HostMemoryStall] = detect.Num(p)
	}
	return took
}

// forget leaves the facts out whose names begin so.
func forget(f detect.Facts, prefixes ...string) {
	for name := range f {
		for _, p := range prefixes {
			if strings.HasPrefix(name, p) {
				delete(f, name)
			}
		}
	}
}
