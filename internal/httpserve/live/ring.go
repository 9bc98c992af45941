package live

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Span is how far back to look.
type Span struct {
	Name  string        // in addresses: "1h", "24h"
	Words string        // for people
	Slot  time.Duration // what one slot covers
	Slots int
}

// The two spans that are remembered: one to see an incident happen, one to see what the night
// was like. 60 and 96 slots are about what a bar on a phone can show.
var (
	Hour = Span{"1h", "the last hour", time.Minute, 60}
	Day  = Span{"24h", "the last 24 hours", 15 * time.Minute, 96}
)

// SpanNamed returns a span by the name that addresses use.
func SpanNamed(name string) (Span, bool) {
	for _, s := range []Span{Hour, Day} {
		if s.Name == name {
			return s, true
		}
	}
	return Hour, false
}

// Slot is what was seen in one part of a span. Numbers are the highest of its looks: a peak is
// what people look for.
type Slot struct {
	From    time.Time `json:"-"`
	Looks   [4]uint32 `json:"looks"` // by verdict
	Pool    Value     `json:"pool,omitzero"`
	Memory  Value     `json:"memory_bytes,omitzero"`
	Share   Value     `json:"memory_share,omitzero"`
	Latency Value     `json:"latency_seconds,omitzero"`
}

// Total is the number of looks.
func (s Slot) Total() (n uint32) {
	for _, l := range s.Looks {
		n += l
	}
	return n
}

// Worst is the worst verdict among the looks; unknown is between degraded and unhealthy. It is
// Unknown for a slot without looks: ask Total first.
func (s Slot) Worst() detect.Verdict {
	for _, v := range []detect.Verdict{detect.Unhealthy, detect.Unknown, detect.Degraded, detect.Healthy} {
		if s.Looks[v] > 0 {
			return v
		}
	}
	return detect.Unknown
}

// merge adds what another slot of the same time saw.
func (s *Slot) merge(o Slot) {
	for v, n := range o.Looks {
		s.Looks[v] += n
	}
	s.Pool, s.Memory = highest(s.Pool, o.Pool), highest(s.Memory, o.Memory)
	s.Share, s.Latency = highest(s.Share, o.Share), highest(s.Latency, o.Latency)
}

// slotOf is a slot with one look in it.
func slotOf(p Sample) Slot {
	s := Slot{From: p.At, Pool: p.Pool, Memory: p.Memory, Share: p.Share, Latency: p.Latency}
	if int(p.Verdict) < len(s.Looks) {
		s.Looks[p.Verdict] = 1
	}
	return s
}

// ring keeps the slots of one span. A slot whose From is not what its place asks for is old.
type ring struct {
	span  Span
	slots []Slot
}

func newRing(s Span) ring { return ring{s, make([]Slot, s.Slots)} }

func (r *ring) place(at time.Time) (*Slot, time.Time) {
	from := at.Truncate(r.span.Slot) // absolute time: independent of the zone
	n := from.Unix() / int64(r.span.Slot/time.Second) % int64(r.span.Slots)
	return &r.slots[(n+int64(r.span.Slots))%int64(r.span.Slots)], from
}

// add takes what is seen now.
func (r *ring) add(o Slot) {
	s, from := r.place(o.From)
	if !s.From.Equal(from) { // of a round before, or of a future that a corrected clock took back
		*s = Slot{From: from}
	}
	s.merge(o)
}

// recall takes what was seen earlier, as far as its place has not been taken since.
func (r *ring) recall(o Slot) {
	if s, from := r.place(o.From); !s.From.After(from) {
		r.add(o)
	}
}

// read returns the slots up to now, oldest first; a slot without looks has no Total.
func (r *ring) read(now time.Time) []Slot {
	out := make([]Slot, 0, r.span.Slots)
	for i := r.span.Slots - 1; i >= 0; i-- {
		s, from := r.place(now.Add(-time.Duration(i) * r.span.Slot))
		if s.From.Equal(from) {
			out = append(out, *s)
		} else {
			out = append(out, Slot{From: from})
		}
	}
	return out
}
