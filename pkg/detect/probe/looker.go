package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

const (
	// DefaultDeadline of one whole look: the platform, then the slowest witness (a request of
	// DefaultTimeout and the ping after it), and a little room.
	DefaultDeadline = 5 * time.Second
	// DefaultInspect bounds the question to the platform. A healthy D-Bus answers in milliseconds;
	// one that does not must not keep the witnesses from looking.
	DefaultInspect = 500 * time.Millisecond
	// lateness is how long after the deadline we still wait for witnesses that were told to stop.
	lateness = 250 * time.Millisecond
)

// Inspect asks the platform about the target's unit, like platform.Adapter's method for one unit.
// The facts count even with an error; the error says what is missing.
type Inspect func(ctx context.Context) (detect.Facts, error)

// Glance returns what Inspect returned a moment ago when nothing is known to have changed since, like
// platform.Glancer's method for one unit; false = it must be asked.
type Glance func() (detect.Facts, bool)

// LookerConfig says how one target is looked at.
type LookerConfig struct {
	Target  string  // its name, copied into each observation; required
	Inspect Inspect // nil when the target has no platform
	// Glance spares a poll the question to the platform, when Fine says of the facts of that same look
	// that they leave no question; otherwise Inspect is asked after the witnesses. Both or none are set.
	Glance    Glance
	Fine      func(detect.Facts) bool
	Witnesses []Witness // the order does not matter; facts of the same name should not be measured twice
	// Deadline of one look; DefaultDeadline when 0. It should exceed the timeouts of the
	// witnesses: what a deadline cuts short was not measured.
	Deadline time.Duration
	// InspectTimeout bounds Inspect; DefaultInspect when 0.
	InspectTimeout time.Duration
	// Trend adds what a row of looks shows; nil = nothing. It belongs to this Looker alone.
	Trend *Trend
}

// Looker takes complete looks at one target. It is safe for concurrent use: a newer look calls
// the one before it off, and what that one had not seen yet is then not measured.
type Looker struct {
	config  LookerConfig
	inspect chan struct{} // one place: taken while Inspect runs
	seats   []seat

	mu       sync.Mutex // guards what follows
	callOff  context.CancelCauseFunc
	turn     int
	answered string // the invocation that gave a health reply
}

// seat is the place of one witness. It is taken while the witness looks, so that one that ignores
// its deadline is never started a second time.
type seat struct {
	witness Witness
	taken   chan struct{}
}

var errNewerLook = errors.New("a newer look began")

// NewLooker makes a Looker.
func NewLooker(c LookerConfig) (*Looker, error) {
	if c.Target == "" {
		return nil, errors.New("a looker needs the name of its target")
	}
	if c.Deadline < 0 || c.InspectTimeout < 0 {
		return nil, fmt.Errorf("target %s: the deadlines of a look must not be negative", c.Target)
	}
	if (c.Glance == nil) != (c.Fine == nil) || c.Glance != nil && c.Inspect == nil {
		return nil, fmt.Errorf("target %s: a glance at the platform needs Fine and Inspect", c.Target)
	}
	if c.Deadline == 0 {
		c.Deadline = DefaultDeadline
	}
	if c.InspectTimeout == 0 {
		c.InspectTimeout = DefaultInspect
	}
	l := &Looker{config: c, inspect: make(chan struct{}, 1)}
	for _, w := range c.Witnesses {
		l.seats = append(l.seats, seat{witness: w, taken: make(chan struct{}, 1)})
	}
	return l, nil
}

// Look takes one look, for the given cause ("poll", "signal", "again", "verify", "asked"). It
// returns at the deadline at the latest, plus a quarter of a second. It never fails.
func (l *Looker) Look(ctx context.Context, cause string) detect.Observation {
	start := time.Now()
	ctx, done := l.begin(ctx)
	defer done()
	by := start.Add(l.config.Deadline)

	unit, glanced := l.glance(cause)
	if !glanced {
		unit = l.platform(ctx, by)
	}
	seen := l.ask(ctx, by, unit)
	facts := merge(unit, seen)
	if glanced && !l.config.Fine(facts) {
		facts = merge(l.platform(ctx, by), seen)
	}
	l.remember(facts)
	if l.config.Trend != nil {
		l.config.Trend.Add(start, facts)
	}
	return detect.Observation{
		Target: l.config.Target, At: start, Cause: cause, Facts: facts,
		Took: time.Since(start).Seconds(),
	}
}

// glance is what the platform said a moment ago. Only a poll is content with it: every other look has
// a reason to doubt it.
func (l *Looker) glance(cause string) (detect.Facts, bool) {
	if cause != "poll" || l.config.Glance == nil {
		return nil, false
	}
	return l.config.Glance()
}

// merge puts the facts of one look together. A fact that was measured is not covered by one that was not.
func merge(unit detect.Facts, seen []detect.Facts) detect.Facts {
	n := len(unit) + 8 // what remember and a trend add
	for _, f := range seen {
		n += len(f)
	}
	facts := make(detect.Facts, n) // of its size at once: it is made at every look
	maps.Copy(facts, unit)
	for _, f := range seen {
		for name, r := range f {
			if old, measured := facts[name]; !measured || old.Err != "" || r.Err == "" {
				facts[name] = r
			}
		}
	}
	return facts
}

// Inherit takes over what an earlier Looker of the same process has learnt: which run has answered, and
// its trends. Nothing is shared with it afterwards.
func (l *Looker) Inherit(from *Looker) {
	from.mu.Lock()
	answered := from.answered
	from.mu.Unlock()
	l.mu.Lock()
	l.answered = answered
	l.mu.Unlock()
	if l.config.Trend != nil && from.config.Trend != nil {
		l.config.Trend.inherit(from.config.Trend)
	}
}

// InheritPauses takes over from an earlier Looker of the same target what the servers that both ask
// have asked of us: to be left alone for a while. It may have other checks; only what is asked
// unchanged is taken over.
func (l *Looker) InheritPauses(from *Looker) {
	for _, s := range l.seats {
		heir, ok := s.witness.(Heir)
		if !ok {
			continue
		}
		for _, old := range from.seats {
			heir.Inherit(old.witness)
		}
	}
}

// Close ends what witnesses keep between looks.
func (l *Looker) Close() error {
	var errs []error
	for _, s := range l.seats {
		if c, ok := s.witness.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// begin calls the look before this one off.
func (l *Looker) begin(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.callOff != nil {
		l.callOff(errNewerLook)
	}
	l.callOff = cancel
	l.turn++
	turn := l.turn
	return ctx, func() {
		cancel(nil)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.turn == turn {
			l.callOff = nil
		}
	}
}

// platform asks the platform first: the witnesses need the process id.
func (l *Looker) platform(ctx context.Context, by time.Time) detect.Facts {
	if l.config.Inspect == nil {
		return nil
	}
	ctx, end := context.WithDeadline(ctx, by)
	defer end()
	ctx, cancel := context.WithTimeout(ctx, l.config.InspectTimeout)
	defer cancel()
	type result struct {
		facts detect.Facts
		err   error
	}
	answer := make(chan result, 1)
	failed := func(why string) detect.Facts {
		return detect.Facts{detect.WorkloadState: detect.NotMeasured(why), detect.WorkloadError: detect.Word(why)}
	}
	select {
	case l.inspect <- struct{}{}:
	case <-ctx.Done():
		return failed("the platform has not answered an earlier question")
	}
	go func() { // ends when Inspect does; never started twice
		defer func() { <-l.inspect }()
		var r result
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("the platform adapter failed: %v", p)
			}
			answer <- r
		}()
		r.facts, r.err = l.config.Inspect(ctx)
	}()
	select {
	case r := <-answer:
		if r.err == nil {
			return r.facts
		}
		f := failed(clean(r.err.Error(), maxSentence))
		maps.Copy(f, r.facts)
		return f
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), errNewerLook) {
			return failed(errNewerLook.Error())
		}
		return failed(fmt.Sprintf("the platform did not answer within %v", l.config.InspectTimeout))
	}
}

// ask lets the witnesses look and returns what came back.
func (l *Looker) ask(ctx context.Context, by time.Time, unit detect.Facts) []detect.Facts {
	var looks []func(context.Context) detect.Facts
	if len(l.seats) == 1 {
		f, rest := l.seats[0].begin(ctx, by, unit)
		if rest == nil {
			return []detect.Facts{f}
		}
		looks = append(looks, rest)
	} else {
		for _, s := range l.seats {
			looks = append(looks, func(ctx context.Context) detect.Facts { return s.look(ctx, unit) })
		}
	}
	ctx, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	return l.together(ctx, looks)
}

// together lets all look at the same time, each in a goroutine of its own: one that ignores the end of
// ctx is left behind.
func (l *Looker) together(ctx context.Context, looks []func(context.Context) detect.Facts) []detect.Facts {
	type result struct {
		seat  int
		facts detect.Facts
	}
	results := make(chan result, len(looks)) // room for all: nobody waits to deliver
	for i, look := range looks {
		go func() { // ends when the witness does; never started twice
			results <- result{i, look(ctx)}
		}()
	}
	got := make([]detect.Facts, len(looks))
	var late <-chan time.Time // set when the time is up
	over := ctx.Done()
	for n := 0; n < len(looks); {
		select {
		case r := <-results:
			got[r.seat] = r.facts
			n++
		case <-over:
			t := time.NewTimer(lateness)
			defer t.Stop()
			late, over = t.C, nil
		case <-late:
			return l.missing(got)
		}
	}
	return got
}

// missing says which witnesses did not come back.
func (l *Looker) missing(got []detect.Facts) []detect.Facts {
	for i, f := range got {
		if f == nil {
			w := l.seats[i].witness
			got[i] = notLooked(w, fmt.Sprintf("the %s witness did not come back in time", w.Name()))
		}
	}
	return got
}

// look lets the witness look when its seat is free.
func (s seat) look(ctx context.Context, unit detect.Facts) detect.Facts {
	select {
	case s.taken <- struct{}{}:
		defer func() { <-s.taken }()
	case <-ctx.Done():
		return notLooked(s.witness, fmt.Sprintf("the %s witness is still busy with an earlier look", s.witness.Name()))
	}
	return s.safely(func() detect.Facts { return s.witness.Look(ctx, unit) })
}

// begin lets a prompt witness begin. What it returns besides the facts is what is left to do, with an
// end: all of it when the witness is not prompt or its seat is not free.
func (s seat) begin(ctx context.Context, by time.Time, unit detect.Facts) (detect.Facts, func(context.Context) detect.Facts) {
	all := func(ctx context.Context) detect.Facts { return s.look(ctx, unit) }
	w, ok := s.witness.(Prompt)
	if !ok {
		return nil, all
	}
	select {
	case s.taken <- struct{}{}:
	default:
		return nil, all
	}
	var rest func(context.Context) detect.Facts
	f := s.safely(func() (f detect.Facts) {
		f, rest = w.Begin(ctx, by, unit)
		return f
	})
	if rest == nil {
		<-s.taken
		return f, nil
	}
	return nil, func(ctx context.Context) detect.Facts {
		defer func() { <-s.taken }()
		return s.safely(func() detect.Facts { return rest(ctx) })
	}
}

// safely returns what a witness saw. It reads what a sick server sends, and a fault in it must not end
// the daemon that is to heal the server; it shows in the facts.
func (s seat) safely(see func() detect.Facts) (f detect.Facts) {
	defer func() {
		if p := recover(); p != nil {
			f = notLooked(s.witness, clean(fmt.Sprintf("the %s witness failed: %v", s.witness.Name(), p), maxSentence))
		}
	}()
	if f = see(); f == nil {
		f = detect.Facts{}
	}
	return f
}

// notLooked makes the facts of a witness that did not look: its leading fact, or one in its name.
func notLooked(w Witness, why string) detect.Facts {
	name := w.Name() + ".outcome"
	if l, ok := w.(Leader); ok {
		name = l.Leads()
	}
	return detect.Facts{name: detect.NotMeasured(why)}
}

// remember keeps which process has answered, and adds http.answered.
func (l *Looker) remember(f detect.Facts) {
	id := f.Text(detect.WorkloadRun)
	if _, asked := f[detect.HTTPOutcome]; !asked || id == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.Text(detect.HTTPOutcome) == detect.OutcomeReply {
		l.answered = id
	}
	f[detect.HTTPAnswered] = detect.Flag(l.answered == id)
}
