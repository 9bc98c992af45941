package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// targetView is one target as it is shown.
type targetView struct {
	Anchor, Name, Kind, Unit string
	DependsOn                []string
	Verdict                  string
	Mood                     mood
	Phase                    string
	PhaseMood                mood
	Quiet                    bool // nothing is wrong: the phase is not worth a word
	Since                    time.Time
	Because, Next            string
	Incident, IncidentHref   string
	Hold                     string // a person's word, "" = none
	LookedAt                 time.Time
	Stalled                  bool
	Bar                      bar
	Sparks                   []spark
}

// target collects what is shown of one target.
func (p *Page) target(t httpserve.Target, s incident.State, span live.Span, stalled bool, now time.Time) *targetView {
	slots := p.o.Feed.History(t.Name, span, now)
	v := &targetView{Anchor: anchor(t.Name), Name: t.Name, Kind: kindWords(t.Kind), Unit: t.Unit, DependsOn: t.DependsOn,
		Verdict: t.Verdict.String(), Mood: verdictMood(t.Verdict), Phase: phaseWords(t.Phase), PhaseMood: phaseMood(t.Phase),
		Quiet: t.Phase == incident.Watching, Since: t.Since, Because: t.Because, Next: t.Next, LookedAt: t.LookedAt, Stalled: stalled}
	if t.LookedAt.IsZero() {
		v.Verdict = "not looked at yet"
	}
	if i := s.Incidents[t.Incident]; i != nil {
		v.Incident, v.IncidentHref = i.ID, "incidents/"+i.ID
	}
	if standing(t.Hold, now) {
		v.Hold = "Held. " + wordOf(t.Hold, now)
	}
	target, _ := p.o.Daemon.Policy().Target(t.Name)
	v.Bar = barOf(slots, span, now)
	present := live.Sample{}
	if !t.LookedAt.IsZero() {
		present = live.SampleOf(detect.Observation{Target: t.Name, At: t.LookedAt, Facts: t.Facts}, t.Verdict, target)
	}
	v.Sparks = sparksOf(slots, present, target, t.Facts, span, now)
	return v
}

// sparksOf draws what was measured of the target at all; a database on another host has no
// memory, a dependency no pool.
func sparksOf(slots []live.Slot, is live.Sample, t detect.Target, f detect.Facts, span live.Span, now time.Time) []spark {
	var out []spark
	add := func(name, short string, limit float64, top float64, is live.Value, of func(live.Slot) live.Value, words func(float64) string) {
		values := make([]live.Value, len(slots))
		seen := false
		for i, s := range slots {
			values[i] = of(s)
			seen = seen || !values[i].IsZero()
		}
		_, now1 := is.Get()
		if seen || now1 {
			out = append(out, sparkOf(name, short, values, slots, is, limit, top, words, span, now))
		}
	}
	name := "connections in use"
	if t.Kind == detect.KindService {
		name = "pool in use"
	}
	used := percent
	if u, m := usedOf(t, f); m > 0 {
		used = func(v float64) string { return percent(v) }
		name += fmt.Sprintf(" (%.0f of %.0f now)", u, m)
	}
	add(name, "pool", t.Limits.PoolFull, 1, is.Pool, func(s live.Slot) live.Value { return s.Pool }, used)
	if anyMeasured(slots, func(s live.Slot) live.Value { return s.Share }) || !is.Share.IsZero() {
		name := "memory, share of its limit"
		if b, ok := is.Memory.Get(); ok {
			name += " (" + size(b) + " now)"
		}
		add(name, "memory", t.Limits.MemoryFull, 1, is.Share, func(s live.Slot) live.Value { return s.Share }, percent)
	} else {
		add("memory", "memory", 0, 0, is.Memory, func(s live.Slot) live.Value { return s.Memory }, size)
	}
	add("time to answer", "answer", t.Limits.Latency.Seconds(), 0, is.Latency, func(s live.Slot) live.Value { return s.Latency }, seconds)
	return out
}

func anyMeasured(slots []live.Slot, of func(live.Slot) live.Value) bool {
	for _, s := range slots {
		if v := of(s); !v.IsZero() {
			return true
		}
	}
	return false
}

// usedOf is how many connections are in use now, and how many there may be.
func usedOf(t detect.Target, f detect.Facts) (used, most float64) {
	if t.Kind == detect.KindPostgres {
		u, okU := f.Num(detect.SQLUsed)
		m, okM := f.Num(detect.SQLMax)
		if okU && okM {
			return u, m
		}
		return 0, 0
	}
	size, okS := f.Num(detect.PoolSize)
	free, okF := f.Num(detect.PoolFree)
	most, okM := f.Num(detect.PoolMax)
	if okS && okF && okM {
		return max(0, size-free), most
	}
	return 0, 0
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", v*100) }

func seconds(v float64) string {
	switch {
	case v < 0.0095:
		return fmt.Sprintf("%.1f ms", v*1000)
	case v < 0.995:
		return fmt.Sprintf("%.0f ms", v*1000)
	}
	return fmt.Sprintf("%.1f s", v)
}

func size(v float64) string {
	for _, u := range []string{"B", "KiB", "MiB"} {
		if v < 1000 {
			return fmt.Sprintf("%.0f %s", v, u)
		}
		v /= 1024
	}
	return strings.Replace(fmt.Sprintf("%.1f GiB", v), ".0 ", " ", 1)
}
