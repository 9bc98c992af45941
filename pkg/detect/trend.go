package detect

import (
	"fmt"
	"time"
)

// Trends warn: they make a target degraded, which is shown and counted, and act on nothing. What shall
// be done early is an operator's own rule over the facts trend.* (docs/diagnosis.md has examples).
const (
	// soonMemory is how long before its limit a growing memory is called so: time for a person to look
	// at the process before it has to be restarted.
	soonMemory = 30 * time.Minute
	// soonPool is the same for the pool, which fills in seconds or minutes.
	soonPool = 5 * time.Minute
	// poolWorth is the share of the pool in use below which its growth is that of any morning.
	poolWorth = 0.5
	// lasting is how long a service may call itself degraded before the sentence says since when.
	lasting = time.Minute
)

// memoryTrendCondition: memory grows steadily and will be at its limit soon.
var memoryTrendCondition = Condition{
	Class: ClassMemory, Kinds: []Kind{KindService}, Severity: P3,
	Looks:   1,
	Summary: "memory grows steadily and reaches its limit within half an hour: a warning only",
	Match: func(o Observation, _ Background) Finding {
		f := o.Facts
		left, ok := f.Duration(TrendMemoryLeft)
		slope, grows := f.Num(TrendMemorySlope)
		if !ok || !grows || !(slope > 0) || left > soonMemory || notRunning(f) {
			return Finding{}
		}
		return Finding{Verdict: Degraded, Witnesses: []Witness{ByMemory},
			Because: fmt.Sprintf("memory grows steadily, by %s a minute: its limit is reached in %s", bytesOf(slope*60), roughly(left)),
			Advice:  "look at the process while it runs; recoveryd restarts it when it is at its limit"}
	},
}

// poolTrendCondition: the pool fills steadily and will be used up soon.
var poolTrendCondition = Condition{
	Class: ClassPool, Kinds: []Kind{KindService}, Severity: P3,
	Looks:   1,
	Summary: "the pool fills steadily and is used up within minutes: a warning only",
	Match: func(o Observation, _ Background) Finding {
		f := o.Facts
		left, ok := f.Duration(TrendPoolLeft)
		slope, fills := f.Num(TrendPoolSlope)
		used, most, counted := poolUse(f)
		if !ok || !fills || !(slope > 0) || left > soonPool || !counted || used < poolWorth*most {
			return Finding{}
		}
		return Finding{Verdict: Degraded, Witnesses: []Witness{ByHTTP},
			Because: fmt.Sprintf("the connection pool fills steadily, %.0f of %.0f in use: it is used up in %s", used, most, roughly(left))}
	},
}

// roughly prints a time that is only estimated.
func roughly(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "seconds"
	case d < 2*time.Minute:
		return fmt.Sprintf("about %.0f s", d.Seconds())
	}
	return fmt.Sprintf("about %.0f min", d.Minutes())
}

// answerTime is the time by which a service's answers are judged: the p95 of the last minutes when it
// is known, since one slow answer is none, or else this answer.
func answerTime(f Facts) (d time.Duration, words string, ok bool) {
	if d, ok := f.Duration(TrendLatencyP95); ok {
		return d, "one health reply in 20 took " + short(d) + " or longer in the last minutes", true
	}
	d, ok = f.Duration(HTTPLatency)
	return d, "the health reply took " + short(d), ok
}

// degradedWords adds since when the service has called itself degraded.
func degradedWords(f Facts) string {
	if d, ok := f.Duration(TrendDegradedFor); ok && d >= lasting {
		return " for " + short(d.Truncate(time.Second))
	}
	return ""
}
