package console

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// BarLegend says what the letters of a history bar mean.
const BarLegend = "█ healthy  ▄ degraded  ? cannot tell  x unhealthy  · not looked at"

// worst is the worst verdict of a slot, as live.Slot has it; false when nothing was looked at.
func worst(s httpserve.Slot) (detect.Verdict, bool) {
	x := live.Slot{}
	x.Looks[detect.Healthy], x.Looks[detect.Degraded], x.Looks[detect.Unhealthy], x.Looks[detect.Unknown] = s.Healthy, s.Degraded, s.Unhealthy, s.Unknown
	return x.Worst(), x.Total() > 0
}

// fold makes so many slots of a history, the latest last; each holds the worst of what it covers.
func fold(slots []httpserve.Slot, width int) []httpserve.Slot {
	if len(slots) <= width || width <= 0 {
		return slots
	}
	out := make([]httpserve.Slot, width)
	for i, s := range slots {
		to := &out[i*width/len(slots)]
		to.Healthy, to.Degraded, to.Unhealthy, to.Unknown = to.Healthy+s.Healthy, to.Degraded+s.Degraded, to.Unhealthy+s.Unhealthy, to.Unknown+s.Unknown
		to.Pool, to.Memory, to.Share, to.Latency = more(to.Pool, s.Pool), more(to.Memory, s.Memory), more(to.Share, s.Share), more(to.Latency, s.Latency)
	}
	return out
}

func more(a, b live.Value) live.Value {
	x, okA := a.Get()
	y, okB := b.Get()
	if !okA || okB && y > x {
		return b
	}
	return a
}

// UptimeBar draws the verdicts of a history, one letter a slot. The letters tell without colours.
func UptimeBar(slots []httpserve.Slot, width int, paint func(Hue, string) string) string {
	var b strings.Builder
	for _, s := range fold(slots, width) {
		v, seen := worst(s)
		letter := map[detect.Verdict]string{detect.Healthy: "█", detect.Degraded: "▄", detect.Unhealthy: "x", detect.Unknown: "?"}[v]
		if !seen {
			b.WriteString(paint(Faint, "·"))
			continue
		}
		b.WriteString(paint(VerdictHue(v), letter))
	}
	return b.String()
}

// Uptime is the share of the looks that could be judged in which the target served.
func Uptime(slots []httpserve.Slot) (share float64, ok bool) {
	var served, judged uint32
	for _, s := range slots {
		served += s.Healthy + s.Degraded
		judged += s.Healthy + s.Degraded + s.Unhealthy
	}
	if judged == 0 {
		return 0, false
	}
	return float64(served) / float64(judged), true
}

// sparks are the letters of a curve, from the lowest.
var sparks = []rune("▁▂▃▄▅▆▇█")

// Sparkline draws numbers between 0 and top, or their own highest when top is 0. What was not
// measured is a blank and never a low.
func Sparkline(slots []httpserve.Slot, width int, top float64, of func(httpserve.Slot) live.Value) string {
	list := fold(slots, width)
	if top == 0 {
		for _, s := range list {
			v, _ := of(s).Get()
			top = max(top, v)
		}
		top *= 1.5 // what has no limit must not look full
	}
	var b strings.Builder
	for _, s := range list {
		v, ok := of(s).Get()
		switch {
		case !ok:
			b.WriteByte(' ')
		case top <= 0:
			b.WriteRune(sparks[0])
		default:
			b.WriteRune(sparks[min(len(sparks)-1, max(0, int(math.Floor(v/top*float64(len(sparks))))))])
		}
	}
	return b.String()
}

// Present is the number of the present slot, or of the one before while nothing was measured in it
// yet. An older one is not shown as if it were true now.
func Present(slots []httpserve.Slot, of func(httpserve.Slot) live.Value) (float64, bool) {
	for _, s := range slices.Backward(slots[max(0, len(slots)-2):]) {
		if v, ok := of(s).Get(); ok {
			return v, true
		}
	}
	return 0, false
}

// Ever is whether it was measured at all: a database on another host has no memory.
func Ever(slots []httpserve.Slot, of func(httpserve.Slot) live.Value) bool {
	return slices.ContainsFunc(slots, func(s httpserve.Slot) bool { return !of(s).IsZero() })
}

// curve is one line of numbers that is drawn of a target.
type curve struct {
	Name  string
	Top   float64 // 0 = its own highest
	Of    func(httpserve.Slot) live.Value
	Words func(float64) string
}

// Now is the present number in words.
func (k curve) Now(slots []httpserve.Slot) string {
	if v, ok := Present(slots, k.Of); ok {
		return k.Words(v)
	}
	return "not measured now"
}

// Curves are those of the status page.
func Curves(slots []httpserve.Slot) []curve {
	share := func(v float64) string { return fmt.Sprintf("%.0f %%", v*100) }
	out := []curve{{"pool", 1, func(s httpserve.Slot) live.Value { return s.Pool }, share}}
	memory := curve{"memory", 1, func(s httpserve.Slot) live.Value { return s.Share }, share}
	if !Ever(slots, memory.Of) {
		memory = curve{"memory", 0, func(s httpserve.Slot) live.Value { return s.Memory }, func(v float64) string { return fmt.Sprintf("%.0f MiB", v/(1<<20)) }}
	}
	return append(out, memory, curve{"answer", 0, func(s httpserve.Slot) live.Value { return s.Latency }, func(v float64) string {
		if v < 1 {
			return fmt.Sprintf("%.3g ms", v*1000)
		}
		return fmt.Sprintf("%.1f s", v)
	}})
}
