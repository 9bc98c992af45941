package live

import (
	"math"
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

// cell is a Slot as it is kept, in half of its size: there are 156 for every target.
type cell struct {
	from                         uint32    // Unix seconds; 0 = nothing was seen
	looks                        [4]uint16 // more are not told apart: 15 minutes of looks every 14 ms
	pool, memory, share, latency float64   // NaN = not measured
}

// pack makes the cell of a slot whose beginning has been rounded.
func pack(s Slot) cell {
	number := func(v Value) float64 {
		if x, ok := v.Get(); ok {
			return x
		}
		return math.NaN()
	}
	c := cell{from: uint32(s.From.Unix()), pool: number(s.Pool), memory: number(s.Memory), share: number(s.Share), latency: number(s.Latency)}
	for v, n := range s.Looks {
		c.looks[v] = uint16(min(n, math.MaxUint16))
	}
	return c
}

// slot is the way back. from is what c.from says, in the zone of the reader.
func (c cell) slot(from time.Time) Slot {
	s := Slot{From: from, Pool: Measured(c.pool), Memory: Measured(c.memory), Share: Measured(c.share), Latency: Measured(c.latency)}
	for v, n := range c.looks {
		s.Looks[v] = uint32(n)
	}
	return s
}

// ring keeps the slots of one span. A cell whose beginning is not what its place asks for is old.
type ring struct {
	span  Span
	cells []cell
}

func newRing(s Span) ring { return ring{s, make([]cell, s.Slots)} }

// place returns where the slot of a moment is kept, and when that slot begins.
func (r *ring) place(at time.Time) (*cell, time.Time) {
	from := at.Truncate(r.span.Slot) // absolute time: independent of the zone
	n := from.Unix() / int64(r.span.Slot/time.Second) % int64(r.span.Slots)
	return &r.cells[(n+int64(r.span.Slots))%int64(r.span.Slots)], from
}

// read returns what is kept of the slot that begins at a moment, if anything.
func (c *cell) read(from time.Time) (Slot, bool) {
	if int64(c.from) != from.Unix() {
		return Slot{From: from}, false
	}
	return c.slot(from), true
}

// add takes what is seen now.
func (r *ring) add(o Slot) {
	c, from := r.place(o.From)
	s, _ := c.read(from) // what is there may be of a round before, or of a future that a corrected clock took back
	s.merge(o)
	*c = pack(s)
}

// recall takes what was seen earlier, as far as its place has not been taken since.
func (r *ring) recall(o Slot) {
	if c, from := r.place(o.From); int64(c.from) <= from.Unix() {
		r.add(o)
	}
}

// read returns the slots up to now, oldest first; a slot without looks has no Total.
func (r *ring) read(now time.Time) []Slot {
	out := make([]Slot, 0, r.span.Slots)
	for i := r.span.Slots - 1; i >= 0; i-- {
		c, from := r.place(now.Add(-time.Duration(i) * r.span.Slot))
		s, _ := c.read(from)
		out = append(out, s)
	}
	return out
}
