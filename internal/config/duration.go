package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// errDuration says how a duration is written.
var errDuration = errors.New("want a duration such as 500ms, 30s, 1h30m or 2d")

// parseDuration reads "500ms", "5s", "1h30m", "2d" and "1w". A day is 24 hours and a week seven
// days: the numbers bound waiting and are not calendar arithmetic. Negative values are refused.
func parseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	if s == "" {
		return 0, errDuration
	}
	units := map[string]time.Duration{
		"ns": time.Nanosecond, "us": time.Microsecond, "µs": time.Microsecond, "ms": time.Millisecond,
		"s": time.Second, "m": time.Minute, "h": time.Hour, "d": day, "w": 7 * day,
	}
	var total float64
	for rest := s; rest != ""; {
		n := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if n <= 0 {
			return 0, errDuration
		}
		value, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return 0, errDuration
		}
		rest = rest[n:]
		end := strings.IndexAny(rest, ".0123456789")
		if end < 0 {
			end = len(rest)
		}
		unit, ok := units[rest[:end]]
		if !ok {
			return 0, errDuration
		}
		total += math.Round(value * float64(unit))
		rest = rest[end:]
	}
	if total >= math.MaxInt64 {
		return 0, fmt.Errorf("too long: %w", errDuration)
	}
	return time.Duration(total), nil
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
