package hosttest

import (
	"maps"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// With returns the facts with some replaced: pairs of a name and a number, word, truth or
// detect.Reading; nil takes a fact away.
func With(f detect.Facts, changes ...any) detect.Facts {
	out := maps.Clone(f)
	if out == nil {
		out = detect.Facts{}
	}
	for i := 0; i < len(changes); i += 2 {
		name := changes[i].(string)
		switch v := changes[i+1].(type) {
		case nil:
			delete(out, name)
		case detect.Reading:
			out[name] = v
		case string:
			out[name] = detect.Word(v)
		case bool:
			out[name] = detect.Flag(v)
		case int:
			out[name] = detect.Num(float64(v))
		case float64:
			out[name] = detect.Num(v)
		default:
			panic("hosttest: no reading can be made of it")
		}
	}
	return out
}

// Serving is a server that serves, in the given run of its unit.
func Serving(run string) detect.Facts {
	return With(nil,
		detect.WorkloadState, detect.StateRunning, detect.WorkloadNoun, "unit", detect.WorkloadManager, "systemd",
		detect.WorkloadRun, run, detect.WorkloadPolicy, "no", detect.WorkloadSince, 0, detect.WorkloadWatched, true,
		detect.HTTPOutcome, detect.OutcomeReply, detect.HTTPStatus, 200, detect.HTTPLatency, 0.018,
		detect.HealthStatus, "healthy", detect.HealthDatabase, "connected",
		detect.PoolMin, 2, detect.PoolMax, 30, detect.PoolSize, 10, detect.PoolFree, 4, detect.PoolUtilization, 0.2,
		detect.MemoryCurrent, 412<<20, detect.MemoryMax, 1<<30, detect.ProcessRSS, 390<<20, detect.SocketConnect, "ok")
}

// Silent is a server that accepts connections and does not answer.
func Silent(run string) detect.Facts {
	return With(Serving(run), detect.HTTPOutcome, detect.OutcomeNoReply, detect.HTTPLatency, 3.0, detect.HTTPStatus, nil,
		detect.HealthStatus, nil, detect.HealthDatabase, nil, detect.PoolMin, nil, detect.PoolMax, nil, detect.PoolSize, nil,
		detect.PoolFree, nil, detect.PoolUtilization, nil)
}

// Crashed is a server whose process was killed.
func Crashed(run string) detect.Facts {
	return With(Silent(run), detect.WorkloadState, detect.StateFailed,
		detect.WorkloadWords, "unit failed (result signal, killed 9)", detect.WorkloadExitKind, "killed", detect.WorkloadExitCode, 9, detect.WorkloadDeparture, detect.DepartureCrash,
		detect.HTTPOutcome, detect.OutcomeRefused, detect.HTTPLatency, nil, detect.SocketConnect, "refused",
		detect.MemoryCurrent, nil, detect.ProcessRSS, nil)
}

// Stopped is a server that a person stopped.
func Stopped(run string) detect.Facts {
	return With(Crashed(run), detect.WorkloadState, detect.StateStopped,
		detect.WorkloadDeparture, detect.DepartureStopped)
}

// PoolFull is a server whose pool is used up, as it says itself; see also Busy.
func PoolFull(run string) detect.Facts {
	return With(Serving(run), detect.HealthStatus, "unhealthy", detect.HealthDatabase, "disconnected", detect.HTTPStatus, 503,
		detect.HTTPLatency, 1.02, detect.PoolSize, 30, detect.PoolFree, 0, detect.PoolUtilization, 1)
}

// Cluster is a PostgreSQL that answers.
func Cluster(run string) detect.Facts {
	return With(nil,
		detect.WorkloadState, detect.StateRunning, detect.WorkloadNoun, "unit", detect.WorkloadManager, "systemd",
		detect.WorkloadRun, run, detect.WorkloadPolicy, "no", detect.WorkloadWatched, true,
		detect.SQLOutcome, detect.SQLOK, detect.SQLLatency, 0.0042, detect.SQLUsed, 23, detect.SQLMax, 100,
		detect.SQLAppSessions+"codebase-mcp", 10, detect.SQLAppSessions+"workflow-mcp", 10, detect.MemoryCurrent, 890<<20)
}

// Busy is a cluster that counts so many sessions of codebase-mcp.
func Busy(run string, sessions int) detect.Facts {
	return With(Cluster(run), detect.SQLAppSessions+"codebase-mcp", sessions, detect.SQLUsed, 13+sessions)
}

// Dead is a cluster whose postmaster was killed.
func Dead(run string) detect.Facts {
	return With(Cluster(run), detect.SQLOutcome, detect.SQLRefused, detect.SQLLatency, nil, detect.SQLUsed, nil, detect.SQLMax, nil,
		detect.SQLAppSessions+"codebase-mcp", nil, detect.SQLAppSessions+"workflow-mcp", nil, detect.MemoryCurrent, nil,
		detect.WorkloadState, detect.StateFailed, detect.WorkloadDeparture, detect.DepartureCrash)
}

// Answering is a plain dependency that answers.
func Answering(run string) detect.Facts {
	return With(nil, detect.PlainOutcome, "ok", detect.SocketConnect, "ok", detect.SocketLatency, 0.0006,
		detect.WorkloadState, detect.StateRunning, detect.WorkloadNoun, "unit", detect.WorkloadManager, "systemd",
		detect.WorkloadRun, run, detect.WorkloadPolicy, "no", detect.MemoryCurrent, 58<<20)
}
