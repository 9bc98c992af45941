package incident

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// options is the host of the stories: two servers that need one PostgreSQL cluster, with the
// limits of the default configuration.
func options(t *testing.T) Options {
	t.Helper()
	set, err := strategy.NewSet(strategy.Builtin()...)
	require.NoError(t, err)
	server := func(name string) detect.Target {
		return detect.Target{Name: name, Kind: detect.KindService, Platform: "systemd", Object: name + "-mcp.service",
			DependsOn: []string{"postgres"}, StartGrace: 15 * time.Second, StopGrace: 5 * time.Second,
			Limits: detect.Limits{PoolFull: 0.95, PoolHigh: 0.8, MemoryFull: 0.95, MemoryHigh: 0.8},
			Pool: detect.Pool{Application: name, Database: "postgres", EnvFile: "/run/recoveryd/" + name + ".env", EnvKey: "POOL_MAX_SIZE",
				Initial: 30, Cap: 50, Factor: 1.5},
			Memory: detect.Memory{Cap: 1 << 30, Factor: 1.5}}
	}
	return Options{
		Targets: []detect.Target{server("codebase"), server("workflow"),
			{Name: "postgres", Kind: detect.KindPostgres, Platform: "systemd", Object: "postgresql@15-main.service",
				StartGrace: 30 * time.Second, StopGrace: 10 * time.Second}},
		Strategies: set,
		Limits: Limits{Target: Budget{4, time.Hour}, Host: Budget{10, time.Hour}, Concurrent: 1, StallMemory: 20, StallIO: 40,
			Backoff: Backoff{Initial: 5 * time.Second, Factor: 2, Max: 5 * time.Minute}, StormTargets: 5, StormWindow: time.Minute},
		PageAfter:  PageAfter{Held: 5 * time.Minute, Unknown: 10 * time.Minute, Unresolved: 15 * time.Minute},
		Escalation: Ages{0, 15 * time.Minute, time.Hour},
		Probation:  2 * time.Minute,
	}
}

// but returns the facts with some replaced. A reading with Err and a missing fact are told apart:
// pass detect.NotMeasured for the one, and gone for the other.
func but(f detect.Facts, changes ...any) detect.Facts {
	out := maps.Clone(f)
	for i := 0; i < len(changes); i += 2 {
		name := changes[i].(string)
		switch v := changes[i+1].(type) {
		case detect.Reading:
			out[name] = v
		case string:
			out[name] = detect.Word(v)
		case int:
			out[name] = detect.Num(float64(v))
		case float64:
			out[name] = detect.Num(v)
		case bool:
			out[name] = detect.Flag(v)
		case struct{}:
			delete(out, name)
		default:
			panic("no reading can be made of it")
		}
	}
	return out
}

// gone takes a fact away.
var gone = struct{}{}

// well is a server that serves, in the given run of its unit.
func well(run string) detect.Facts {
	return but(detect.Facts{},
		detect.WorkloadState, detect.StateRunning, detect.WorkloadNoun, "unit", detect.WorkloadManager, "systemd",
		detect.WorkloadRun, run, detect.WorkloadPolicy, "no", detect.WorkloadSince, 0, detect.WorkloadWatched, true,
		detect.HTTPOutcome, detect.OutcomeReply, detect.HTTPStatus, 200, detect.HTTPLatency, 0.02,
		detect.HealthStatus, "healthy", detect.HealthDatabase, "connected",
		detect.PoolMin, 2, detect.PoolMax, 30, detect.PoolSize, 10, detect.PoolFree, 8,
		detect.SocketConnect, "ok")
}

// crashed is a server whose process died in the given run.
func crashed(run string) detect.Facts {
	return but(noReply(run), detect.WorkloadState, detect.StateFailed,
		detect.WorkloadWords, "unit failed (result signal, killed 9)", detect.WorkloadExitKind, "killed", detect.WorkloadExitCode, 9, detect.WorkloadDeparture, detect.DepartureCrash,
		detect.HTTPOutcome, detect.OutcomeRefused, detect.HTTPLatency, gone, detect.SocketConnect, "refused")
}

// stopped is a server that a person stopped.
func stopped(run string) detect.Facts {
	return but(crashed(run), detect.WorkloadState, detect.StateStopped,
		detect.WorkloadDeparture, detect.DepartureStopped)
}

// noReply is a server that accepts connections and does not answer.
func noReply(run string) detect.Facts {
	return but(well(run), detect.HTTPOutcome, detect.OutcomeNoReply, detect.HTTPLatency, 5.0, detect.HTTPStatus, gone,
		detect.HealthStatus, gone, detect.HealthDatabase, gone,
		detect.PoolMin, gone, detect.PoolMax, gone, detect.PoolSize, gone, detect.PoolFree, gone)
}

// starting is a server on its way up since the given time.
func starting(run string, since time.Time) detect.Facts {
	return but(noReply(run), detect.HTTPOutcome, detect.OutcomeRefused, detect.HTTPLatency, gone, detect.SocketConnect, "refused",
		detect.WorkloadSince, float64(since.UnixMicro())/1e6)
}

// full is a server whose pool is used up, as the server itself and PostgreSQL say.
func full(run string) detect.Facts {
	return but(well(run), detect.HealthStatus, "unhealthy", detect.HealthDatabase, "disconnected", detect.HTTPStatus, 503,
		detect.PoolSize, 30, detect.PoolFree, 0)
}

// database is a cluster that answers.
func database(run string) detect.Facts {
	return but(detect.Facts{},
		detect.WorkloadState, detect.StateRunning, detect.WorkloadNoun, "unit", detect.WorkloadManager, "systemd",
		detect.WorkloadRun, run, detect.WorkloadPolicy, "no", detect.WorkloadWatched, true,
		detect.SQLOutcome, detect.SQLOK, detect.SQLUsed, 25, detect.SQLMax, 100,
		detect.SQLAppSessions+"codebase", 10, detect.SQLAppSessions+"workflow", 10)
}

// busy is a cluster that counts so many sessions of codebase.
func busy(run string, sessions int) detect.Facts {
	return but(database(run), detect.SQLAppSessions+"codebase", sessions)
}

// frozen is a cluster that accepts connections and never answers.
func frozen(run string) detect.Facts {
	return but(database(run), detect.SQLOutcome, detect.SQLFrozen, detect.SQLLatency, 3.0, detect.SQLUsed, gone, detect.SQLMax, gone,
		detect.SQLAppSessions+"codebase", gone, detect.SQLAppSessions+"workflow", gone)
}

// dead is a cluster whose postmaster was killed.
func dead(run string) detect.Facts {
	return but(frozen(run), detect.SQLOutcome, detect.SQLRefused, detect.WorkloadState, detect.StateFailed,
		detect.WorkloadDeparture, detect.DepartureCrash)
}

// saturated is a cluster that has no connection left.
func saturated(run string) detect.Facts {
	return but(frozen(run), detect.SQLOutcome, detect.SQLSaturated, detect.SQLState, "53300")
}
