package tracing

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Settings say where traces go. The zero value sends none.
type Settings struct {
	Endpoint      string        // address of an OTLP/HTTP collector; "" = no traces
	Authorization string        // value of the Authorization header; "" = none
	Timeout       time.Duration // of one try
}

// Source is where incidents are read back: the journal.
type Source interface {
	Incident(ctx context.Context, id string) (incident.Incident, []incident.Record, error)
	Notices(ctx context.Context, id string) ([]queue.Queued, error)
}

// Options of [New]. All are required.
type Options struct {
	Settings func() Settings // of the configuration in force
	Source   Source
	Host     func() string
	Version  string
	Logger   *zap.Logger
}

// Tracer sends a trace of every incident that was closed. It is safe for concurrent use.
type Tracer struct {
	o      Options
	closed chan closed
}

type closed struct {
	id string
	at time.Time
}

// waiting bounds how many incidents may wait for their trace, settle how long one waits for its last
// notices to be accepted, and lookEvery how often it is looked whether they are.
const (
	waiting   = 64
	settle    = 30 * time.Second
	lookEvery = time.Second
	lastWords = 3 * time.Second // what an orderly stop of the daemon gives to what is waiting
)

// New returns a Tracer. Call Run.
func New(o Options) (*Tracer, error) {
	if o.Settings == nil || o.Source == nil || o.Host == nil || o.Logger == nil {
		return nil, errors.New("tracing: Settings, Source, Host and Logger are required")
	}
	return &Tracer{o: o, closed: make(chan closed, waiting)}, nil
}

// Decided is told of every record, from the decision loop. It never waits.
func (t *Tracer) Decided(rec incident.Record) {
	if rec.Incident == nil || rec.Incident.Open() || t.o.Settings().Endpoint == "" {
		return
	}
	select {
	case t.closed <- closed{rec.Incident.ID, time.Now()}:
	default:
		t.o.Logger.Warn("too many incidents end at once: one is not traced", zap.String("incident", rec.Incident.ID))
	}
}

// Run sends traces until ctx ends, and then those that wait, without further patience.
func (t *Tracer) Run(ctx context.Context) error {
	var list []closed
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	tick.Stop() // nothing turns while nothing waits
	for {
		select {
		case <-ctx.Done():
			t.stop(ctx, list)
			return nil
		case c := <-t.closed:
			list = append(list, c)
			tick.Reset(lookEvery)
		case now := <-tick.C:
			left := list[:0]
			for _, c := range list {
				if !t.try(ctx, c, now.Sub(c.at) >= settle) {
					left = append(left, c)
				}
			}
			if list = left; len(list) == 0 {
				tick.Stop()
			}
		}
	}
}

func (t *Tracer) stop(ctx context.Context, list []closed) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	for {
		select {
		case c := <-t.closed:
			list = append(list, c)
			continue
		default:
		}
		break
	}
	for _, c := range list {
		t.try(ctx, c, true)
	}
}

// try sends one trace when its notices are settled, or now. It reports whether the incident is done
// with: a trace that was not taken is not kept, the journal has everything.
func (t *Tracer) try(ctx context.Context, c closed, now bool) bool {
	s := t.o.Settings()
	if s.Endpoint == "" {
		return true // switched off meanwhile
	}
	log := t.o.Logger.With(zap.String("incident", c.id))
	told, err := t.o.Source.Notices(ctx, c.id)
	if err == nil && !now && anyWaiting(told) {
		return false
	}
	var i incident.Incident
	var recs []incident.Record
	if err == nil {
		i, recs, err = t.o.Source.Incident(ctx, c.id)
	}
	if err == nil {
		err = send(ctx, s, finished(c.id, Build(i, recs, told), t.o.Host(), t.o.Version))
	}
	if err != nil && !now && ctx.Err() != nil {
		return false // interrupted by a stop, which tries once more
	}
	if err != nil {
		log.Warn("incident is not traced", zap.Error(err))
		return true
	}
	log.Info("incident traced", zap.String("trace", TraceID(c.id)))
	return true
}

func anyWaiting(told []queue.Queued) bool {
	for _, q := range told {
		if q.State == queue.Waiting {
			return true
		}
	}
	return false
}
