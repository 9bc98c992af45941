package config

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

const day = 24 * time.Hour

// errDuration says how a duration is written.
var errDuration = errors.New("want a duration such as 500ms, 30s, 1h30m or 2d")

// ParseDuration reads a duration as the configuration file writes it, with days and weeks, for
// flags of the command line.
func ParseDuration(s string) (time.Duration, error) { return parseDuration(s) }

// parseDuration reads "500ms", "5s", "1h30m", "2d" and "1w". A day is 24 hours and a week seven
// days: the numbers bound waiting and are not calendar arithmetic. Negative values are refused.
func parseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	if s == "" {
		return 0, errDuration
	}
	var total time.Duration
	for rest := s; rest != ""; {
		n := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if n <= 0 {
			return 0, errDuration
		}
		end := n + strings.IndexAny(rest[n:]+"0", ".0123456789")
		d, err := oneDuration(rest[:n], rest[n:end])
		if err != nil || total > math.MaxInt64-d {
			return 0, errDuration
		}
		total += d
		rest = rest[end:]
	}
	return total, nil
}

// oneDuration reads one number with its unit: Go's units, and days and weeks besides.
func oneDuration(number, unit string) (time.Duration, error) {
	hours := map[string]time.Duration{"d": 24, "w": 7 * 24}[unit]
	if hours == 0 {
		return time.ParseDuration(number + unit)
	}
	d, err := time.ParseDuration(number + "h")
	if err != nil || d > math.MaxInt64/hours {
		return 0, errDuration
	}
	return d * hours, nil
}

// writeDuration writes a duration the way people do: "5s", "1h30m", "2d", never "1h30m0s".
func writeDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	if d >= day {
		fmt.Fprintf(&b, "%dd", d/day)
		d %= day
	}
	if d == 0 {
		return b.String()
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	b.WriteString(s)
	return b.String()
}
