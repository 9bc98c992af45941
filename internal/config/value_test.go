package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

func TestWindowIsActive(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		require.NoError(t, err)
		return v
	}
	night := Window{Start: "23:00", Duration: 2 * time.Hour, Timezone: "Europe/Berlin", Days: []string{"sat"}}
	once := Window{Start: "2026-12-24 22:00", Duration: 4 * time.Hour, Timezone: "Europe/Berlin"}
	spring := Window{Start: "02:30", Duration: time.Hour, Timezone: "Europe/Berlin", Days: strictyaml.Weekdays()}
	long := Window{Start: "18:00", Duration: 60 * time.Hour, Timezone: "UTC", Days: []string{"fri"}}
	for _, tt := range []struct {
		name   string
		window Window
		now    string
		until  string // "" when not active
	}{
		{"a minute before it begins", night, "2026-11-21T21:59:00Z", ""},
		{"at its beginning", night, "2026-11-21T22:00:00Z", "2026-11-22T00:00:00Z"},
		{"after midnight, on the next day", night, "2026-11-21T23:59:59Z", "2026-11-22T00:00:00Z"},
		{"at its end it is over", night, "2026-11-22T00:00:00Z", ""},
		{"on another day of the week", night, "2026-11-22T22:30:00Z", ""},
		{"in summer it begins an hour earlier by UTC", night, "2026-07-04T21:30:00Z", "2026-07-04T23:00:00Z"},
		{"the one moment", once, "2026-12-24T21:30:00Z", "2026-12-25T01:00:00Z"},
		{"the same hour of another day", once, "2026-12-25T21:30:00Z", ""},
		{"a window of many days, on its third", long, "2026-11-22T20:00:00Z", "2026-11-23T06:00:00Z"},
		{"the hour that does not exist in spring", spring, "2026-03-29T01:45:00Z", "2026-03-29T02:30:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			until, active := tt.window.Active(at(tt.now))
			require.Equal(t, tt.until != "", active)
			if active {
				require.WithinDuration(t, at(tt.until), until, 0)
			}
		})
	}
}

// TestWindowOfTheHourThatComesTwice proves that clocks put back do not open a window twice.
func TestWindowOfTheHourThatComesTwice(t *testing.T) {
	w := Window{Start: "02:30", Duration: time.Hour, Timezone: "Europe/Berlin", Days: strictyaml.Weekdays()}
	minutes := 0
	for now := time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC); now.Before(time.Date(2026, 10, 25, 12, 0, 0, 0, time.UTC)); now = now.Add(time.Minute) {
		if _, active := w.Active(now); active {
			minutes++
		}
	}
	require.Equal(t, 60, minutes)
}
