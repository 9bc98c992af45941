package hosttest

import (
	"math"
	"testing"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// wander lets the measured numbers of a healthy host move as they do on a real one: slow waves,
// the same every time.
func (h *Host) wander(target string, now time.Time) {
	f := h.Facts[target]
	x := float64(now.Unix()) / 60
	phase := float64(len(target))
	wave := func(mid, swing float64, period float64) float64 {
		return mid + swing*math.Sin(2*math.Pi*x/period+phase) + swing*0.4*math.Sin(2*math.Pi*x/(period*0.23)+2*phase)
	}
	switch {
	case f.Text(detect.HTTPOutcome) == detect.OutcomeReply && f.Text(detect.HealthStatus) == "healthy":
		f = With(f, detect.HTTPLatency, max(0.003, wave(0.022, 0.008, 13)), detect.MemoryCurrent, math.Round(wave(420, 35, 47))*(1<<20))
		f = With(f, detect.ProcessRSS, f[detect.MemoryCurrent].Value*0.94)
		if most, ok := f.Num(detect.PoolMax); ok {
			used := math.Round(max(0, wave(0.27, 0.13, 17)*most))
			f = With(f, detect.PoolSize, max(used, 10), detect.PoolFree, max(used, 10)-used, detect.PoolUtilization, used/most)
		}
	case f.Text(detect.SQLOutcome) == detect.SQLOK:
		f = With(f, detect.SQLLatency, max(0.001, wave(0.005, 0.002, 11)), detect.SQLUsed, math.Round(wave(24, 6, 17)))
	case f.Text(detect.PlainOutcome) == "ok":
		f = With(f, detect.SocketLatency, max(0.0002, wave(0.0007, 0.0003, 9)))
	}
	h.Facts[target] = f
}

// Night is a host that has been watched for an hour and a half up to now: a server crashed and was
// started again an hour ago, another ran out of connections and was cured without a restart, a
// blip came and went. All is well at its end. told is called with every record; nil = nobody.
func Night(tb testing.TB, now time.Time, told func(incident.Record)) *Host {
	tb.Helper()
	h := New(tb, now.Add(-90*time.Minute), Options(tb))
	h.Told, h.Before = told, h.wander
	h.Run(34 * time.Minute)

	h.Facts["workflow-mcp"] = Crashed("run-1")
	h.Do = func(a strategy.Action) incident.Result {
		if a.Target == "workflow-mcp" {
			h.Facts["workflow-mcp"] = Serving("run-2")
		}
		return incident.ResultDone
	}
	h.Run(18 * time.Minute)

	h.Facts["codebase-mcp"], h.Facts["postgres"] = PoolFull("run-1"), Busy("run-1", 30)
	h.Do = func(a strategy.Action) incident.Result {
		if a.Verb == strategy.PGTerminateIdle || a.Verb == strategy.PGTerminateLong {
			h.Facts["codebase-mcp"], h.Facts["postgres"] = Serving("run-1"), Cluster("run-1")
		}
		return incident.ResultDone
	}
	h.Run(20 * time.Minute)

	h.Facts["redis"] = With(Answering("run-1"), detect.PlainOutcome, "timeout", detect.SocketLatency, nil)
	h.Run(6 * time.Second)
	h.Facts["redis"] = Answering("run-1")
	h.Do = nil
	h.Run(h.untilNow(now))
	return h
}

func (h *Host) untilNow(now time.Time) time.Duration { return max(0, now.Sub(h.Now())) }

// DatabaseDead is the night with a database that was killed three minutes ago and whose starts do
// not help: the two servers that need it wait, people were told.
func DatabaseDead(tb testing.TB, now time.Time, told func(incident.Record)) *Host {
	tb.Helper()
	h := Night(tb, now.Add(-3*time.Minute), told)
	h.Facts["postgres"] = With(Dead("run-1"))
	lost := func(f detect.Facts) detect.Facts {
		return With(f, detect.HealthStatus, "unhealthy", detect.HealthDatabase, "disconnected", detect.HTTPStatus, 503,
			detect.PoolSize, 0, detect.PoolFree, 0, detect.PoolUtilization, 0)
	}
	h.Facts["codebase-mcp"], h.Facts["workflow-mcp"] = lost(Serving("run-1")), lost(Serving("run-2"))
	h.Do = func(strategy.Action) incident.Result { return incident.ResultFailed }
	h.Run(h.untilNow(now))
	return h
}
