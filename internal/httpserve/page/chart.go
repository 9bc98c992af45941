package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// bar is the recent history of verdicts as one line of blocks. Height says the same as colour.
type bar struct {
	Runs  []run
	Width int
	Words string // for those who do not see it, and the tooltip of the whole
	Good  string // share of the looks that were good, "" when there were none
	From  string
}

// run is neighbouring slots of the same verdict.
type run struct {
	X, Width, Y, Height int
	Mood                mood
	Title               string
}

// The bar's units: a slot is so wide, the bar so high.
const (
	slotWidth = 4
	barHeight = 20
)

// barOf draws the worst verdict of each slot, and merges neighbours.
func barOf(slots []live.Slot, span live.Span, now time.Time) bar {
	b := bar{Width: len(slots) * slotWidth, From: span.Name + " ago"}
	var looks, good, unknown uint32
	var lastBad time.Time
	for i := 0; i < len(slots); {
		n := slots[i].Total()
		if n == 0 {
			i++
			continue
		}
		j, worst := i, slots[i].Worst()
		var total, these uint32
		for ; j < len(slots) && slots[j].Total() > 0 && slots[j].Worst() == worst; j++ {
			s := slots[j]
			total += s.Total()
			these += s.Looks[worst]
			good += s.Looks[detect.Healthy] + s.Looks[detect.Degraded]
			unknown += s.Looks[detect.Unknown]
			if worst == detect.Unhealthy {
				lastBad = s.From
			}
		}
		looks += total
		r := run{X: i * slotWidth, Width: (j - i) * slotWidth, Mood: verdictMood(worst)}
		r.Height = map[mood]int{moodOK: barHeight, moodWarn: 14, moodBad: barHeight, moodUnknown: 6}[r.Mood]
		r.Y = barHeight - r.Height
		r.Title = fmt.Sprintf("%s to %s: %s", clock(slots[i].From, now), clock(slots[j-1].From.Add(span.Slot), now), worst)
		if these < total {
			r.Title += fmt.Sprintf(" in %d of %d looks", these, total)
		}
		b.Runs = append(b.Runs, r)
		i = j
	}
	if looks == 0 {
		b.Words = "no looks in " + span.Words
		return b
	}
	// Unknown is not down: it counts on neither side.
	if known := looks - unknown; known > 0 {
		b.Good = share(good, known) + " good"
	}
	b.Words = fmt.Sprintf("%s: %s", span.Words, plural(int(looks), "look", "looks"))
	if b.Good != "" {
		b.Words += ", " + b.Good
	}
	if unknown > 0 {
		b.Words += fmt.Sprintf(", %d could not tell", unknown)
	}
	if !lastBad.IsZero() {
		b.Words += ", last bad at " + clock(lastBad, now)
	}
	return b
}

// share never rounds a failure away: 100 % means all.
func share(part, whole uint32) string {
	if part == whole {
		return "100 %"
	}
	return fmt.Sprintf("%.1f %%", min(99.9, float64(part)*100/float64(whole)))
}

// spark is one small curve. The gaps in it are times without a measurement.
type spark struct {
	Short, Value string
	Words        string
	Lines        []string // points of polylines
	Areas        []string // points of the polygons below them
	Limit        string   // height of the limit's line, "" = none
	Over         bool     // at or above the limit now
}

// The spark's units.
const (
	sparkWidth  = 120.0
	sparkHeight = 28.0
)

// sparkOf draws the values over the span. The scale begins at 0 and ends at top, or at the
// highest value or the limit when top is 0.
func sparkOf(name, short string, values []live.Value, slots []live.Slot, is live.Value, limit, top float64, words func(float64) string, span live.Span, now time.Time) spark {
	s := spark{Short: short, Value: "–"}
	high, at := 0.0, -1
	for i, v := range values {
		if x, ok := v.Get(); ok && (at < 0 || x > high) {
			high, at = x, i
		}
	}
	s.Words = name + ": not measured now"
	if v, ok := is.Get(); ok {
		s.Value = words(v)
		s.Words = name + ": " + s.Value
		s.Over = limit > 0 && v >= limit
		high = max(high, v)
	}
	if at >= 0 {
		s.Words += fmt.Sprintf("; highest in %s %s, at %s", span.Words, words(high), clock(slots[at].From, now))
	}
	if limit > 0 {
		s.Words += "; limit " + words(limit)
	}
	scale := max(high, top)
	if top == 0 {
		scale = high * 1.5 // a curve that never changes is not drawn along the edge
		if high > limit/4 {
			scale = max(scale, limit*1.05) // far below its limit, a curve shows more without it
		}
	}
	if scale <= 0 {
		scale = 1
	}
	y := func(v float64) float64 { return sparkHeight - 1 - (sparkHeight-3)*min(v/scale, 1) }
	if limit > 0 && limit <= scale {
		s.Limit = fmt.Sprintf("%.1f", y(limit))
	}
	step := sparkWidth / float64(max(1, len(values)))
	for i := 0; i < len(values); {
		if values[i].IsZero() {
			i++
			continue
		}
		var pts []string
		from := float64(i) * step
		for ; i < len(values) && !values[i].IsZero(); i++ {
			v, _ := values[i].Get()
			x := float64(i) * step
			if len(pts) == 0 {
				pts = append(pts, fmt.Sprintf("%.1f,%.1f", x, y(v)))
			}
			pts = append(pts, fmt.Sprintf("%.1f,%.1f", x+step/2, y(v)))
			if i+1 == len(values) || values[i+1].IsZero() {
				pts = append(pts, fmt.Sprintf("%.1f,%.1f", x+step, y(v)))
			}
		}
		line := strings.Join(pts, " ")
		s.Lines = append(s.Lines, line)
		s.Areas = append(s.Areas, fmt.Sprintf("%.1f,%.0f %s %.1f,%.0f", from, sparkHeight, line, float64(i)*step, sparkHeight))
	}
	return s
}
