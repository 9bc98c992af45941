// Package conduct leads a drill from its announcement to its report.
//
// It announces the drill, lets the fault be brought about, watches by the daemon's own records what
// comes of it, and takes back what is left: when the target is well, when the time is over, when it
// is told to stop, and when anything fails. It judges nothing (see package drill) and touches
// nothing itself: the daemon and the hands are its caller's.
//
// Start reading at [Conductor.Run].
package conduct

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/recoveryd/recoveryd/internal/drill"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Target is how the daemon sees a target now.
type Target struct {
	Unit    string
	Phase   incident.Phase
	Verdict detect.Verdict
	Facts   detect.Facts
}

// Daemon is the running recoveryd.
type Daemon interface {
	Target(ctx context.Context, name string) (Target, error)
	// Announce tells of a drill before its fault. The error is why it is refused.
	Announce(ctx context.Context, o drill.Order) error
	// Over tells that everything was put back.
	Over(ctx context.Context, o drill.Order, why string) error
	// Incidents lists the latest incidents.
	Incidents(ctx context.Context) ([]incident.Incident, error)
	Records(ctx context.Context, incident string) ([]incident.Record, error)
	Notices(ctx context.Context, incident string) ([]queue.Queued, error)
}

// Hands bring the fault about and take it back.
type Hands interface {
	// Prepare refuses what cannot be done safely; nothing was done by then.
	Prepare(ctx context.Context, o drill.Order, t Target) error
	// Guard makes sure that the fault is taken back whatever becomes of us.
	Guard(ctx context.Context, until time.Time) error
	Inject(ctx context.Context) (done string, err error)
	// Undo takes back what is left; it may be called twice.
	Undo(ctx context.Context) (did string, err error)
	Unguard(ctx context.Context) error
}

// Conductor leads drills, one at a time.
type Conductor struct {
	Daemon Daemon
	Hands  Hands
	Host   string
	// Tell says how far it is, for a person who waits; nil = nobody does.
	Tell func(format string, args ...any)
}

const (
	look = 500 * time.Millisecond // between two questions to the daemon; the times come from its records
	// cleanUp bounds each step of putting things back, whatever has ended meanwhile.
	cleanUp = 30 * time.Second
	// closing is how much longer than its probation an incident may take to close.
	closing = 30 * time.Second
	// delivery is how long the channels may take to accept the last notice.
	delivery = 30 * time.Second
	// calm is how long a target must serve from a new process, without an incident, to be taken as
	// well again by itself.
	calm = 20 * time.Second
)

// Run leads one drill and returns its report. It ends early when ctx ends, and puts everything back
// then too.
func (c *Conductor) Run(ctx context.Context, o drill.Order) drill.Report {
	s := drill.Source{Order: o, Host: c.Host, Announced: time.Now()}
	refused := func(err error) drill.Report {
		s.Refused = err.Error()
		return drill.Judge(s)
	}
	t, err := c.Daemon.Target(ctx, o.Target)
	if err != nil {
		return refused(err)
	}
	s.Unit = t.Unit
	if err := c.Hands.Prepare(ctx, o, t); err != nil {
		return refused(err)
	}
	if err := c.Daemon.Announce(ctx, o); err != nil {
		return refused(err)
	}
	if err := c.Hands.Guard(ctx, time.Now().Add(o.Timeout)); err != nil {
		c.over(ctx, &s, "it was not begun")
		return refused(err)
	}
	c.tell("drill %s: %s of %s, at most %s", o.ID, o.Fault, o.Target, o.Timeout)
	s.Injected = time.Now()
	if s.Injection, err = c.Hands.Inject(ctx); err != nil {
		s.Trouble = append(s.Trouble, err.Error())
		s.Aborted = "the fault could not be brought about"
		if ctx.Err() != nil {
			s.Aborted = "it was interrupted"
		}
	} else {
		if o.Fault == incident.FaultPool || o.Fault == incident.FaultMemory {
			s.Injected = time.Now() // it took a while until it was complete
		}
		c.tell("%s", s.Injection)
		c.watch(ctx, &s, t.Facts.Text(detect.WorkloadRun))
	}
	back := c.putBack(ctx, &s)
	if s.Aborted == "" && len(s.Incidents) > 0 {
		c.awaitEnd(ctx, &s)
	}
	r := drill.Judge(s)
	c.over(ctx, &s, string(r.Verdict)+": "+r.Why)
	if !back {
		return drill.Judge(s) // the guard stays, and takes it back when this process ends
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	if err := c.Hands.Unguard(bound); err != nil {
		s.Trouble = append(s.Trouble, "the guard did not end: "+err.Error())
	}
	return drill.Judge(s)
}

func (c *Conductor) tell(format string, args ...any) {
	if c.Tell != nil {
		c.Tell(format, args...)
	}
}

// watch waits until the target is proven clear, its time is over, or ctx ends.
func (c *Conductor) watch(ctx context.Context, s *drill.Source, run string) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	end := time.NewTimer(s.Timeout)
	defer end.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			s.Aborted = "it was interrupted"
			return
		case <-end.C:
			c.see(ctx, s)
			c.tell("its time is over")
			return
		case <-tick.C:
		}
		if !c.see(ctx, s) {
			continue
		}
		if n := len(s.Records); n > 0 {
			if now := s.Records[n-1].Sentence; now != said {
				said = now
				c.tell("%s", now)
			}
		}
		if drill.Cleared(s.Records, s.Target) {
			return
		}
		if len(s.Incidents) == 0 && time.Since(s.Injected) > calm {
			t, err := c.Daemon.Target(ctx, s.Target)
			is := t.Facts.Text(detect.WorkloadRun)
			if err == nil && t.Phase == incident.Watching && t.Verdict == detect.Healthy && is != "" && is != run {
				s.WellAgain = true
				return
			}
		}
	}
}

// see brings what is known of the drill's incidents up to date; false when the daemon does not
// answer now.
func (c *Conductor) see(ctx context.Context, s *drill.Source) bool {
	list, err := c.Daemon.Incidents(ctx)
	if err != nil {
		return false
	}
	var mine []incident.Incident
	for _, i := range list {
		if i.Drill != nil && i.Drill.ID == s.ID {
			mine = append(mine, i)
		}
	}
	s.Incidents = mine
	for _, i := range mine {
		if i.Target != s.Target {
			continue
		}
		recs, err := c.Daemon.Records(ctx, i.ID)
		if err != nil {
			return false
		}
		s.Records = recs
		break
	}
	return true
}

// putBack takes back what is left of the fault, and tries again when that fails.
func (c *Conductor) putBack(ctx context.Context, s *drill.Source) bool {
	var errs []error
	for range 3 {
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
		did, err := c.Hands.Undo(bound)
		cancel()
		if err == nil {
			if did != "" {
				s.Restoration, s.Restored = did, time.Now()
				c.tell("put back: %s", did)
			}
			return true
		}
		errs = append(errs, err)
	}
	s.Trouble = append(s.Trouble, "it could not be put back: "+errors.Join(errs...).Error())
	return false
}

// awaitEnd waits until the incidents are closed and told.
func (c *Conductor) awaitEnd(ctx context.Context, s *drill.Source) {
	if !c.until(ctx, closing, func() (bool, time.Time) {
		if !c.see(ctx, s) {
			return false, time.Time{}
		}
		open := false
		for _, i := range s.Incidents {
			open = open || i.Open()
		}
		var end time.Time
		for _, r := range s.Records {
			if r.After != nil && r.After.ProbationEnd.After(end) {
				end = r.After.ProbationEnd
			}
		}
		return !open, end
	}) && ctx.Err() != nil {
		s.Aborted = "it was interrupted after the target was well again"
		return
	}
	c.until(ctx, delivery, func() (bool, time.Time) { return c.heard(ctx, s), time.Time{} })
}

// heard reads the notices; true when every one of them is settled.
func (c *Conductor) heard(ctx context.Context, s *drill.Source) bool {
	for _, i := range s.Incidents {
		if i.Target != s.Target {
			continue
		}
		list, err := c.Daemon.Notices(ctx, i.ID)
		if err != nil {
			return false
		}
		s.Notices = list
		for _, q := range list {
			if q.State == queue.Waiting {
				return false
			}
		}
	}
	return true
}

// until asks again and again until done, for a while after the time that done names (or after now),
// or until ctx ends.
func (c *Conductor) until(ctx context.Context, margin time.Duration, done func() (bool, time.Time)) bool {
	tick := time.NewTicker(look)
	defer tick.Stop()
	began := time.Now()
	for {
		ok, from := done()
		if ok {
			return true
		}
		if from.Before(began) {
			from = began
		}
		if time.Since(from) > margin {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// over tells the daemon that the drill is over. Without that it is over when its time is.
func (c *Conductor) over(ctx context.Context, s *drill.Source, why string) {
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	if err := c.Daemon.Over(bound, s.Order, why); err != nil {
		s.Trouble = append(s.Trouble, fmt.Sprintf("the daemon was not told that the drill is over: %v", err))
	}
}
