package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Options says which world is to be lived through.
type Options struct {
	Seed uint64
	// Days is how long things go wrong, in simulated days; afterwards everything is mended and the
	// world is watched for some hours more.
	Days float64
	// Transcript gets one line per thing that happens; nil = none is written.
	Transcript io.Writer

	breaks mutant // a deliberately broken rule, for the tests of the invariants; zero = none
}

// Report is what came of a world.
type Report struct {
	Seed                                      uint64
	Steps, Looks, Actions, Pages, Kills, Days int
	Incidents, Cures, Runs                    int
	Held                                      map[incident.Reason]int // decisions to hold, by reason
	Acted                                     map[strategy.Verb]int
	Violation                                 *Violation // the first broken promise; nil = none
	Hash                                      uint64     // of everything that was decided
}

// Violation is a broken promise.
type Violation struct {
	Invariant string
	At        time.Duration // since the world began
	Detail    string
}

// String is one line for a failed test.
func (v Violation) String() string { return fmt.Sprintf("%s at %s: %s", v.Invariant, v.At, v.Detail) }

// thing is one target of the model, of whichever kind.
type thing struct {
	u      *unit
	server *server
	db     *database
	redis  *redis
}

func (x thing) sick() string {
	switch {
	case x.server != nil:
		return x.server.sick()
	case x.db != nil:
		return x.db.sick()
	}
	return x.redis.sick()
}

// ails reports a trouble of its own, also while a worse one of its database hides it: what waits for
// a frozen database may be out of memory at the same time.
func (x thing) ails() bool {
	if x.server == nil {
		return x.sick() != ""
	}
	return x.server.fails() != "" || x.server.suffers() != ""
}

// world is one simulated host with everything on and around it.
type world struct {
	queue
	o    Options
	rng  *rand.Rand
	t    time.Duration // true time since the beginning
	skew time.Duration // how far the host's clock is off
	out  io.Writer
	end  time.Duration

	nature  nature
	options incident.Options
	targets []detect.Target
	index   map[string]int
	things  map[string]thing
	servers []*server
	db      *database
	redis   *redis
	d       *daemon

	signals     bool // changes of units are told at once
	synthetic   bool // a call of real work is configured
	distortions []distortion
	stall       stall       // the last one
	forgets     *forgetting // nil = systemd keeps what it knows of every unit
	flaps       *flapping   // nil = nothing flaps
	upgrading   string      // target whose packages are being upgraded
	permission  bool        // the host lets recoveryd act
	stopFile    string      // what the stop file says; "" = there is none

	journalBroken bool
	lastChange    time.Duration
	runs          int
	runNames      []string
	ledger        ledger
	report        Report
}

// epoch is the wall clock at the beginning of every world.
var epoch = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func (w *world) now() time.Time       { return epoch.Add(w.t + w.skew) }
func (w *world) wallSeconds() float64 { return float64(w.now().UnixMicro()) / 1e6 }

func (w *world) after(d time.Duration, do func()) {
	if d < forever {
		w.push(w.t+d, do)
	}
}

// chance is true with a probability.
func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

// between is a duration between two others, evenly.
func (w *world) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.rng.Int64N(int64(b-a)+1))
}

// Run lives through one world.
func Run(o Options) Report {
	w := newWorld(o)
	w.plan()
	w.d.boot()
	for w.report.Violation == nil {
		h, ok := w.pop()
		if !ok || h.at > w.end {
			break
		}
		w.t = h.at
		h.do()
	}
	if w.report.Violation == nil {
		w.t = w.end
		w.atTheEnd()
	}
	if v := w.report.Violation; v != nil && w.out != nil {
		w.say("INVARIANT", "%s: %s", v.Invariant, v.Detail)
	}
	return w.report
}

// say writes one line of the transcript.
func (w *world) say(who, format string, args ...any) {
	if w.out == nil {
		return
	}
	fmt.Fprintf(w.out, "%-14s %-9s %s\n", clock(w.t), who, fmt.Sprintf(format, args...))
}

// clock prints a time of the world as days, hours, minutes, seconds and milliseconds.
func clock(t time.Duration) string {
	ms := t.Milliseconds()
	return fmt.Sprintf("%dd%02d:%02d:%02d.%03d", ms/86400000, ms/3600000%24, ms/60000%60, ms/1000%60, ms%1000)
}

// fail notes the first broken promise. The world ends there.
func (w *world) fail(invariant, format string, args ...any) {
	if w.report.Violation == nil {
		w.report.Violation = &Violation{Invariant: invariant, At: w.t, Detail: fmt.Sprintf(format, args...)}
	}
}

// unitChanged is told of every change of a unit's state; with signals the daemon looks at once.
func (w *world) unitChanged(u *unit) {
	w.changed(u.target)
	if !w.signals {
		return
	}
	i, ok := w.index[u.target]
	if !ok {
		return
	}
	w.after(time.Duration(500+w.rng.IntN(2000))*time.Microsecond, func() { w.d.interrupt(i) })
}

// changed is told when anything about a target is not as it was.
func (w *world) changed(string) {
	w.watchTruth()
	w.stir()
}

// stir notes that something changed, in the world or in the core. In a world that stood still, the
// next polls come within the interval, as they would have.
func (w *world) stir() {
	stood := w.t-w.lastChange > lively
	w.lastChange = w.t
	if stood && w.d != nil && w.d.up {
		for i := range w.targets {
			w.d.lookAt(i, w.t+w.between(0, pollInterval))
		}
	}
}

const (
	pollInterval = 5 * time.Second
	// lively is how long after a change every poll is simulated. Later, as long as nothing changes
	// in the world or in the core, polls that would see the same again are left out: they come in
	// rounds further and further apart, all targets together, so that what is known stays fresh.
	lively = 12 * time.Second
)

// nextPoll is when a target is looked at again when nothing asks for it sooner.
func (w *world) nextPoll(i int, began time.Duration) time.Duration {
	still := w.t - w.lastChange
	round := 15 * time.Minute
	switch {
	case still <= lively:
		return began + pollInterval - time.Duration(w.rng.Int64N(int64(pollInterval/10)))
	case still < 2*time.Minute:
		round = 45 * time.Second
	case still < 10*time.Minute, w.d.keeps():
		// A change is taken back after a quiet time of 10 minutes or more in which it was looked at, and
		// looks that are further apart than half of it begin that time anew.
		round = 4 * time.Minute
	}
	// What others need is looked at first.
	return (w.t/round+1)*round + time.Duration(len(w.targets)-i)*40*time.Millisecond
}
