package hosttest

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Poll is the time between two looks when nothing asks for one sooner.
const Poll = 5 * time.Second

// Host is a small world with its own clock. Its exported fields are set before Run; the methods
// of the daemon (see daemon.go) are safe for concurrent use with it.
type Host struct {
	TB    testing.TB
	Facts map[string]detect.Facts // as the next look sees each target
	// Do says how an action ends and what it does to Facts; nil = it is done and changes nothing.
	Do func(strategy.Action) incident.Result
	// Told is called with every record, as the engine's meter is.
	Told func(incident.Record)
	// Before is called before every look, for facts that wander.
	Before func(target string, now time.Time)

	mu     sync.Mutex // guards what follows
	now    time.Time
	policy *incident.Policy
	state  incident.State
	kept   []incident.Record
	past   map[string]incident.Incident
	looks  map[string]time.Time
	wakes  map[string]time.Time
	ends   []ending
	alive  error
	// warnings are what Warn said.
	warnings []string
}

type ending struct {
	at time.Time
	ev incident.Event
}

// Options are the six targets with the limits of the default configuration.
func Options(tb testing.TB) incident.Options {
	tb.Helper()
	set, err := strategy.NewSet(strategy.Builtin()...)
	require.NoError(tb, err)
	limits := detect.Limits{PoolFull: 0.95, PoolHigh: 0.8, MemoryFull: 0.95, MemoryHigh: 0.8, Latency: 2 * time.Second, DiskFull: 0.95}
	server := func(name string, needs ...string) detect.Target {
		return detect.Target{Name: name, Kind: detect.KindService, Platform: "systemd", Object: name + ".service", DependsOn: needs,
			StartGrace: 15 * time.Second, StopGrace: 5 * time.Second, Limits: limits,
			Pool: detect.Pool{Application: name, Database: "postgres", EnvFile: "/run/recoveryd/env/" + name + ".env", EnvKey: "DB_POOL_SIZE",
				Initial: 20, Cap: 50, Factor: 1.5, IdleAfter: 5 * time.Minute, LongAfter: 10 * time.Minute},
			Memory: detect.Memory{Cap: 2 << 30, Factor: 1.5}}
	}
	task := server("task-mcp")
	task.Pool = detect.Pool{}
	return incident.Options{
		Targets: []detect.Target{
			{Name: "postgres", Kind: detect.KindPostgres, Platform: "systemd", Object: "postgresql@15-main.service",
				StartGrace: 30 * time.Second, StopGrace: 10 * time.Second, Limits: limits},
			server("codebase-mcp", "postgres", "ollama"), server("workflow-mcp", "postgres", "redis"), task,
			{Name: "redis", Kind: detect.KindPlain, Platform: "systemd", Object: "redis-server.service"},
			{Name: "ollama", Kind: detect.KindPlain, External: true},
		},
		Strategies: set,
		Playbooks:  playbooks(),
		Limits: incident.Limits{Target: incident.Budget{Actions: 4, Window: time.Hour}, Host: incident.Budget{Actions: 10, Window: time.Hour},
			Concurrent: 1, Backoff: incident.Backoff{Initial: 5 * time.Second, Factor: 2, Max: 5 * time.Minute}, StormTargets: 5, StormWindow: time.Minute},
		PageAfter:  incident.PageAfter{Held: 5 * time.Minute, Unknown: 10 * time.Minute, Unresolved: 15 * time.Minute},
		Escalation: incident.Ages{0, 15 * time.Minute, time.Hour},
		Probation:  2 * time.Minute,
	}
}

// playbooks are two that touch no target: one that a person starts, and one that waits for a second.
func playbooks() []strategy.Playbook {
	step := func(name string, do strategy.StepKind, verb strategy.Verb, approval bool) []strategy.Step {
		return []strategy.Step{{Name: name, Do: do, Timeout: 10 * time.Second, Approval: approval,
			Action: &strategy.Action{Verb: verb, Object: name, Timeout: 10 * time.Second}}}
	}
	return []strategy.Playbook{
		{Name: "clear-caches", Description: "empty the caches", Timeout: time.Hour, Severity: detect.P2, Steps: step("clean /var/cache/mcp", strategy.StepClean, strategy.CacheClean, false)},
		{Name: "restore", Description: "restore the last known good backup", Timeout: time.Hour, Severity: detect.P1,
			Steps: step("restore the backup", strategy.StepCommand, strategy.CommandRun, true)},
	}
}

// New makes a host whose targets are all well, at the given time.
func New(tb testing.TB, start time.Time, o incident.Options) *Host {
	tb.Helper()
	p, err := incident.NewPolicy(o)
	require.NoError(tb, err)
	h := &Host{TB: tb, Facts: map[string]detect.Facts{}, now: start, policy: p, state: incident.NewState(), past: map[string]incident.Incident{},
		looks: map[string]time.Time{}, wakes: map[string]time.Time{}}
	for i, t := range o.Targets {
		switch t.Kind {
		case detect.KindPostgres:
			h.Facts[t.Name] = Cluster("run-1")
		case detect.KindService:
			h.Facts[t.Name] = Serving("run-1")
		case detect.KindPlain:
			h.Facts[t.Name] = Answering("run-1")
		}
		h.looks[t.Name] = start.Add(time.Duration(i) * 200 * time.Millisecond)
	}
	task := h.Facts["task-mcp"]
	for _, f := range []string{detect.PoolMin, detect.PoolMax, detect.PoolSize, detect.PoolFree, detect.PoolUtilization} {
		delete(task, f) // it uses no database
	}
	return h
}

// Now is the host's time.
func (h *Host) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// Run lets so much time pass: looks, wakes and ends of actions happen as the core asked for them.
func (h *Host) Run(d time.Duration) {
	h.TB.Helper()
	until := h.Now().Add(d)
	for {
		at, ev := h.next(until)
		if ev == nil {
			h.mu.Lock()
			h.now = until
			h.mu.Unlock()
			return
		}
		h.mu.Lock()
		h.now = at
		h.mu.Unlock()
		h.step(*ev)
	}
}

// Say is a person's word about a target ("" = the host).
func (h *Host) Say(target string, c incident.Command) incident.Record {
	return h.step(incident.Event{Kind: incident.Operator, Target: target, Command: &c})
}

// Impair says what recoveryd itself lacks; "" mends it.
func (h *Host) Impair(why string) { h.step(incident.Event{Kind: incident.Impaired, Detail: why}) }

// Stick makes the daemon wedged, or not when nil.
func (h *Host) Stick(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.alive = err
}

// Warn says what should be mended about the daemon.
func (h *Host) Warn(what ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.warnings = what
}

// next is the earliest event up to a time; nil when there is none. The order of names decides
// between equal times, so that a test sees the same every time.
func (h *Host) next(until time.Time) (time.Time, *incident.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	best := until.Add(1)
	var ev *incident.Event
	end := -1
	for i, e := range h.ends {
		if e.at.Before(best) {
			best, ev, end = e.at, &e.ev, i
		}
	}
	for _, n := range slices.Sorted(maps.Keys(h.wakes)) {
		if at := h.wakes[n]; at.Before(best) {
			best, ev, end = at, &incident.Event{Kind: incident.Woke, Target: n}, -1
		}
	}
	for _, n := range slices.Sorted(maps.Keys(h.looks)) {
		if at := h.looks[n]; at.Before(best) {
			best, ev, end = at, &incident.Event{Kind: incident.Observed, Target: n}, -1
		}
	}
	if ev == nil {
		return until, nil
	}
	if end >= 0 {
		h.ends = slices.Delete(h.ends, end, end+1)
	} else if ev.Kind == incident.Woke {
		delete(h.wakes, ev.Target)
	}
	if best.Before(h.now) {
		best = h.now
	}
	return best, ev
}

// step gives one event to the core and keeps what it says.
func (h *Host) step(ev incident.Event) incident.Record {
	if ev.Kind == incident.Observed {
		if h.Before != nil {
			h.Before(ev.Target, h.Now())
		}
		ev.Observation = &detect.Observation{Target: ev.Target, At: h.Now(), Took: 0.02, Cause: "poll", Facts: h.Facts[ev.Target]}
	}
	h.mu.Lock()
	if ev.Kind == incident.Observed {
		h.looks[ev.Target] = h.now.Add(Poll)
	}
	next, rec := h.policy.Step(h.state, h.now, ev)
	h.state = next
	if rec.Durable() {
		h.kept = append(h.kept, rec)
	}
	if rec.Incident != nil {
		h.past[rec.Incident.ID] = *rec.Incident
	}
	for _, e := range rec.Effects {
		switch e.Kind {
		case incident.Look:
			if at := h.now.Add(max(e.After, 50*time.Millisecond)); at.Before(h.looks[e.Target]) {
				h.looks[e.Target] = at
			}
		case incident.Wake:
			h.wakes[e.Target] = e.At
		case incident.Perform:
			result := incident.ResultDone
			if h.Do != nil {
				result = h.Do(*e.Action)
			}
			h.ends = append(h.ends, ending{h.now.Add(800 * time.Millisecond), incident.Event{Kind: incident.Ended, Target: e.Target, ActionID: e.ActionID, Result: result}})
		}
	}
	h.mu.Unlock()
	if h.Told != nil {
		h.Told(rec)
	}
	return rec
}

// through is the way that a value takes through the journal.
func through[T any](tb testing.TB, v T) T {
	tb.Helper()
	b, err := json.Marshal(v)
	require.NoError(tb, err)
	var out T
	require.NoError(tb, json.Unmarshal(b, &out))
	return out
}
