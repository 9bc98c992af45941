package probe

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

const (
	// latencyWindow and latencyMin are what a p95 is taken over: 20 replies are the fewest of which one
	// in twenty can be named.
	latencyWindow, latencyMin = 5 * time.Minute, 20
	// latencyApart is how far apart two replies must be to count twice: a target under suspicion is
	// looked at many times a second, and those looks are one moment.
	latencyApart = time.Second
	// degradedGap is how long the service's own word may be missing without ending what it said before.
	degradedGap = 2 * time.Minute
)

// Memory leaks over minutes to hours, a pool fills in seconds to minutes. Each bucket is the median of
// what was seen in it, so that quick looks weigh no more than slow ones.
var (
	memoryShape = shape{window: 30 * time.Minute, bucket: 30 * time.Second, points: 10, span: 5 * time.Minute, noise: 1 << 20}
	poolShape   = shape{window: 5 * time.Minute, bucket: 5 * time.Second, points: 10, span: time.Minute, noise: 1}
)

// TrendConfig says what a Trend needs to know besides the facts.
type TrendConfig struct {
	// MemoryLimit in bytes holds when the unit has no MemoryMax of its own, or a larger one; 0 = none.
	MemoryLimit float64
}

// Trend remembers the looks at one target and adds what only a row of them shows: the facts trend.*.
// It forgets everything when a new process runs (another workload.run) and when the clock was set
// back. It is bounded: some hundred numbers. It is safe for concurrent use; looks that come in the wrong
// order are taken as they come.
type Trend struct {
	config TrendConfig

	mu sync.Mutex // guards what follows
	memories
}

// memories is what a Trend remembers.
type memories struct {
	run           string
	uptime        float64 // as the service said it last
	last          time.Time
	latency       []sample
	memory, rss   series
	pool          series
	degraded      time.Time // since when; zero = it is not
	degradedHeard time.Time // when it last said so
}

// sample is one measured number at its time.
type sample struct {
	at    time.Time
	value float64
}

// NewTrend makes a Trend that has seen nothing.
func NewTrend(c TrendConfig) *Trend {
	t := &Trend{config: c}
	t.forget()
	return t
}

func (t *Trend) forget() {
	t.latency = nil
	t.memory, t.rss, t.pool = series{shape: memoryShape}, series{shape: memoryShape}, series{shape: poolShape}
	t.degraded, t.degradedHeard = time.Time{}, time.Time{}
}

// inherit takes over what another Trend remembers.
func (t *Trend) inherit(from *Trend) {
	from.mu.Lock()
	m := from.memories
	m.latency = slices.Clone(m.latency)
	m.memory, m.rss, m.pool = m.memory.clone(), m.rss.clone(), m.pool.clone()
	from.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.memories = m
}

// Add takes note of the facts of one look and adds the trends to them.
func (t *Trend) Add(at time.Time, f detect.Facts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if run := f.Text(detect.WorkloadRun); run != "" && run != t.run {
		t.run = run
		t.forget()
	}
	if up, ok := f.Num(detect.HealthUptime); ok {
		if up < t.uptime-1 { // a new process, also where no platform tells
			t.forget()
		}
		t.uptime = up
	}
	if at.Before(t.last.Add(-latencyWindow)) {
		t.forget() // the clock was set back
	}
	t.last = at
	t.addLatency(at, f)
	t.addMemory(at, f)
	t.addPool(at, f)
	t.addDegraded(at, f)
}

// addLatency judges replies only: how long we waited for none is no answer time.
func (t *Trend) addLatency(at time.Time, f detect.Facts) {
	if v, ok := f.Num(detect.HTTPLatency); ok && f.Text(detect.HTTPOutcome) == detect.OutcomeReply {
		if n := len(t.latency); n > 0 && at.Sub(t.latency[n-1].at) < latencyApart {
			t.latency[n-1].value = max(t.latency[n-1].value, v)
		} else {
			t.latency = append(t.latency, sample{at, v})
		}
	} else if _, asked := f[detect.HTTPOutcome]; !asked {
		return
	}
	t.latency = since(t.latency, at.Add(-latencyWindow))
	if n := len(t.latency); n < latencyMin {
		f[detect.TrendLatencyP95] = tooFew(n, latencyMin)
		return
	}
	f[detect.TrendLatencyP95] = detect.Num(quantile(values(t.latency), 0.95))
}

// addMemory follows resident memory when it was measured throughout, since the unit's accounting
// includes the page cache, which grows without being needed.
func (t *Trend) addMemory(at time.Time, f detect.Facts) {
	current, haveC := f.Num(detect.MemoryCurrent)
	rss, haveR := f.Num(detect.ProcessRSS)
	if f.Text(detect.MemorySource) == "procfs" && haveC && !haveR { // it is resident memory
		rss, haveR, haveC = current, true, false
	}
	if haveC {
		t.memory.add(at, current)
	}
	if haveR {
		t.rss.add(at, rss)
	}
	s := &t.rss
	if len(t.rss.points) < t.rss.shape.points && len(t.memory.points) > len(t.rss.points) {
		s = &t.memory
	}
	if !haveC && !haveR && len(s.points) == 0 {
		return // memory is not measured here
	}
	limit, ok := f.Num(detect.MemoryMax)
	if c := t.config.MemoryLimit; c > 0 && (!ok || c < limit) {
		limit, ok = c, true
	}
	if !ok {
		limit = 0
	}
	s.report(at, f, detect.TrendMemorySlope, detect.TrendMemoryLeft, limit)
}

// addPool follows the connections in use, of the maximum and not of those open now.
func (t *Trend) addPool(at time.Time, f detect.Facts) {
	size, okS := f.Num(detect.PoolSize)
	free, okF := f.Num(detect.PoolFree)
	limit, okM := f.Num(detect.PoolMax)
	if okS && okF && okM && size >= free && limit > 0 {
		t.pool.add(at, size-free)
	} else if len(t.pool.points) == 0 {
		return // it reports no pool
	}
	t.pool.report(at, f, detect.TrendPoolSlope, detect.TrendPoolLeft, limit)
}

// addDegraded follows the service's own word. A look without it neither ends nor lengthens what it said.
func (t *Trend) addDegraded(at time.Time, f detect.Facts) {
	switch word := f.Text(detect.HealthStatus); {
	case word == "":
		if !t.degraded.IsZero() && at.Sub(t.degradedHeard) > degradedGap {
			t.degraded = time.Time{}
		}
		return
	case word != "degraded":
		t.degraded = time.Time{}
		return
	}
	if t.degraded.IsZero() || at.Sub(t.degradedHeard) > degradedGap {
		t.degraded = at
	}
	t.degradedHeard = at
	f[detect.TrendDegradedFor] = detect.Num(max(0, at.Sub(t.degraded).Seconds()))
}

// since drops the samples before a time.
func since(list []sample, start time.Time) []sample {
	i := 0
	for i < len(list) && list[i].at.Before(start) {
		i++
	}
	return append(list[:0], list[i:]...)
}

func values(list []sample) []float64 {
	out := make([]float64, len(list))
	for i, s := range list {
		out[i] = s.value
	}
	return out
}

func tooFew(have, want int) detect.Reading {
	return detect.NotMeasured(fmt.Sprintf("too few looks yet: %d of %d", have, want))
}
