package strictyaml

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const Day = 24 * time.Hour

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

// WriteDuration writes a duration the way people do: "5s", "1h30m", "2d", never "1h30m0s".
func WriteDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	if d >= Day {
		fmt.Fprintf(&b, "%dd", d/Day)
		d %= Day
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

// Size is a number of bytes. In the file it is written with a unit: KiB, MiB, GiB, TiB are powers
// of 1024; kB, MB, GB, TB are powers of 1000; K, M, G, T alone are powers of 1024, as in systemd's
// MemoryMax=. A bare number is bytes.
type Size uint64

// errSize says how a size is written.
var errSize = errors.New("want a size such as 512MiB, 2GiB or 500MB")

// sizeUnits are the units from the largest to the smallest, so that String finds the shortest form.
var sizeUnits = []struct {
	name  string
	bytes uint64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3},
}

// parseSize reads what Size.String writes, and the short forms that systemd takes.
func parseSize(s string) (Size, error) {
	n := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if n < 0 {
		n = len(s)
	}
	value, err := strconv.ParseFloat(s[:n], 64)
	if err != nil {
		return 0, errSize
	}
	unit, err := sizeUnit(strings.TrimSpace(s[n:]))
	if err != nil {
		return 0, err
	}
	bytes := value * float64(unit)
	if bytes >= math.MaxInt64 {
		return 0, errSize
	}
	return Size(bytes), nil
}

func sizeUnit(s string) (uint64, error) {
	if s == "" || s == "B" {
		return 1, nil
	}
	for _, u := range sizeUnits {
		short := len(s) == 1 && strings.EqualFold(s+"iB", u.name)
		if strings.EqualFold(s, u.name) || short {
			return u.bytes, nil
		}
	}
	return 0, errSize
}

// String writes the size with the largest unit that divides it.
func (s Size) String() string {
	if s == 0 {
		return "0"
	}
	for _, u := range sizeUnits {
		if uint64(s)%u.bytes == 0 {
			return strconv.FormatUint(uint64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatUint(uint64(s), 10) + "B"
}

// MarshalText makes sizes readable in JSON output.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// moment is the start of a window or of a schedule: a time of day, or a date and time, without a
// time zone.
type moment struct {
	Date         bool
	year, day    int
	month        time.Month
	Hour, Minute int
}

var errMoment = errors.New(`want a time of day such as "02:30", or a moment such as "2026-12-24 22:00"`)

func ParseMoment(s string) (moment, error) {
	if t, err := time.Parse("15:04", s); err == nil {
		return moment{Hour: t.Hour(), Minute: t.Minute()}, nil
	}
	t, err := time.Parse("2006-01-02 15:04", strings.Replace(s, "T", " ", 1))
	if err != nil {
		return moment{}, errMoment
	}
	return moment{true, t.Year(), t.Day(), t.Month(), t.Hour(), t.Minute()}, nil
}

// In is the moment in a zone.
func (m moment) In(zone *time.Location) time.Time {
	return time.Date(m.year, m.month, m.day, m.Hour, m.Minute, 0, 0, zone)
}
