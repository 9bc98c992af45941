package live

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Value is a number that may not have been measured. The zero Value is not measured.
type Value struct {
	v  float64
	ok bool
}

// Measured makes a Value of a number; one that is not finite is not measured.
func Measured(v float64) Value {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Value{}
	}
	return Value{v, true}
}

// Get returns the number, and whether it was measured.
func (v Value) Get() (float64, bool) { return v.v, v.ok }

// IsZero reports that nothing was measured, so that JSON leaves it out.
func (v Value) IsZero() bool { return !v.ok }

// MarshalJSON writes the number, or null.
func (v Value) MarshalJSON() ([]byte, error) {
	if !v.ok {
		return []byte("null"), nil
	}
	return json.Marshal(v.v)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (v *Value) UnmarshalJSON(b []byte) error {
	*v = Value{}
	if string(b) == "null" {
		return nil
	}
	if err := json.Unmarshal(b, &v.v); err != nil {
		return fmt.Errorf("a measured number: %w", err)
	}
	v.ok = true
	return nil
}

// highest is the larger of two; what was not measured does not count.
func highest(a, b Value) Value {
	if !a.ok || b.ok && b.v > a.v {
		return b
	}
	return a
}

// Sample is what the status page draws of one look.
type Sample struct {
	At      time.Time      `json:"-"`
	Verdict detect.Verdict `json:"-"`
	Pool    Value          `json:"pool,omitzero"`            // share of the connections in use, 0 to 1
	Memory  Value          `json:"memory_bytes,omitzero"`    //
	Share   Value          `json:"memory_share,omitzero"`    // of the memory limit, 0 to 1; only where there is a limit
	Latency Value          `json:"latency_seconds,omitzero"` // until the target answered, or until we gave up
}

// SampleOf takes from a look what is drawn, by kind of target: a server's own pool and health
// reply, a cluster's connections and SELECT 1, a dependency's connection.
func SampleOf(o detect.Observation, v detect.Verdict, t detect.Target) Sample {
	f := o.Facts
	s := Sample{At: o.At, Verdict: v}
	s.Pool = fact(f, detect.PoolUtilization)
	s.Latency = fact(f, detect.HTTPLatency)
	if t.Kind == detect.KindPostgres {
		s.Pool, s.Latency = ratio(f, detect.SQLUsed, detect.SQLMax), fact(f, detect.SQLLatency)
	}
	if !s.Latency.ok {
		s.Latency = fact(f, detect.SocketLatency)
	}
	// The limit that diagnosis uses: the unit's own, or a lower one from the configuration.
	limit, limited := f.Num(detect.MemoryMax)
	if own := float64(t.Memory.Limit); own > 0 && (!limited || own < limit) {
		limit, limited = own, true
	}
	s.Memory = highest(fact(f, detect.MemoryCurrent), fact(f, detect.ProcessRSS))
	if s.Memory.ok && limited && limit > 0 {
		s.Share = Measured(s.Memory.v / limit)
	}
	return s
}

func fact(f detect.Facts, name string) Value {
	if v, ok := f.Num(name); ok {
		return Measured(v)
	}
	return Value{}
}

func ratio(f detect.Facts, part, whole string) Value {
	p, okP := f.Num(part)
	w, okW := f.Num(whole)
	if !okP || !okW || w <= 0 {
		return Value{}
	}
	return Measured(p / w)
}
