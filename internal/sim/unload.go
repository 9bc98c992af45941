package sim

import (
	"math/rand/v2"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// forgetting is the chance of worlds in which systemd unloads what was stopped and what nothing refers to,
// and with it every trace of who stopped it. As long as recoveryd lives and hears systemd's signals it has
// seen the stop; afterwards only what it wrote down says that a person wants the unit to be down.
type forgetting struct{ *rand.Rand }

// planUnloads chooses these worlds. As with stalls, the source of chance is their own, so that every other
// world is what it is without them.
func (w *world) planUnloads() {
	r := rand.New(rand.NewPCG(w.o.Seed, 0x9c))
	if !w.nature.calm && r.Float64() < 0.2 {
		w.forgets = &forgetting{r}
	}
}

func (f *forgetting) between(a, b time.Duration) time.Duration {
	return a + time.Duration(f.Int64N(int64(b-a)))
}

// mayUnload is told that a person has stopped a unit. The last reference to it goes away later; in some
// cases whoever is at work there restarts recoveryd too.
func (w *world) mayUnload(u *unit) {
	f := w.forgets
	if f == nil || f.Float64() < 0.2 {
		return
	}
	i, stopped := w.ledger.intent(u.target), w.t
	w.after(f.between(20*time.Second, 5*time.Minute), func() {
		if u.active != "inactive" || !i.stopped || i.since != stopped {
			return // it has been started meanwhile, or stopped again
		}
		// A stop that recoveryd could not see, or not write down, is not what is tried here.
		since := w.t - stopped + time.Minute
		if !w.d.up || w.d.watchers[w.index[u.target]].seen < stopped+15*time.Second || w.distortedSince(since, u.target) || w.journalBroken {
			return
		}
		w.say("systemd", "unloads %s and forgets its runs", u.name)
		u.unloaded = &stopped
		w.changed(u.target)
		if f.Float64() < 0.5 {
			w.after(f.between(time.Second, time.Minute), func() { w.d.die(f.between(200*time.Millisecond, 10*time.Second)) })
		}
	})
}

// forgotten reports whether nobody can tell any more how the last run of the unit ended: systemd has unloaded
// it, and this life of recoveryd has not seen the signals of the stop.
func (u *unit) forgotten() bool {
	return u.unloaded != nil && (!u.w.signals || u.w.d.began > *u.unloaded)
}

// lastRun are the facts of the last run that systemd no longer has.
func lastRun() []string {
	return []string{detect.WorkloadRun, detect.WorkloadSince, detect.WorkloadDeparture, detect.WorkloadExitKind, detect.WorkloadExitCode}
}
