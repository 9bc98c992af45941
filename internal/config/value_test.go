package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDurationIsWrittenAsPeopleDo(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "5s": 5 * time.Second, "500ms": 500 * time.Millisecond, "1h30m": 90 * time.Minute,
		"2d": 48 * time.Hour, "1w": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour, "1.5s": 1500 * time.Millisecond,
		"10us": 10 * time.Microsecond, "10µs": 10 * time.Microsecond, "3ns": 3,
	} {
		got, err := parseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "5", "s", "-5s", "+5s", "5 s", "5S", "5sec", "1..5s", "5s5", "1e3s", "9999999w", "∞", "5s "} {
		_, err := parseDuration(text)
		require.Error(t, err, "%q", text)
	}
}

func TestDurationIsPrintedShortly(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "5s": 5 * time.Second, "5m": 5 * time.Minute, "1h": time.Hour, "1h30m": 90 * time.Minute,
		"1d": day, "2d12h": 60 * time.Hour, "1m30s": 90 * time.Second, "500ms": 500 * time.Millisecond, "1h0m5s": time.Hour + 5*time.Second,
	} {
		require.Equal(t, want, writeDuration(d))
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(1000*day)).Draw(t, "d")).Round(time.Microsecond)
		back, err := parseDuration(writeDuration(d))
		require.NoError(t, err)
		require.Equal(t, d, back, "what is printed is read back as the same")
	})
}

func TestSizeHasUnits(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1024": 1024, "1B": 1, "512MiB": 512 << 20, "2GiB": 2 << 30, "1.5GiB": 3 << 29, "500MB": 500_000_000,
		"4G": 4 << 30, "64k": 64 << 10, "1kB": 1000, "1KB": 1000, "1TiB": 1 << 40, "2 GiB": 2 << 30, "1gib": 1 << 30,
	} {
		got, err := parseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "GiB", "-1", "1PiB", "lots", "1..5G", "99999999999TiB", "1 Gi B"} {
		_, err := parseSize(text)
		require.Error(t, err, "%q", text)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := Size(rapid.Uint64Range(0, 1<<52).Draw(t, "s"))
		back, err := parseSize(s.String())
		require.NoError(t, err)
		require.Equal(t, s, back, "what is printed is read back as the same")
	})
}

func TestSuggestionIsTheNearestWord(t *testing.T) {
	words := []string{"interval", "health", "start_grace", "stop_grace", "timeout"}
	for _, tt := range []struct{ name, word, want string }{
		{"one letter too many", "intervall", `did you mean "interval"?`},
		{"two letters swapped", "haelth", `did you mean "health"?`},
		{"another way of joining words", "start-grace", `did you mean "start_grace"?`},
		{"capitals", "stopGrace", `did you mean "stop_grace"?`},
		{"a letter missing", "timeot", `did you mean "timeout"?`},
		{"nothing like it", "colour", ""},
		{"a short word is not stretched", "to", ""},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, didYouMean(tt.word, words)) })
	}
	require.Empty(t, didYouMean("x", nil))
}

func TestDistanceIsAMetric(t *testing.T) {
	const far = 100
	word := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := []rune(word.Draw(t, "a")), []rune(word.Draw(t, "b"))
		d := distance(a, b, far)
		require.Equal(t, string(a) == string(b), d == 0)
		require.Equal(t, d, distance(b, a, far))
		require.LessOrEqual(t, d, max(len(a), len(b)))
		require.GreaterOrEqual(t, d, abs(len(a)-len(b)))
	})
}

func TestWindowIsActive(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		require.NoError(t, err)
		return v
	}
	night := Window{Start: "23:00", Duration: 2 * time.Hour, Timezone: "Europe/Berlin", Days: []string{"sat"}}
	once := Window{Start: "2026-12-24 22:00", Duration: 4 * time.Hour, Timezone: "Europe/Berlin"}
	spring := Window{Start: "02:30", Duration: time.Hour, Timezone: "Europe/Berlin", Days: weekdays()}
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
	w := Window{Start: "02:30", Duration: time.Hour, Timezone: "Europe/Berlin", Days: weekdays()}
	minutes := 0
	for now := time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC); now.Before(time.Date(2026, 10, 25, 12, 0, 0, 0, time.UTC)); now = now.Add(time.Minute) {
		if _, active := w.Active(now); active {
			minutes++
		}
	}
	require.Equal(t, 60, minutes)
}
