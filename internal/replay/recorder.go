package replay

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

const (
	// maxReels is how many incidents are recorded at the same time. In a storm the first ones tell the
	// most, and the host has other worries.
	maxReels = 8
	// maxRecording ends a recording: what is decided about a problem that has lasted so long was decided
	// long before.
	maxRecording = 30 * time.Minute
	// maxBytes bounds one recording, compressed; the journal takes no piece of more than 1 MiB.
	maxBytes = 900 << 10
	// saveEvery is how often a recording that goes on is stored, at most.
	saveEvery = 10 * time.Second
	// saveLimit bounds one storing.
	saveLimit = 10 * time.Second
	// queue is how many steps may wait to be written down. A step takes some 50 microseconds to write.
	queue = 1024
)

// Options is what a Recorder is made of. All fields are required.
type Options struct {
	// Policy is the rule set in force.
	Policy func() *incident.Policy
	// Config is a fingerprint of the configuration in force.
	Config func() string
	// Save stores a recording with its incident; a later one of the same name replaces it.
	Save   func(ctx context.Context, incidentID, name string, at time.Time, body []byte) error
	Logger *zap.Logger
}

// Recorder records incidents. Stepped is called by the decision loop alone; Run writes down what it
// was told.
type Recorder struct {
	o     Options
	steps chan *step

	// Owned by the decision loop.
	loud map[string]bool // targets that are being recorded
	lost bool            // a step could not be queued: every recording has a gap
}

// step is one thing that happened in the decision loop. States and records are immutable, so that
// it costs no copy.
type step struct {
	before      incident.State
	now         time.Time
	ev          incident.Event
	rec         incident.Record
	policy      *incident.Policy
	config      string
	begin, end  bool // of the recording of the event's target
	interrupted bool // steps before this one were lost
}

// New makes a Recorder. It records nothing until Run.
func New(o Options) (*Recorder, error) {
	if o.Policy == nil || o.Config == nil || o.Save == nil || o.Logger == nil {
		return nil, errors.New("replay: a required option is missing")
	}
	return &Recorder{o: o, steps: make(chan *step, queue), loud: map[string]bool{}}, nil
}

// Stepped takes note of one step of the core. It never blocks, and on a quiet host it does nothing.
// It must be called from one goroutine, in the order of the steps.
func (r *Recorder) Stepped(before incident.State, now time.Time, ev incident.Event, rec incident.Record, after incident.State) {
	known := rec.After != nil
	noisy := known && (!quiet(before.Targets[ev.Target]) || !quiet(after.Targets[ev.Target]))
	if len(r.loud) == 0 && !noisy {
		return
	}
	s := step{before: before, now: now, ev: ev, rec: rec, policy: r.o.Policy(), config: r.o.Config(), interrupted: r.lost}
	if noisy && !r.loud[ev.Target] {
		r.loud[ev.Target], s.begin = true, true
	}
	if known && r.loud[ev.Target] && quiet(after.Targets[ev.Target]) {
		delete(r.loud, ev.Target)
		s.end = true
	}
	select {
	case r.steps <- &s:
		r.lost = false
	default:
		r.lost = true
	}
}

// quiet reports a target about which nothing is being decided.
func quiet(t *incident.TargetState) bool {
	return t == nil || t.Phase == incident.Watching && t.Incident == "" && (t.Last.At.IsZero() || t.Diagnosis.Good())
}

// Run writes down what Stepped was told, until ctx ends; then it stores what there is.
func (r *Recorder) Run(ctx context.Context) error {
	w := writer{o: r.o, reels: map[string]*reel{}}
	for {
		select {
		case s := <-r.steps:
			w.take(ctx, *s)
		case <-ctx.Done():
			for { // what the loop has said before it ended
				select {
				case s := <-r.steps:
					w.take(ctx, *s)
					continue
				default:
				}
				break
			}
			for _, l := range w.reels {
				w.save(ctx, l)
			}
			return nil
		}
	}
}
