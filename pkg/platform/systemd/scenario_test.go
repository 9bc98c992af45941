package systemd_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform/systemd"
)

// scenario is one situation of testdata/scenarios: what is watched, what is seen, what must be
// concluded. Each file begins with a comment that says what it proves.
type scenario struct {
	Target     scenarioTarget      `yaml:"target"`
	Answered   bool                `yaml:"answered"` // this process has given a health reply before
	Needs      []scenarioNeighbour `yaml:"needs"`
	Dependents []scenarioNeighbour `yaml:"dependents"`
	Rules      []scenarioRule      `yaml:"rules"`
	Facts      map[string]any      `yaml:"facts"` // of every look, unless the look says otherwise
	Looks      []scenarioLook      `yaml:"looks"`
}

type scenarioTarget struct {
	Name       string        `yaml:"name"`
	Kind       detect.Kind   `yaml:"kind"`
	Unit       string        `yaml:"unit"`
	External   bool          `yaml:"external"`
	StartGrace time.Duration `yaml:"start_grace"`
	Limits     struct {
		PoolFull   float64       `yaml:"pool_full"`
		PoolHigh   float64       `yaml:"pool_high"`
		MemoryFull float64       `yaml:"memory_full"`
		MemoryHigh float64       `yaml:"memory_high"`
		DiskFull   float64       `yaml:"disk_full"`
		Latency    time.Duration `yaml:"latency"`
	} `yaml:"limits"`
	Application string  `yaml:"application"`  // pool.application
	MemoryLimit float64 `yaml:"memory_limit"` // MiB, when the unit has no limit of its own
}

type scenarioNeighbour struct {
	Target scenarioTarget `yaml:"target"`
	Age    time.Duration  `yaml:"age"` // how long before the look it was seen
	Facts  map[string]any `yaml:"facts"`
}

type scenarioRule struct {
	Name      string           `yaml:"name"`
	When      string           `yaml:"when"`
	Because   string           `yaml:"because"`
	Witnesses []detect.Witness `yaml:"witnesses"`
}

type scenarioLook struct {
	At       time.Duration             `yaml:"at"`
	Answered *bool                     `yaml:"answered"`
	Facts    map[string]any            `yaml:"facts"`       // null takes a fact away
	Around   map[string]map[string]any `yaml:"around"`      // changed facts of neighbours, by name
	Ages     map[string]time.Duration  `yaml:"seen_before"` // changed ages of neighbours, by name
	Want     scenarioWant              `yaml:"want"`
}

type scenarioWant struct {
	Verdict    detect.Verdict   `yaml:"verdict"`
	Class      detect.Class     `yaml:"class"`
	Culprit    string           `yaml:"culprit"`   // the target itself when left out
	Agree      *bool            `yaml:"agree"`     // two witnesses that justify a disruptive action; required when unhealthy and its own culprit
	Confirmed  *bool            `yaml:"confirmed"` // seen often and long enough to act; required when unhealthy
	Conclusive *bool            `yaml:"conclusive"`
	Witnesses  []detect.Witness `yaml:"witnesses"`
	Severity   string           `yaml:"severity"`
	Because    []string         `yaml:"because"` // pieces of the sentence
	Never      []string         `yaml:"never"`   // words that it must not contain
	Advice     string           `yaml:"advice"`
}

// start is the wall clock at the first look.
var start = time.Date(2026, 3, 14, 3, 0, 0, 0, time.UTC)

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.yaml")
	require.NoError(t, err)
	shown := map[detect.Pair]bool{}
	unhealthy, looksBad, alarms := 0, 0, map[detect.Verdict]int{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			s := readScenario(t, raw)
			for _, p := range runScenario(t, s) {
				shown[p] = true
			}
			if slices.ContainsFunc(s.Looks, func(l scenarioLook) bool { return l.Want.Verdict == detect.Unhealthy }) {
				unhealthy++
				return
			}
			at := slices.IndexFunc(s.Looks, func(l scenarioLook) bool {
				return looksLikeTrouble(readFacts(t, "", start.Add(l.At), s.Facts, l.Facts))
			})
			if at >= 0 {
				looksBad++
				alarms[s.Looks[at].Want.Verdict]++
			}
		})
	}
	for _, p := range detect.Pairs() {
		require.True(t, shown[p], "no situation shows %s and %s agreeing on %s", p.A, p.B, p.Class)
	}
	t.Logf("%d situations: %d unhealthy; %d that are not, of which %d look bad (said instead: %d unknown, %d degraded, %d healthy)",
		len(files), unhealthy, len(files)-unhealthy, looksBad, alarms[detect.Unknown], alarms[detect.Degraded], alarms[detect.Healthy])
	require.GreaterOrEqual(t, len(files), 80, "the corpus has at least eighty situations")
	require.GreaterOrEqual(t, 2*(len(files)-unhealthy), len(files), "half of the corpus is not unhealthy")
	require.GreaterOrEqual(t, looksBad, 100, "healthy, degraded or unknown although it looks bad")
}

// looksLikeTrouble is the plain monitor of a runbook: anything but a good reply in a second, from a unit
// that runs, over a database that answers, is an alarm.
func looksLikeTrouble(f detect.Facts) bool {
	bad := func(name string, good ...string) bool {
		r, asked := f[name]
		return asked && !slices.Contains(good, r.Text)
	}
	over := func(name string, limit float64) bool { v, ok := f.Num(name); return ok && v > limit }
	return bad(detect.HTTPOutcome, detect.OutcomeReply) || over(detect.HTTPStatus, 299) || over(detect.HTTPLatency, 1) ||
		bad(detect.HealthStatus, "healthy") || bad(detect.HealthDatabase, "connected") || bad(detect.HealthError) || over(detect.PoolUtilization, 0.8) || over(detect.PoolReported, 0.8) ||
		bad(systemd.UnitActive, "active") || bad(systemd.UnitLoad, "loaded") || bad(systemd.UnitResult, "success") || over(detect.WorkloadRestarts, 0) ||
		bad(detect.SQLOutcome, detect.SQLOK) || bad(detect.PlainOutcome, "ok") || bad(detect.SocketConnect, "ok") || f.False(detect.SyntheticOK) || bad(detect.AlertFiring) ||
		over(detect.MemoryOOMKills, 0) || over(detect.SQLBlocked, 0) || bad(detect.ProcessState, "S", "R")
}

// readScenario is strict: a key or a fact that does not exist is a mistake in the file.
func readScenario(t *testing.T, raw []byte) scenario {
	head, _, _ := strings.Cut(string(raw), "\n\n")
	require.True(t, strings.HasPrefix(head, "# ") && len(head) > 20, "the file must begin with a comment saying what it proves")
	var s scenario
	require.NoError(t, yaml.NewDecoder(bytes.NewReader(raw), yaml.Strict()).Decode(&s))
	require.NotEmpty(t, s.Looks, "no looks")
	return s
}

// runScenario judges every look, and returns the pairs of witnesses that agreed somewhere.
func runScenario(t *testing.T, s scenario) (agreed []detect.Pair) {
	target := s.Target.target(t, "codebase-mcp", detect.KindService)
	var extra []detect.Condition
	for _, r := range s.Rules {
		c, err := detect.CompileRule(detect.Rule{Name: r.Name, When: r.When, Because: r.Because, Witnesses: r.Witnesses, For: 5 * time.Second})
		require.NoError(t, err)
		extra = append(extra, c)
	}
	around := map[string]bool{}
	for _, n := range slices.Concat(s.Needs, s.Dependents) {
		around[n.Target.Name] = true
	}
	var run confirming
	for _, l := range s.Looks {
		name := fmt.Sprintf("at %s", l.At)
		for n := range l.Around {
			require.True(t, around[n], "%s: around: no neighbour is called %s", name, n)
		}
		at := start.Add(l.At)
		o := detect.Observation{Target: target.Name, At: at, Facts: readFacts(t, target.Object, at, s.Facts, l.Facts)}
		self := detect.Neighbour{Target: target, Observation: o}
		b := detect.Background{Target: target, Answered: s.Answered, Extra: extra}
		if l.Answered != nil {
			b.Answered = *l.Answered
		}
		for _, n := range s.Needs {
			b.Needs = append(b.Needs, n.neighbour(t, at, l, detect.KindPostgres, detect.Background{Dependents: []detect.Neighbour{self}}))
		}
		for _, n := range s.Dependents {
			b.Dependents = append(b.Dependents, n.neighbour(t, at, l, detect.KindService, detect.Background{}))
		}
		d := detect.Diagnose(o, b)
		confirmed := run.add(d, target.Kind, extra)
		l.Want.check(t, name, target.Name, d, confirmed)
		for _, p := range detect.Pairs() {
			if d.Bad() && !d.Masked() && d.Class == p.Class && slices.Contains(d.Witnesses, p.A) && slices.Contains(d.Witnesses, p.B) {
				agreed = append(agreed, p)
			}
		}
	}
	return agreed
}

func (n scenarioNeighbour) neighbour(t *testing.T, at time.Time, l scenarioLook, kind detect.Kind, b detect.Background) detect.Neighbour {
	age := n.Age
	if changed, ok := l.Ages[n.Target.Name]; ok {
		age = changed
	}
	out := detect.Neighbour{Target: n.Target.target(t, "", kind)}
	out.Observation = detect.Observation{Target: out.Target.Name, At: at.Add(-age), Facts: readFacts(t, out.Target.Object, at.Add(-age), n.Facts, l.Around[n.Target.Name])}
	b.Target = out.Target
	out.Diagnosis = detect.Diagnose(out.Observation, b)
	return out
}

func (s scenarioTarget) target(t *testing.T, name string, kind detect.Kind) detect.Target {
	if s.Name != "" {
		name = s.Name
	}
	require.NotEmpty(t, name, "a neighbour needs a name")
	if s.Kind != "" {
		kind = s.Kind
	}
	require.Contains(t, []detect.Kind{detect.KindService, detect.KindPostgres, detect.KindPlain}, kind)
	out := detect.Target{
		Name: name, Kind: kind, Object: s.Unit, Platform: "systemd", External: s.External, StartGrace: s.StartGrace,
		Limits: detect.Limits{PoolFull: s.Limits.PoolFull, PoolHigh: s.Limits.PoolHigh, MemoryFull: s.Limits.MemoryFull,
			MemoryHigh: s.Limits.MemoryHigh, DiskFull: s.Limits.DiskFull, Latency: s.Limits.Latency},
		Pool:   detect.Pool{Application: s.Application},
		Memory: detect.Memory{Limit: uint64(s.MemoryLimit * (1 << 20))},
	}
	if out.Object == "" {
		out.Object = name + ".service"
	}
	if out.StartGrace == 0 {
		out.StartGrace = 30 * time.Second // the configuration's default
	}
	return out
}

// readFacts merges the facts of a look over those of the scenario. A value is a number, a word or
// a truth as the fact wants it; {err: why} was not measured; {ago: 40s} is a moment before the
// look; {mib: 512} is bytes; null takes the fact away.
func readFacts(t *testing.T, unit string, at time.Time, layers ...map[string]any) detect.Facts {
	out := detect.Facts{}
	for _, layer := range layers {
		for name, v := range layer {
			f, known := detect.FactNamed(name)
			require.True(t, known, "there is no fact %s", name)
			if v == nil {
				delete(out, name)
				continue
			}
			r, ok := readReading(at, f, v)
			require.True(t, ok, "%s: %v (%T) is no %s", name, v, v, f.Type)
			out[name] = r
		}
	}
	return systemd.Neutral(unit, out)
}

func readReading(at time.Time, f detect.Fact, v any) (detect.Reading, bool) {
	numeric := f.Type == detect.Number || f.Type == detect.Share
	switch v := v.(type) {
	case string:
		return detect.Word(v), f.Type == detect.Text
	case bool:
		return detect.Flag(v), f.Type == detect.Truth
	case uint64:
		return detect.Num(float64(v)), numeric
	case int64:
		return detect.Num(float64(v)), numeric
	case float64:
		return detect.Num(v), numeric
	case map[string]any:
		if len(v) != 1 {
			return detect.Reading{}, false
		}
		if why, ok := v["err"].(string); ok && why != "" {
			return detect.NotMeasured(why), true
		}
		if s, ok := v["ago"].(string); ok {
			d, err := time.ParseDuration(s)
			return detect.Num(float64(at.Add(-d).UnixMicro()) / 1e6), err == nil && numeric
		}
		if n, ok := v["mib"].(uint64); ok {
			return detect.Num(float64(n) * (1 << 20)), numeric
		}
	}
	return detect.Reading{}, false
}

// confirming counts looks that agree, as the class's timing asks: what happens once is a blip.
type confirming struct {
	class   detect.Class
	culprit string
	looks   int
	since   time.Time
}

func (c *confirming) add(d detect.Diagnosis, kind detect.Kind, extra []detect.Condition) bool {
	if d.Verdict != detect.Unhealthy {
		if d.Good() {
			*c = confirming{}
		}
		return false
	}
	if c.looks == 0 || c.class != d.Class || c.culprit != d.Culprit {
		*c = confirming{class: d.Class, culprit: d.Culprit, since: d.At}
	}
	c.looks++
	cond, ok := detect.ConditionFor(d.Class, kind, extra)
	if !ok {
		cond = detect.Condition{Looks: 2}
	}
	return d.Conclusive || c.looks >= cond.Looks && d.At.Sub(c.since) >= cond.For
}

func (w scenarioWant) check(t *testing.T, at, target string, d detect.Diagnosis, confirmed bool) {
	require.Equal(t, w.Verdict, d.Verdict, "%s: %s", at, d.Because)
	require.Equal(t, w.Class, d.Class, "%s: %s", at, d.Because)
	culprit := w.Culprit
	if culprit == "" && d.Verdict != detect.Healthy {
		culprit = target
	}
	require.Equal(t, culprit, d.Culprit, "%s: culprit: %s", at, d.Because)
	_, agree := detect.Agree(d.Class, d.Witnesses)
	if d.Masked() {
		require.Nil(t, w.Agree, "%s: the culprit is another target: what may be done to this one is no question", at)
	} else if d.Verdict == detect.Unhealthy {
		require.NotNil(t, w.Agree, "%s: an unhealthy verdict must say whether its witnesses agree", at)
		require.Equal(t, *w.Agree, agree, "%s: witnesses %v: %s", at, d.Witnesses, d.Because)
	}
	if d.Verdict == detect.Unhealthy {
		require.NotNil(t, w.Confirmed, "%s: an unhealthy verdict must say whether it is confirmed", at)
		require.Equal(t, *w.Confirmed, confirmed, "%s: confirmed: %s", at, d.Because)
	}
	if w.Conclusive != nil {
		require.Equal(t, *w.Conclusive, d.Conclusive, "%s: conclusive: %s", at, d.Because)
	}
	if w.Witnesses != nil {
		require.Equal(t, w.Witnesses, d.Witnesses, "%s: %s", at, d.Because)
	}
	if w.Severity != "" {
		require.Equal(t, w.Severity, d.Severity.String(), "%s: %s", at, d.Because)
	}
	require.NotEmpty(t, w.Because, "%s: say a piece of the sentence", at)
	for _, piece := range w.Because {
		require.Contains(t, d.Because, piece, at)
	}
	for _, piece := range w.Never {
		require.NotContains(t, d.Because, piece, at)
	}
	if w.Advice != "" {
		require.Contains(t, d.Advice, w.Advice, at)
	}
}
