package report_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// host is a small world around the real core: what is reported on here was decided by
// incident.Policy and rendered by engine.Renderer, not written down by hand.
type host struct {
	t       *testing.T
	p       *incident.Policy
	s       incident.State
	now     time.Time
	facts   map[string]detect.Facts
	due     map[string]time.Time
	wakes   map[string]time.Time
	ends    []end
	do      func(strategy.Action) end // what an action does; at is how long it takes
	kept    []incident.Record
	rows    []queue.Queued
	deliver func(*queue.Queued) // what becomes of a notice
}

// end is the end of an action.
type end struct {
	at     time.Time
	took   time.Duration
	result incident.Result
	detail string
	then   func()
	ev     incident.Event
}

const mcp, pg = "codebase-mcp", "postgres"

func newHost(t *testing.T, change ...func(*incident.Options)) *host {
	t.Helper()
	set, err := strategy.NewSet(strategy.Builtin()...)
	require.NoError(t, err)
	server := func(name string) detect.Target {
		return detect.Target{Name: name, Kind: detect.KindService, Platform: "systemd", Object: name + ".service",
			DependsOn: []string{pg}, StartGrace: 15 * time.Second, StopGrace: 5 * time.Second,
			Limits: detect.Limits{PoolFull: 0.95, PoolHigh: 0.8, MemoryFull: 0.95, MemoryHigh: 0.8},
			Pool: detect.Pool{Application: name, Database: pg, EnvFile: "/run/recoveryd/env/" + name + ".env", EnvKey: "POOL_MAX_SIZE",
				Initial: 30, Cap: 50, Factor: 1.5}}
	}
	o := incident.Options{
		Targets: []detect.Target{server(mcp), server("workflow-mcp"),
			{Name: pg, Kind: detect.KindPostgres, Platform: "systemd", Object: "postgresql@15-main.service", StartGrace: 30 * time.Second, StopGrace: 10 * time.Second}},
		Strategies: set,
		Limits: incident.Limits{Target: incident.Budget{Actions: 4, Window: time.Hour}, Host: incident.Budget{Actions: 10, Window: time.Hour}, Concurrent: 1,
			Backoff: incident.Backoff{Initial: 5 * time.Second, Factor: 2, Max: 5 * time.Minute}, StormTargets: 5, StormWindow: time.Minute},
		PageAfter:  incident.PageAfter{Held: 5 * time.Minute, Unknown: 10 * time.Minute, Unresolved: 15 * time.Minute},
		Escalation: incident.Ages{0, 15 * time.Minute, time.Hour},
		Probation:  2 * time.Minute,
	}
	for _, c := range change {
		c(&o)
	}
	p, err := incident.NewPolicy(o)
	require.NoError(t, err)
	began := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	h := &host{t: t, p: p, s: incident.NewState(), now: began, due: map[string]time.Time{}, wakes: map[string]time.Time{},
		facts: map[string]detect.Facts{mcp: well("c1"), "workflow-mcp": well("w1"), pg: database("p1")},
		do:    func(strategy.Action) end { return end{took: 300 * time.Millisecond, result: incident.ResultDone} },
		deliver: func(q *queue.Queued) {
			q.State, q.Attempts, q.TriedAt, q.Settled = queue.Delivered, 1, q.Enqueued, q.Enqueued.Add(400*time.Millisecond)
		}}
	for _, x := range p.Targets() {
		h.due[x.Name] = began
	}
	return h
}

// run lets the host go on: looks every 5 s and when asked for, wakes, ends of actions.
func (h *host) run(d time.Duration) *host {
	h.t.Helper()
	for until := h.now.Add(d); ; {
		at, do := until, func() {}
		earlier := func(t time.Time, f func()) {
			if t.Before(at) {
				at, do = t, f
			}
		}
		for n, e := range h.ends {
			earlier(e.at, func() {
				h.ends = append(h.ends[:n:n], h.ends[n+1:]...)
				if e.then != nil {
					e.then()
				}
				h.step(e.ev)
			})
		}
		for _, x := range h.p.Targets() {
			if w, ok := h.wakes[x.Name]; ok {
				earlier(w, func() {
					delete(h.wakes, x.Name)
					h.step(incident.Event{Kind: incident.Woke, Target: x.Name})
				})
			}
			earlier(h.due[x.Name], func() {
				h.now = h.now.Add(3 * time.Millisecond)
				h.due[x.Name] = h.now.Add(5 * time.Second)
				h.step(incident.Event{Kind: incident.Observed, Target: x.Name, Observation: &detect.Observation{Target: x.Name, At: h.now, Facts: h.facts[x.Name]}})
			})
		}
		if !at.Before(until) {
			h.now = until
			return h
		}
		if at.After(h.now) {
			h.now = at
		}
		do()
	}
}

// says is a person's command.
func (h *host) says(c incident.Command) {
	h.step(incident.Event{Kind: incident.Operator, Target: mcp, Command: &c})
}

func (h *host) step(ev incident.Event) {
	next, rec := h.p.Step(h.s, h.now, ev)
	h.s = next
	if rec.Durable() {
		h.kept = append(h.kept, rec)
	}
	for _, e := range rec.Effects {
		switch e.Kind {
		case incident.Look:
			if at := h.now.Add(e.After); at.Before(h.due[e.Target]) {
				h.due[e.Target] = at
			}
		case incident.Wake:
			h.wakes[e.Target] = e.At
		case incident.Perform:
			x := h.do(*e.Action)
			x.at = h.now.Add(x.took)
			x.ev = incident.Event{Kind: incident.Ended, Target: e.Target, ActionID: e.ActionID, Result: x.result, Detail: x.detail}
			h.ends = append(h.ends, x)
		case incident.Notify:
			i := rec.Incident
			if i == nil {
				i = h.s.Incidents[h.s.Targets[e.Target].Incident]
			}
			n := engine.Renderer{Host: "db1"}.Render(*e.Notice, *i, rec.At)
			n.ID = fmt.Sprintf("%s#%d", n.Key, rec.Seq)
			for _, q := range queue.NewQueued(rec.At, n, "pagerduty", "slack") {
				h.deliver(&q)
				h.rows = append(h.rows, q)
			}
		}
	}
}

// only returns the records and the last state of one incident, as the journal gives them.
func (h *host) only(target string) (i incident.Incident, recs []incident.Record) {
	h.t.Helper()
	for _, r := range h.kept {
		if r.Incident != nil && r.Incident.Target == target {
			i = *r.Incident
		}
	}
	require.NotEmpty(h.t, i.ID, "%s has had no incident", target)
	for _, r := range h.kept {
		if r.Incident != nil && r.Incident.ID == i.ID || r.Incident == nil && r.After != nil && r.After.Incident == i.ID {
			recs = append(recs, r)
		}
	}
	return i, recs
}

func but(f detect.Facts, changes ...any) detect.Facts {
	out := maps.Clone(f)
	for i := 0; i < len(changes); i += 2 {
		name := changes[i].(string)
		switch v := changes[i+1].(type) {
		case string:
			out[name] = detect.Word(v)
		case int:
			out[name] = detect.Num(float64(v))
		case float64:
			out[name] = detect.Num(v)
		case bool:
			out[name] = detect.Flag(v)
		case nil:
			delete(out, name)
		}
	}
	return out
}

// well is a server that serves, in the given run of its unit.
func well(run string) detect.Facts {
	return but(detect.Facts{},
		detect.WorkloadState, detect.StateRunning, detect.WorkloadNoun, "unit", detect.WorkloadManager, "systemd",
		detect.WorkloadRun, run, detect.WorkloadPolicy, "no", detect.WorkloadSince, 0, detect.WorkloadWatched, true,
		detect.HTTPOutcome, detect.OutcomeReply, detect.HTTPStatus, 200, detect.HTTPLatency, 0.02,
		detect.HealthStatus, "healthy", detect.HealthDatabase, "connected",
		detect.PoolMin, 2, detect.PoolMax, 30, detect.PoolSize, 10, detect.PoolFree, 8, detect.SocketConnect, "ok")
}

// noReply is a server that accepts connections and does not answer.
func noReply(run string) detect.Facts {
	return but(well(run), detect.HTTPOutcome, detect.OutcomeNoReply, detect.HTTPLatency, 5.0, detect.HTTPStatus, nil,
		detect.HealthStatus, nil, detect.HealthDatabase, nil, detect.PoolMin, nil, detect.PoolMax, nil, detect.PoolSize, nil, detect.PoolFree, nil)
}

// crashed is a server whose process died in the given run.
func crashed(run string) detect.Facts {
	return but(noReply(run), detect.WorkloadState, detect.StateFailed,
		detect.WorkloadWords, "unit failed (result signal, killed 9)", detect.WorkloadExitKind, "killed", detect.WorkloadExitCode, 9, detect.WorkloadDeparture, detect.DepartureCrash,
		detect.HTTPOutcome, detect.OutcomeRefused, detect.HTTPLatency, nil, detect.SocketConnect, "refused")
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
		detect.SQLAppSessions+mcp, 10, detect.SQLAppSessions+"workflow-mcp", 10)
}

// dead is a cluster whose postmaster was killed.
func dead(run string) detect.Facts {
	return but(database(run), detect.SQLOutcome, detect.SQLRefused, detect.SQLLatency, 3.0, detect.SQLUsed, nil, detect.SQLMax, nil,
		detect.SQLAppSessions+mcp, nil, detect.SQLAppSessions+"workflow-mcp", nil, detect.WorkloadState, detect.StateFailed,
		detect.WorkloadDeparture, detect.DepartureCrash)
}
