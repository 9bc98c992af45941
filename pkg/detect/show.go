package detect

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// ShowReading prints a reading for people, in the measure of its fact: 412 MiB, 1.2s, 95 %, yes, a
// word as it stands, or "not measured: ..." with the reason.
func ShowReading(fact string, r Reading) string {
	if r.Err != "" {
		return "not measured: " + oneLine(r.Err)
	}
	f, known := FactNamed(fact)
	switch {
	case !known && r.Text != "", known && f.Type == Text:
		if r.Text == "" {
			return `""`
		}
		return oneLine(r.Text)
	case known && f.Type == Truth:
		if r.Value != 0 {
			return "yes"
		}
		return "no"
	case known && f.Type == Share:
		return strconv.FormatFloat(r.Value*100, 'f', 1, 64) + " %"
	case math.IsNaN(r.Value) || math.IsInf(r.Value, 0):
		return "no number"
	case fact == WorkloadSince && r.Value > 0:
		return time.UnixMicro(int64(r.Value * 1e6)).UTC().Format("2006-01-02 15:04:05.000 MST")
	case strings.HasPrefix(f.What, "seconds") && math.Abs(r.Value) < 1e9:
		return short(secs(r.Value))
	case strings.HasPrefix(f.What, "bytes a second"):
		return signed(r.Value, bytesOf) + "/s"
	case strings.HasPrefix(f.What, "bytes"):
		return bytesOf(r.Value)
	}
	return strconv.FormatFloat(r.Value, 'g', 6, 64)
}

// signed prints a number that may be negative by what prints those that are not.
func signed(v float64, show func(float64) string) string {
	if v < 0 {
		return "-" + show(-v)
	}
	return show(v)
}
