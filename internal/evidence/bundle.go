package evidence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/detect/probe"
)

const (
	// DefaultLimit is the longest that one bundle takes, unless the operator gives a program of
	// their own more: what a person does not notice beside a restart of some seconds.
	DefaultLimit = 750 * time.Millisecond
	// room is the part of the time that is kept for putting together what there is.
	room = 50 * time.Millisecond
	// inspectLimit bounds the question to the platform, which comes first because other sources want
	// the process id.
	inspectLimit = 200 * time.Millisecond
	// pieceBytes bounds one piece, commandBytes that of the operator's program.
	pieceBytes, commandBytes = 64 << 10, 256 << 10
	// saveLimit bounds the storing of one bundle, which nobody waits for.
	saveLimit = 10 * time.Second
)

// Subject is one target about which evidence is collected. It is not modified.
type Subject struct {
	Target string
	// Unit is the systemd unit whose log is read; "" when the target has none.
	Unit string
	// Inspect asks the platform for the unit's facts; nil when there is none.
	Inspect func(ctx context.Context) (detect.Facts, error)
	// Databases are the clusters whose sessions are listed: the target itself, or what it needs.
	Databases []Database
	// Command is the operator's own program with its arguments; nil = none. It gets Timeout.
	Command []string
	Timeout time.Duration
}

// Database is a PostgreSQL cluster that can be asked.
type Database struct {
	Name string // of its target
	DSN  probe.Secret
}

// Piece is one text of a bundle.
type Piece struct {
	Incident string
	// Name is "<time of the bundle>/<source>", unique within the incident: an incident with three
	// attempts has three bundles.
	Name string
	At   time.Time
	Body []byte
}

// Options is what a Collector is made of.
type Options struct {
	// Save stores one piece. It is called beside the cure and may take its time.
	Save   func(ctx context.Context, p Piece) error
	Logger *zap.Logger
}

// Collector collects evidence. It is safe for concurrent use.
type Collector struct {
	o       Options
	sources []source
	seats   map[string]*seat // by source; immutable

	mu       sync.Mutex // guards what follows
	subjects map[string]Subject
	redactor Redactor
	closed   bool

	saving sync.WaitGroup
}

// seat is the place of one source. It is taken while the source works, so that one that hangs for
// ever is not started a second time.
type seat struct {
	mu    sync.Mutex // guards taken
	taken map[string]bool
}

// seatOfPlatform is the place of the question to the platform.
const seatOfPlatform = "platform"

// New makes a Collector that knows no target until Configure.
func New(o Options) (*Collector, error) {
	if o.Save == nil || o.Logger == nil {
		return nil, errors.New("evidence: a required option is missing")
	}
	all := allSources()
	return &Collector{o: o, sources: all, seats: seatsOf(all)}, nil
}

func seatsOf(sources []source) map[string]*seat {
	out := map[string]*seat{seatOfPlatform: {taken: map[string]bool{}}}
	for _, s := range sources {
		out[s.name] = &seat{taken: map[string]bool{}}
	}
	return out
}

// Configure replaces the targets and the secrets; bundles that are being collected keep the old ones.
func (c *Collector) Configure(subjects []Subject, r Redactor) {
	byName := make(map[string]Subject, len(subjects))
	for _, s := range subjects {
		byName[s.Target] = s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subjects, c.redactor = byName, r
}

// Limit is the longest that Collect may take for a target.
func (c *Collector) Limit(target string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.subjects[target]
	if s.Command == nil {
		return DefaultLimit
	}
	return max(DefaultLimit, s.Timeout+5*room)
}

// Collect collects one bundle about a target and returns when it is complete or the time is up:
// that of ctx, or Limit when that is shorter. What was collected until then is stored afterwards,
// beside the caller. When the cure is over already, before is what was known of the target when it
// was decided, and is kept as the evidence about the unit; nil asks the platform.
func (c *Collector) Collect(ctx context.Context, target, incidentID string, before detect.Facts) {
	c.mu.Lock()
	s, known := c.subjects[target]
	r, closed := c.redactor, c.closed
	c.mu.Unlock()
	if !known || closed {
		return
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.Limit(target))
	defer cancel()
	inner, stop := shorter(ctx, room)
	defer stop()

	k := &scene{Subject: s, incident: incidentID, redact: r}
	if k.facts = before; before == nil {
		k.facts, k.unseen = c.inspect(inner, s)
	}
	type result struct {
		source int
		err    error
	}
	done := make(chan result, len(c.sources)) // room for all: nobody waits to deliver
	pages := make([]*page, len(c.sources))
	errs := make([]error, len(c.sources))
	busy := 0
	for i, src := range c.sources {
		if !src.wanted(s) {
			continue
		}
		pages[i] = &page{limit: src.limit}
		if !c.seats[src.name].take(target) {
			errs[i] = errors.New("not asked: it has not come back from the last time")
			continue
		}
		busy++
		errs[i] = errors.New("did not come back in time")
		go func() { // ends when the source does; never started twice for a target
			defer c.seats[src.name].leave(target)
			done <- result{i, guarded(inner, src, k, pages[i])}
		}()
	}
	for ; busy > 0; busy-- {
		select {
		case r := <-done:
			errs[r.source] = r.err
			continue
		case <-ctx.Done():
		}
		break
	}
	c.keep(k, began, pages, errs)
}

// keep renders and stores the pieces beside the caller.
func (c *Collector) keep(k *scene, began time.Time, pages []*page, errs []error) {
	var raw []string // read now: a source that hangs must not write into what is stored
	var dropped []int
	for _, p := range pages {
		text, n := "", 0
		if p != nil {
			text, n = p.read()
		}
		raw, dropped = append(raw, text), append(dropped, n)
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.saving.Add(1)
	c.mu.Unlock()
	go func() { // ends within saveLimit; Close waits for it
		defer c.saving.Done()
		ctx, cancel := context.WithTimeout(context.Background(), saveLimit)
		defer cancel()
		stamp := began.UTC().Format("20060102T150405.000Z")
		for i, src := range c.sources {
			if pages[i] == nil {
				continue
			}
			p := Piece{Incident: k.incident, Name: stamp + "/" + src.name, At: began, Body: []byte(finish(k.redact, raw[i], dropped[i], errs[i]))}
			if err := c.o.Save(ctx, p); err != nil {
				c.o.Logger.Warn("evidence not stored", zap.String("incident", k.incident), zap.String("piece", p.Name), zap.Error(err))
				return
			}
		}
	}()
}

// finish is the text as it is stored.
func finish(r Redactor, raw string, dropped int, err error) string {
	text := r.Ended(plain(raw))
	if dropped > 0 {
		text += fmt.Sprintf("\n(cut: %d bytes more)\n", dropped)
	}
	if err != nil {
		text += "(" + r.Short(err.Error(), 400) + ")\n"
	}
	if text == "" {
		text = "(nothing)\n"
	}
	return text
}

// Close waits until everything collected is stored, or ctx ends. Nothing is collected afterwards.
func (c *Collector) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends within saveLimit
		c.saving.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("evidence is still being stored: %w", context.Cause(ctx))
	}
}

func (s *seat) take(target string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[target] {
		return false
	}
	s.taken[target] = true
	return true
}

func (s *seat) leave(target string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.taken, target)
}

// shorter is ctx with a deadline that is earlier by d.
func shorter(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	at, _ := ctx.Deadline() // Collect has set one
	return context.WithDeadline(ctx, at.Add(-d))
}
