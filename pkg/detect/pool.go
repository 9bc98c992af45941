package detect

import (
	"fmt"
	"time"
)

// poolCondition: the service's own pool is used up. It is judged before anything is believed
// about the database, because the real server reports a full pool as "disconnected".
var poolCondition = Condition{
	Class: ClassPool, Kinds: []Kind{KindService}, Severity: P2,
	Looks: 3, Clear: 5 * time.Second,
	Ladder:  []string{"terminate-idle", "terminate-long", "resize-pool", "grow-pool", "restart"},
	Summary: "the service's connection pool is used up: saturation, the database is never restarted for it",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		if !understood(f) {
			return Finding{}
		}
		full, high := orDefault(b.Target.Limits.PoolFull, 0.95), orDefault(b.Target.Limits.PoolHigh, 0.8)
		used, max, counted := poolUse(f)
		share, measured := f.Num(PoolUtilization)
		if counted {
			share, measured = used/max, true
		} else if !measured {
			share, measured = f.Num(PoolReported)
		}
		if !measured {
			fd, _ := tooManySessions(o, b)
			return fd
		}
		said := ""
		if f.Text(HealthDatabase) == "disconnected" && poolFull(f) {
			said = "; the reply calls that \"disconnected\", as it does whenever its own probe finds no free connection"
		}
		if share >= full {
			fd := Finding{Verdict: Unhealthy, Witnesses: []Witness{ByHTTP},
				Because: fmt.Sprintf("the connection pool is used up: %s%s", poolWords(used, max, share, counted), said)}
			if f.False(SyntheticOK) && !f.True(SyntheticPart) {
				fd.Witnesses = append(fd.Witnesses, BySynthetic)
				fd.Because += "; a call of real work fails"
			}
			if n, ok := sessionsAtDatabase(o, b); ok && counted && n >= full*max {
				fd.Witnesses = append(fd.Witnesses, BySQL)
				fd.Because += fmt.Sprintf("; PostgreSQL counts %.0f sessions of %s", n, b.Target.Pool.Application)
			}
			return fd
		}
		if fd, crowded := tooManySessions(o, b); crowded {
			return fd
		}
		if share >= high {
			return Finding{Verdict: Degraded, Witnesses: []Witness{ByHTTP},
				Because: "the connection pool is filling: " + poolWords(used, max, share, counted)}
		}
		if busy, size, ok := busyButGrowing(f, b); ok {
			return Finding{Verdict: Degraded, Witnesses: []Witness{ByHTTP},
				Because: fmt.Sprintf("the service calls itself unhealthy at %.0f of %.0f open connections, but its pool may grow to %.0f", busy, size, max)}
		}
		if used, size := poolOpen(f); f.Text(HealthStatus) == "degraded" && counted && size > 0 && used/size >= high && !explainsItself(f) {
			return Finding{Verdict: Degraded, Witnesses: []Witness{ByHTTP},
				Because: fmt.Sprintf("the service calls itself degraded%s at %.0f of %.0f open connections; its pool may grow to %.0f", degradedWords(f), used, size, max)}
		}
		return Finding{}
	},
}

// poolOpen returns connections in use and those that are open now: the servers' own measure.
func poolOpen(f Facts) (used, size float64) {
	used, _, _ = poolUse(f)
	size, _ = f.Num(PoolSize)
	return used, size
}

// explainsItself reports a reply that names its database as what is wrong with it.
func explainsItself(f Facts) bool {
	db := f.Text(HealthDatabase)
	return db != "" && db != "connected"
}

// tooManySessions recognises sessions of the application that its own pool does not account for:
// PostgreSQL counts more than the operator says there may be.
func tooManySessions(o Observation, b Background) (Finding, bool) {
	limit := b.Target.Pool.Sessions
	n, ok := sessionsAtDatabase(o, b)
	if limit <= 0 || !ok || n < float64(limit) {
		return Finding{}, false
	}
	fd := Finding{Verdict: Unhealthy, Witnesses: []Witness{BySQL},
		Because: fmt.Sprintf("PostgreSQL counts %.0f sessions of %s, and %d are its limit", n, b.Target.Pool.Application, limit)}
	if used, max, counted := poolUse(o.Facts); counted {
		fd.Because += fmt.Sprintf("; its own pool has %.0f of %.0f in use", used, max)
	}
	return fd, true
}

// busyButGrowing recognises a server that calls itself unhealthy because nearly all connections
// that are open now are busy, while its pool is not used up: more may be opened.
func busyButGrowing(f Facts, b Background) (used, size float64, ok bool) {
	used, max, counted := poolUse(f)
	size, _ = f.Num(PoolSize)
	ok = f.Text(HealthStatus) == "unhealthy" && f.Text(HealthDatabase) == "connected" && counted && size > 0 &&
		used/size > 0.95 && // the server's own threshold, of the connections open now
		used/max < orDefault(b.Target.Limits.PoolFull, 0.95)
	return used, size, ok
}

func poolWords(used, max, share float64, counted bool) string {
	if counted {
		return fmt.Sprintf("%.0f of %.0f connections in use (%s)", used, max, percent(share))
	}
	return fmt.Sprintf("%s in use as reported", percent(share))
}

// sessionsAtDatabase returns how many sessions PostgreSQL counts for the service's application.
func sessionsAtDatabase(o Observation, b Background) (float64, bool) {
	if b.Target.Pool.Application == "" {
		return 0, false
	}
	for _, n := range b.Needs {
		if n.Target.Kind == KindPostgres && b.fresh(n, o.At) &&
			(b.Target.Pool.Database == "" || b.Target.Pool.Database == n.Target.Name) {
			if v, ok := n.Observation.Facts.Num(SQLAppSessions + b.Target.Pool.Application); ok {
				return v, true
			}
		}
	}
	return 0, false
}
