package config

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// moment is the start of a window or of a schedule: a time of day, or a date and time, without a
// time zone.
type moment struct {
	date         bool
	year, day    int
	month        time.Month
	hour, minute int
}

var errMoment = errors.New(`want a time of day such as "02:30", or a moment such as "2026-12-24 22:00"`)

func parseMoment(s string) (moment, error) {
	if t, err := time.Parse("15:04", s); err == nil {
		return moment{hour: t.Hour(), minute: t.Minute()}, nil
	}
	t, err := time.Parse("2006-01-02 15:04", strings.Replace(s, "T", " ", 1))
	if err != nil {
		return moment{}, errMoment
	}
	return moment{true, t.Year(), t.Day(), t.Month(), t.Hour(), t.Minute()}, nil
}

// in is the moment in a zone.
func (m moment) in(zone *time.Location) time.Time {
	return time.Date(m.year, m.month, m.day, m.hour, m.minute, 0, 0, zone)
}

func weekdays() []string { return []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} }

// Returns reports whether the window begins again and again, and not only once.
func (w Window) Returns() bool {
	m, err := parseMoment(w.Start)
	return err == nil && !m.date
}

// Active reports whether the window is open at that time, and if so until when. The start is a
// time of the wall clock: on the day on which clocks are put forward past it, it begins at the
// instant that Go's time.Date gives, and on the day on which they are put back it begins once.
func (w Window) Active(now time.Time) (until time.Time, active bool) {
	m, err := parseMoment(w.Start)
	zone, zoneErr := time.LoadLocation(w.Timezone)
	if err != nil || zoneErr != nil {
		return time.Time{}, false // Parse has refused both
	}
	within := func(start time.Time) bool {
		until = start.Add(w.Duration)
		return !now.Before(start) && now.Before(until)
	}
	if m.date {
		if within(m.in(zone)) {
			return until, true
		}
		return time.Time{}, false
	}
	// Windows that overlap count as one: the latest start tells the end.
	today := now.In(zone)
	back := int(w.Duration/day) + 1
	for d := range back + 1 {
		start := time.Date(today.Year(), today.Month(), today.Day()-d, m.hour, m.minute, 0, 0, zone)
		if slices.Contains(w.Days, weekday(start)) && within(start) {
			return until, true
		}
	}
	return time.Time{}, false
}

func weekday(t time.Time) string { return strings.ToLower(t.Weekday().String()[:3]) }
