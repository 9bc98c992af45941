package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

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
