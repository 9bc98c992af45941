package config

import (
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// Returns reports whether the window begins again and again, and not only once.
func (w Window) Returns() bool {
	m, err := strictyaml.ParseMoment(w.Start)
	return err == nil && !m.Date
}

// Active reports whether the window is open at that time, and if so until when. The start is a
// time of the wall clock: on the day on which clocks are put forward past it, it begins at the
// instant that Go's time.Date gives, and on the day on which they are put back it begins once.
func (w Window) Active(now time.Time) (until time.Time, active bool) {
	m, err := strictyaml.ParseMoment(w.Start)
	zone, zoneErr := time.LoadLocation(w.Timezone)
	if err != nil || zoneErr != nil {
		return time.Time{}, false // Parse has refused both
	}
	within := func(start time.Time) bool {
		until = start.Add(w.Duration)
		return !now.Before(start) && now.Before(until)
	}
	if m.Date {
		if within(m.In(zone)) {
			return until, true
		}
		return time.Time{}, false
	}
	// Windows that overlap count as one: the latest start tells the end.
	today := now.In(zone)
	back := int(w.Duration/strictyaml.Day) + 1
	for d := range back + 1 {
		start := time.Date(today.Year(), today.Month(), today.Day()-d, m.Hour, m.Minute, 0, 0, zone)
		if slices.Contains(w.Days, weekday(start)) && within(start) {
			return until, true
		}
	}
	return time.Time{}, false
}

func weekday(t time.Time) string { return strings.ToLower(t.Weekday().String()[:3]) }
