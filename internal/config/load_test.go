package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

func TestLoadSaysWhyThereIsNoFile(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct{ path, want string }{
		"a file that does not exist": {dir + "/none.yaml", "/none.yaml: the file does not exist; name the configuration with --config"},
		"a directory":                {dir, ": is a directory; name the file in it"},
		"a file below a file":        {"/etc/hostname/x", "/etc/hostname/x: the file cannot be read: not a directory; check the path"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(tt.path, known())
			pe, ok := errors.AsType[*strictyaml.ProblemsError](err)
			require.True(t, ok)
			require.Len(t, pe.Problems, 1)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), ":0:")
		})
	}
}

func TestLoadRefusesAFileThatIsTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.yaml")
	require.NoError(t, os.WriteFile(path, []byte("version: 1\n"+strings.Repeat("# filler\n", strictyaml.MaxSize/9)), 0o600))
	_, err := Load(path, known())
	require.ErrorContains(t, err, "large.yaml:1:1: the file is too large")
	require.ErrorContains(t, err, "want at most 1MiB")
}

func TestLoadTakesLineEndsAndMarksOfOtherSystems(t *testing.T) {
	calm(t)
	text := "\ufeff" + strings.ReplaceAll(string(database("dsn: host=/run/postgresql")), "\n", "\r\n")
	c, err := Parse("f.yaml", []byte(text), known())
	require.NoError(t, err)
	require.Equal(t, "host=/run/postgresql", c.Targets[0].Postgres.DSN.Reveal())
}

func TestDefaultsAreFilledIn(t *testing.T) {
	calm(t)
	host, err := os.Hostname()
	require.NoError(t, err)
	c, err := Parse("f.yaml", []byte(`version: 1
mode: propose
targets:
  - {name: db, kind: postgres, unit: postgresql@15-main.service, postgres: {dsn: host=/run/postgresql}}
  - name: web
    kind: service
    command: [/usr/bin/web]
    mode: observe
    health: [{url: "http://127.0.0.1/"}, {type: mcp, url: "http://127.0.0.1/mcp"}]
    synthetic: [{name: post, url: "http://127.0.0.1/", body: x}, {name: get, url: "http://127.0.0.1/"}]
  - {name: far, kind: plain, external: true, check: {type: tcp, address: "db2:5432"}}
notifiers: [{name: pd, type: pagerduty}, {name: chat, type: slack}]
rules: [{name: mine, when: "a > b"}]
maintenance: [{name: night, start: "02:00", duration: 1h}]
`), known())
	require.NoError(t, err)
	require.Equal(t, host, c.Host)
	require.Equal(t, "/var/lib/recoveryd", c.StateDir)
	require.Equal(t, "/run/recoveryd", c.RuntimeDir)
	require.Equal(t, HTTP{Listen: "127.0.0.1:9465"}, c.HTTP)
	require.Equal(t, Log{"json", "info"}, c.Log)
	require.Equal(t, Budgets{Budget{4, time.Hour}, ClassBudget{8, time.Hour}, HostBudget{10, time.Hour}, Backoff{5 * time.Second, 2, 5 * time.Minute}, 1}, c.Budgets)
	require.Equal(t, Storm{5, time.Minute}, c.Storm)
	require.Equal(t, PageAfter{Held: 5 * time.Minute, Confirmed: 10 * time.Second, Unknown: 10 * time.Minute, Degraded: time.Hour, Unresolved: 5 * time.Minute}, c.PageAfter)
	require.Equal(t, []Route{{Notify: []string{"pd", "chat"}}}, c.Routes)
	require.Equal(t, "rule mine holds: a > b", c.Rules[0].Because)
	require.Equal(t, strictyaml.Weekdays(), c.Maintenance[0].Days)

	db, web, far := c.Targets[0], c.Targets[1], c.Targets[2]
	require.Equal(t, []string{"systemd", "process", "none"}, []string{db.Platform, web.Platform, far.Platform})
	require.Equal(t, []Mode{Propose, Observe, Propose}, []Mode{db.Mode, web.Mode, far.Mode})
	require.Equal(t, []time.Duration{30 * time.Second, 5 * time.Second, 5 * time.Second, 0}, []time.Duration{web.StartGrace, web.StopGrace, web.Interval, web.Latency})
	require.Equal(t, Pool{EnvKey: "DB_POOL_SIZE", Cap: 50, Factor: 1.5, ShrinkBelow: 0.3, ShrinkFactor: 0.7, Quiet: 30 * time.Minute, IdleAfter: 5 * time.Minute, LongAfter: 10 * time.Minute, Full: 0.95, High: 0.8}, web.Pool)
	require.Equal(t, Memory{Factor: 1.5, Quiet: time.Hour, Full: 0.95, High: 0.8}, web.Memory)
	require.Equal(t, HealthCheck{Type: TypeHTTP, Call: Call{URL: "http://127.0.0.1/", Method: "GET", MaxBody: 1 << 20, Transport: "streamable"}, Timeout: 3 * time.Second, Resource: "health://status"}, web.Health[0])
	require.Empty(t, web.Health[1].Method)
	require.Equal(t, []string{"POST", "GET"}, []string{web.Synthetic[0].Method, web.Synthetic[1].Method})
	require.Nil(t, web.Check)
	require.Nil(t, web.Postgres)
	require.Equal(t, 2*time.Second, db.Postgres.ConnectTimeout)
}

func TestDirectoriesComeFromSystemd(t *testing.T) {
	calm(t)
	t.Setenv("STATE_DIRECTORY", "/srv/state:/srv/other")
	t.Setenv("RUNTIME_DIRECTORY", "/srv/run")
	c, err := Parse("f.yaml", database("dsn: host=/run/postgresql"), known())
	require.NoError(t, err)
	require.Equal(t, []string{"/srv/state", "/srv/run"}, []string{c.StateDir, c.RuntimeDir})
	c, err = Parse("f.yaml", append(database("dsn: host=/run/postgresql"), "state_dir: /mine\n"...), known())
	require.NoError(t, err)
	require.Equal(t, "/mine", c.StateDir, "what is written wins")
}

func TestOverrideKeepsZeroApartFromAbsent(t *testing.T) {
	calm(t)
	c, err := Parse("f.yaml", append(database("dsn: host=/run/postgresql"), "classes: [{class: hung, for: 0s}]\n"...), known())
	require.NoError(t, err)
	require.Equal(t, []ClassOverride{{Class: "hung", For: new(time.Duration(0))}}, c.Classes)
}

// TestArgumentsKeepTheirCase proves that viper, which lower-cases keys, does not get at them.
func TestArgumentsKeepTheirCase(t *testing.T) {
	calm(t)
	c, err := Parse("f.yaml", []byte(`version: 1
targets:
  - name: web
    kind: service
    platform: none
    health: [{url: "http://127.0.0.1/"}]
    synthetic: [{name: s, type: mcp, url: "http://127.0.0.1/", tool: t, arguments: {projectId: 7, Nested: {Key.With.Dots: [A, {B: null}]}, yes: true, ratio: 0.5}}]
`), known())
	require.NoError(t, err)
	require.Equal(t, strictyaml.Values{"projectId": uint64(7), "Nested": map[string]any{"Key.With.Dots": []any{"A", map[string]any{"B": nil}}}, "yes": true, "ratio": 0.5}, c.Targets[0].Synthetic[0].Arguments)
}

func TestAnchorsAndMergesWork(t *testing.T) {
	calm(t)
	c, err := Parse("f.yaml", []byte(`version: 1
targets:
  - {name: db, kind: postgres, unit: postgresql@15-main.service, postgres: {dsn: host=/run/postgresql}}
  - &web
    name: one
    kind: service
    unit: one.service
    depends_on: &needs [db]
    interval: 10s
    health: [{url: "http://127.0.0.1:8000/"}]
  - <<: *web
    name: two
    unit: two.service
    depends_on: *needs
`), known())
	require.NoError(t, err)
	two := c.Targets[2]
	require.Equal(t, []string{"two", "two.service", "service"}, []string{two.Name, two.Object, two.Kind})
	require.Equal(t, 10*time.Second, two.Interval)
	require.Equal(t, []string{"db"}, two.DependsOn)
	require.Equal(t, c.Targets[1].Health, two.Health)
}

func TestCallerReportsItsOwnFindingsWithPlaces(t *testing.T) {
	calm(t)
	c, err := Parse("f.yaml", append(database("dsn: host=/run/postgresql"), "rules: [{name: mine, when: \"a >\"}]\n"...), known())
	require.NoError(t, err)
	path := c.ItemPath("rules", 0) + ".when"
	require.Equal(t, "rules[mine].when", path)
	require.Equal(t, "f.yaml:5:28: rules[mine].when: does not compile", c.At(path, "does not compile").String())
	require.Equal(t, "f.yaml:4:5: targets[db].interval: odd", c.At("targets[db].interval", "odd").String(), "an absent key has the place of its parent")
	require.Equal(t, "f.yaml:1:1: elsewhere: odd", c.At("elsewhere", "odd").String())

	joined := strictyaml.Join(nil, &strictyaml.ProblemsError{Problems: []strictyaml.Problem{c.At(path, "second")}}, &strictyaml.ProblemsError{Problems: []strictyaml.Problem{c.At("targets[db].name", "first"), c.At(path, "second")}}, nil)
	require.EqualError(t, joined, "f.yaml:4:12: targets[db].name: first\nf.yaml:5:28: rules[mine].when: second")
	require.NoError(t, strictyaml.Join(nil, nil))
	require.EqualError(t, strictyaml.Join(errors.New("no D-Bus")), "configuration: no D-Bus")
}

func TestProblemsAreReadByMachines(t *testing.T) {
	_, err := Parse("f.yaml", []byte("version: 1\ntargets: []\nmod: auto\n"), known())
	got, jsonErr := json.Marshal(strictyaml.Problems(err))
	require.NoError(t, jsonErr)
	require.JSONEq(t, `[
		{"file": "f.yaml", "line": 2, "col": 10, "path": "targets", "what": "is empty", "hint": "name at least one"},
		{"file": "f.yaml", "line": 3, "col": 1, "path": "mod", "what": "unknown key", "hint": "did you mean \"mode\"?"}
	]`, string(got))
	require.Equal(t, []strictyaml.Problem{}, strictyaml.Problems(nil))
	require.Equal(t, []strictyaml.Problem{{File: "configuration", What: "no D-Bus"}}, strictyaml.Problems(errors.New("no D-Bus")))
}

func TestTargetIsFoundByName(t *testing.T) {
	calm(t)
	c, err := Parse("f.yaml", database("dsn: host=/run/postgresql"), known())
	require.NoError(t, err)
	db, ok := c.Target("db")
	require.True(t, ok)
	require.Equal(t, "postgresql@15-main.service", db.Object)
	_, ok = c.Target("none")
	require.False(t, ok)
	require.Equal(t, "f.yaml", c.File())
}

// TestEvilFilesEnd proves that no shape of file within the bound keeps the parser busy: each ends
// in problems, and none in a stack overflow or a wait of minutes.
func TestEvilFilesEnd(t *testing.T) {
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString("k" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + ": 1\n")
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"many keys":                keys(20000),
		"brackets that open":       strings.Repeat("[", strictyaml.MaxSize),
		"braces that open":         strings.Repeat("{", strictyaml.MaxSize),
		"lists in lists in a line": strings.Repeat("- ", strictyaml.MaxSize/2),
		"questions":                strings.Repeat("? ", strictyaml.MaxSize/2),
		"anchors":                  strings.Repeat("&a ", strictyaml.MaxSize/3),
		"tags":                     strings.Repeat("!a ", strictyaml.MaxSize/3),
		"colons":                   strings.Repeat("a: ", strictyaml.MaxSize/3),
		"one long line":            "a: " + strings.Repeat("x", strictyaml.MaxSize-3),
		"one long quote":           "a: \"" + strings.Repeat("\\n", strictyaml.MaxSize/2-4) + "\"",
		"a staircase":              staircase(),
		"a block text without end": "a: |\n" + strings.Repeat(" x\n", strictyaml.MaxSize/3-2),
		"documents":                strings.Repeat("---\n", strictyaml.MaxSize/4),
		"comments":                 strings.Repeat("#\n", strictyaml.MaxSize/2),
		"commas":                   "a: [" + strings.Repeat(",", strictyaml.MaxSize-5) + "]",
		"targets":                  "version: 1\ntargets:\n" + strings.Repeat("- {name: a, depends_on: [a]}\n", 1500),
		"blanks":                   strings.Repeat(" ", strictyaml.MaxSize),
		"carriage returns":         strings.Repeat("\r", strictyaml.MaxSize),
		"percent signs":            strings.Repeat("%a\n", strictyaml.MaxSize/3),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("evil.yaml", []byte(text), known())
			pe, ok := errors.AsType[*strictyaml.ProblemsError](err)
			require.True(t, ok)
			require.Positive(t, pe.Problems[0].Line)
		})
	}
}

func staircase() string {
	var b strings.Builder
	for i := 0; b.Len() < strictyaml.MaxSize-1000; i++ {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestTheDirectoriesOfAFileWithMistakesAreStillFound(t *testing.T) {
	for text, want := range map[string]string{
		"version: 1\nruntime_dir: /srv/run\nbogus: 1\n":       "/srv/run",
		"targets: [\nruntime_dir: \"/srv/my run\"   # ours\n": "/srv/my run",
		"runtime_dir: '/srv/run'\r\n":                         "/srv/run",
		"x:\n  runtime_dir: /elsewhere\n":                     "",
		"runtime_dir: relative\n":                             "",
		"# runtime_dir: /commented\n":                         "",
		"state_dir: /var/lib/x\nruntime_dir:\n":               "",
	} {
		file := filepath.Join(t.TempDir(), "c.yaml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		require.Equal(t, want, DirectoryIn(file, "runtime_dir"), text)
	}
	require.Empty(t, DirectoryIn("/nonexistent", "runtime_dir"))
}
