package probe

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Ranges of numbers in a health reply. A number outside is not measured: it is a mistake of the
// server, and a decision must not be built on it.
const (
	// maxConnections bounds a pool. PostgreSQL itself allows at most 262143 connections.
	maxConnections = 262143
	// maxUptime is a hundred years, in seconds.
	maxUptime = 100 * 366 * 24 * 3600
	// maxMB bounds memory figures in megabytes: one exabyte.
	maxMB = 1 << 40
)

// float reads a number, or a word that holds one ("1.35", "97 %"). percent says that it carried
// a percent sign. The reason is empty when the number is good.
func (n node) float() (v float64, percent bool, why string) {
	switch {
	case n.twice:
		return 0, false, "the key occurs twice with different values"
	case n.kind == absent:
		return 0, false, "not in the reply"
	case n.kind != number && n.kind != word:
		return 0, false, "not a number"
	}
	s := strings.TrimSpace(n.text)
	if t, ok := strings.CutSuffix(s, "%"); ok {
		s, percent = strings.TrimSpace(t), true
	}
	// ParseFloat also takes hexadecimal, "inf" and "nan"; no server means those.
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false, fmt.Sprintf("%q is not a number", cut(s, 20))
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, false, fmt.Sprintf("%q is not a usable number", cut(s, 20))
	}
	return v, percent, ""
}

// within reads a number between lo and hi.
func (n node) within(lo, hi float64) detect.Reading {
	v, _, why := n.float()
	if why != "" {
		return detect.NotMeasured(why)
	}
	if v < lo || v > hi {
		return detect.NotMeasured(fmt.Sprintf("%v is out of range", v))
	}
	return detect.Num(v + 0) // -0 becomes 0
}

// count reads a whole number of connections.
func (n node) count() detect.Reading {
	r := n.within(0, maxConnections)
	if r.Err == "" && r.Value != math.Trunc(r.Value) {
		return detect.NotMeasured(fmt.Sprintf("%v is not a whole number", r.Value))
	}
	return r
}

// share reads a share of 0..1. asPercent says that the name of the field means percent; otherwise
// the number is a fraction unless it is above 1 or carries a percent sign (0.97, 97, "96.67 %").
func (n node) share(asPercent bool) detect.Reading {
	v, sign, why := n.float()
	if why != "" {
		return detect.NotMeasured(why)
	}
	if asPercent || sign || v > 1 {
		v /= 100
	}
	if v < 0 || v > 1 {
		return detect.NotMeasured(fmt.Sprintf("%q is not a share", cut(n.text, 20)))
	}
	return detect.Num(v + 0)
}
