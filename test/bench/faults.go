package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

// block is how many rounds one subject gets before it is the other's turn: what else runs on the
// machine should fall on both.
const block = 5

// crash measures kill -9 of a service without Restart=, with the bare listener and with recoveryd.
func (r *rig) crash(ctx context.Context, rep *report) error {
	total, over := map[string][]time.Duration{}, map[string][]time.Duration{}
	var stages stages
	for done := 0; done < r.o.rounds; done += block {
		for _, unit := range []string{floorUnit, daemonUnit} {
			if err := r.ctl(ctx, "start", unit); err != nil {
				return err
			}
			for range min(block, r.o.rounds-done) {
				s, err := r.round(ctx, unit, syscall.SIGKILL)
				if err != nil {
					return err
				}
				own, err := r.ownStart(ctx, s)
				if err != nil {
					return err
				}
				total[unit] = append(total[unit], s.took())
				over[unit] = append(over[unit], s.took()-own)
				if unit == daemonUnit {
					if err := stages.add(ctx, r, s, own); err != nil {
						return err
					}
				}
			}
			if err := r.ctl(ctx, "stop", unit); err != nil {
				return err
			}
		}
	}
	rep.times("crash to healthy", "bare listener", total[floorUnit])
	rep.times("crash to healthy", "recoveryd", total[daemonUnit])
	rep.ratio("crash to healthy, p50 against the listener", median(total[daemonUnit]), median(total[floorUnit]), 1.5)
	rep.times("the same without the service's own start", "bare listener", over[floorUnit])
	rep.times("the same without the service's own start", "recoveryd", over[daemonUnit]).atMost("p95", 100*time.Millisecond)
	rep.times("of it: until systemd knows that the process is gone", "systemd", stages.known)
	rep.times("of it: signal, look, diagnosis, decision", "recoveryd", stages.decided)
	rep.times("of it: journal, start over D-Bus, fork", "recoveryd, systemd", stages.forked)
	return nil
}

// stages are the parts of a recovery that are not the service's own start.
type stages struct {
	known   []time.Duration // from the fault until systemd has noted the end of the process
	decided []time.Duration // from there to recoveryd's decision
	forked  []time.Duration // from there to the new process
}

// add takes one recovery apart, by systemd's timestamps and by recoveryd's own record of it.
func (st *stages) add(ctx context.Context, r *rig, s sample, own time.Duration) error {
	known, err := r.monotonicOf(ctx, victim, "ActiveExitTimestampMonotonic")
	if err != nil {
		return err
	}
	var list []incident.Incident
	if err := r.api(ctx, "/api/v1/incidents?limit=1", &list); err != nil {
		return err
	}
	if len(list) == 0 || len(list[0].Attempts) != 1 {
		return fmt.Errorf("one incident with one action was expected: %+v", list)
	}
	// The decision is recorded in wall clock time.
	decided := list[0].Opened.UnixNano() - (time.Now().UnixNano() - monotonic())
	st.known = append(st.known, time.Duration(known-s.Fault))
	st.decided = append(st.decided, time.Duration(decided-known))
	st.forked = append(st.forked, time.Duration(s.Healthy-int64(own)-decided))
	return nil
}

// round injects one fault at a random moment.
func (r *rig) round(ctx context.Context, unit string, sig syscall.Signal) (sample, error) {
	if unit == daemonUnit {
		if err := r.calm(ctx); err != nil {
			return sample{}, err
		}
	}
	if err := anyMoment(ctx); err != nil {
		return sample{}, err
	}
	pid, err := r.hostPID(ctx, victim)
	if err != nil {
		return sample{}, err
	}
	return r.inject(ctx, "-pid", fmt.Sprint(pid), "-signal", fmt.Sprint(int(sig)))
}

// hang measures a stopped process. The bound is that of the polls: one interval, as many timeouts
// as looks, and 100 ms.
func (r *rig) hang(ctx context.Context, rep *report) error {
	var took []time.Duration
	if err := r.ctl(ctx, "start", daemonUnit); err != nil {
		return err
	}
	for range max(r.o.rounds*3/5, 1) {
		s, err := r.round(ctx, daemonUnit, syscall.SIGSTOP)
		if err != nil {
			return err
		}
		took = append(took, s.took())
	}
	if err := r.calm(ctx); err != nil {
		return err
	}
	rep.times("hang (SIGSTOP) to healthy: poll 1 s, timeout 500 ms, 2 looks", "recoveryd", took).
		atMost("p95", interval+looks*timeout+100*time.Millisecond)
	return r.ctl(ctx, "stop", daemonUnit)
}

// wedge measures a process that answers nothing and ignores SIGTERM: a hang, and the stop grace.
func (r *rig) wedge(ctx context.Context, rep *report) error {
	var took []time.Duration
	if err := r.ctl(ctx, "start", daemonUnit); err != nil {
		return err
	}
	for range max(r.o.rounds*2/5, 1) {
		if err := r.calm(ctx); err != nil {
			return err
		}
		if err := anyMoment(ctx); err != nil {
			return err
		}
		s, err := r.inject(ctx, "-wedge", r.Path("/run/victim-8100.sock"))
		if err != nil {
			return err
		}
		took = append(took, s.took())
	}
	if err := r.calm(ctx); err != nil {
		return err
	}
	rep.times("wedge to healthy: the same, and a stop grace of 1 s", "recoveryd", took).
		atMost("p95", interval+looks*timeout+stopGrace+100*time.Millisecond)
	return r.ctl(ctx, "stop", daemonUnit)
}
