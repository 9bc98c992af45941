package sim

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// database is a model of a PostgreSQL cluster: slots, a start that takes time, and the ways in
// which it fails.
type database struct {
	w *world
	u *unit
	t detect.Target

	slots    int
	startup  time.Duration
	recovers time.Duration // how much longer it takes while it recovers from its write-ahead log
	diskFull bool          // it does not come up while its disk is full

	// sessions of others
	idle, long, active int

	// of the running process
	ready    time.Duration
	frozen   bool
	stoppedT bool // frozen by a signal, which the process table shows

	users []*server
}

func (d *database) began() {
	d.ready, d.frozen, d.stoppedT = d.w.t+d.upTime(), false, false
	d.idle, d.long, d.active = 0, 0, 0
	if d.diskFull {
		d.u.inRun(2*time.Second, func() { d.u.die("exited", 1, "exit-code", detect.DepartureCrash) })
		return
	}
	d.u.inRun(d.upTime(), d.back)
}

// back is when it answers again.
func (d *database) back() {
	if !d.serves() {
		return
	}
	if d.w.out != nil {
		d.w.say("fault", "%s answers", d.t.Name)
	}
	for _, s := range d.users {
		s.databaseBack()
	}
	d.w.changed(d.t.Name)
}

func (d *database) gone() {
	d.frozen, d.stoppedT = false, false
	for _, s := range d.users {
		s.databaseGone()
	}
	d.w.changed(d.t.Name)
}

func (d *database) upTime() time.Duration { return d.startup + d.recovers }

func (d *database) stopTime() time.Duration {
	if d.frozen {
		return forever
	}
	return time.Second
}

// freeze makes it accept connections and never answer.
func (d *database) freeze(bySignal bool) {
	if d.serves() && !d.frozen {
		d.frozen, d.stoppedT = true, bySignal
		if d.w.out != nil {
			d.w.say("fault", "%s is frozen (by a signal: %v)", d.t.Name, bySignal)
		}
		for _, s := range d.users {
			s.w.changed(s.t.Name)
		}
		d.w.changed(d.t.Name)
	}
}

// serves reports that it has come up. A frozen one counts: it accepts.
func (d *database) serves() bool { return d.u.running() && d.w.t >= d.ready && !d.diskFull }

func (d *database) sessions() int {
	n := d.idle + d.long + d.active
	for _, s := range d.users {
		n += s.sessions()
	}
	return n
}

func (d *database) full() bool { return d.serves() && d.sessions() >= d.slots }

// crowd fills the slots with sessions of others until most of them leave.
func (d *database) crowd(kind string, until time.Duration) {
	free := max(d.slots-d.sessions(), 0)
	var of *int
	switch kind {
	case "idle":
		of = &d.idle
	case "long":
		of = &d.long
	default:
		of = &d.active
	}
	*of += free
	if d.w.out != nil {
		d.w.say("fault", "%s: %d %s sessions of others take the last slots", d.t.Name, free, kind)
	}
	d.w.changed(d.t.Name)
	d.w.after(until, func() {
		*of = 0
		d.relieved()
	})
}

// relieved lets servers in that found no slot.
func (d *database) relieved() {
	if d.w.out != nil {
		d.w.say("fault", "%s has free slots", d.t.Name)
	}
	for _, s := range d.users {
		if s.lostUntil == forever {
			s.databaseBack()
		}
	}
	d.w.changed(d.t.Name)
}

// sick says what is truly wrong with it; "" when nothing is.
func (d *database) sick() string {
	switch {
	case d.u.active == "deactivating":
		return "moving"
	case !d.u.alive():
		return "down"
	case d.w.t < d.ready, !d.u.running():
		return "starting"
	case d.frozen:
		return "frozen"
	case d.full():
		return "saturated"
	}
	return ""
}

// redis is a model of a plain dependency: it answers or it does not.
type redis struct {
	w     *world
	u     *unit
	t     detect.Target
	stuck bool
	loads time.Duration // how much longer its next process takes to load its data
	ready time.Duration // of the running process
}

func (r *redis) began() {
	r.stuck, r.ready = false, r.w.t+r.loads
	r.w.changed(r.t.Name)
	r.u.inRun(r.upTime(), func() { r.w.changed(r.t.Name) })
}
func (r *redis) gone() { r.w.changed(r.t.Name) }

func (r *redis) upTime() time.Duration   { return 100*time.Millisecond + r.loads }
func (r *redis) stopTime() time.Duration { return 100 * time.Millisecond }

func (r *redis) sick() string {
	switch {
	case r.loading():
		return "loading"
	case r.u.active == "deactivating", r.u.active == "activating" && r.u.sub != "auto-restart":
		return "moving"
	case !r.u.running():
		return "down"
	case r.stuck:
		return "stuck"
	}
	return ""
}
