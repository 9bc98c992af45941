package detect

import (
	"strings"
	"time"
)

func secs(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }

func orDefault(v, def float64) float64 {
	if v > 0 {
		return v
	}
	return def
}

func orNone(s string) string {
	if s == "" {
		return "no reason given"
	}
	return s
}

func join(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func isDiskFact(name string) bool {
	return strings.HasPrefix(name, DiskShare) || strings.HasPrefix(name, InodeShare)
}

func diskPath(name string) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, DiskShare), InodeShare)
}
