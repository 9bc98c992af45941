package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// loaded parses a configuration.
func loaded(t *testing.T, body string) *config.Config {
	c, err := config.Parse("recoveryd.yaml", []byte("version: 1\n"+body), Known())
	require.NoError(t, err)
	return c
}

// lookAt takes one look at the first target of a configuration.
func lookAt(t *testing.T, body string) detect.Facts {
	c := loaded(t, body)
	subjects, err := subjectsOf(c, nil)
	require.NoError(t, err)
	return subjects[0].Looker.Look(t.Context(), "poll").Facts
}

func TestWhatARuleLooksAtIsMeasuredAtEveryLook(t *testing.T) {
	url, _ := healthyServer(t)
	target := fmt.Sprintf("targets: [{name: svc, kind: service, platform: none, health: [{url: %q}]}]\n", url)
	for _, c := range []struct {
		name, rules string
		want, not   []string
	}{
		{"no rule: the port and the process table are left alone on a quiet day", "", nil,
			[]string{detect.ProcessFDs, detect.SocketConnect, detect.HostMemoryPressure}},
		{"a rule over the process table", `rules: [{name: leak, when: process.fds > 900}]`,
			[]string{detect.ProcessFDs, detect.ProcessRSS}, []string{detect.SocketConnect, detect.HostMemoryPressure}},
		{"a rule over the port", `rules: [{name: queue, when: socket.backlog > 5}]`,
			[]string{detect.SocketConnect}, []string{detect.ProcessFDs}},
		{"a rule over the host", `rules: [{name: thrashing, when: host.memory_pressure > 40 and http.latency > 1}]`,
			[]string{detect.HostMemoryPressure, detect.HostIOPressure}, []string{detect.ProcessFDs}},
		{"a rule over a file system, about this target", `rules: [{name: tmp-full, targets: [svc], when: 'disk.share["/tmp"] > 0.9 and has("disk.inodes./tmp")'}]`,
			[]string{detect.DiskShare + "/tmp", detect.InodeShare + "/tmp"}, nil},
		{"a rule over a file system that names no target is about those that measure it", `rules: [{name: tmp-full, when: 'disk.share["/tmp"] > 0.9'}]`,
			nil, []string{detect.DiskShare + "/tmp"}},
		{"a rule about another kind of target", `rules: [{name: leak, kinds: [postgres], when: process.fds > 900}]`,
			nil, []string{detect.ProcessFDs}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := lookAt(t, target+c.rules)
			require.Equal(t, detect.OutcomeReply, f.Text(detect.HTTPOutcome), "%v", f)
			for _, name := range c.want {
				require.Contains(t, f, name)
			}
			for _, name := range c.not {
				require.NotContains(t, f, name)
			}
		})
	}
}

func TestEveryMistakeInRulesIsShownAtOnceAtItsKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recoveryd.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`version: 1
targets: [{name: db, kind: postgres, unit: postgresql@15-main.service, postgres: {dsn: host=/run/postgresql}}]
rules:
  - {name: good, when: process.fds > 900}
  - {name: leak, when: process.fdz > 900}
  - {name: pair, when: process.fds > 900, witnesses: [process, http]}
  - {name: rung, when: sql.blocked > 0, ladder: [restrat]}
`), 0o600))
	_, err := config.Load(path, Known())
	require.ErrorContains(t, err, path+":5:24: rules[leak].when: unknown fact process.fdz, did you mean process.fds?")
	require.ErrorContains(t, err, path+`:6:54: rules[pair].witnesses: the rule looks at no fact of kind "http"`)
	require.ErrorContains(t, err, `:7:50: rules[rung].ladder[0]: unknown strategy (got "restrat")`)
	require.Len(t, strictyaml.Problems(err), 3)
	require.Equal(t, 1, strings.Count(err.Error(), ":5:24:"), "once")
}

func TestARuleCountsTheEvidenceThatItsAuthorNamed(t *testing.T) {
	conf := loaded(t, "targets: [{name: db, kind: postgres, unit: postgresql@15-main.service, postgres: {dsn: host=/run/postgresql}}]\n"+
		`rules: [{name: leak, kinds: [service], when: "process.fds > 900 and http.latency > 1 and workload.state == 'running'", witnesses: [process, http]}]`)
	conds, err := rulesAsk(conf)
	require.NoError(t, err)
	o := detect.Observation{Facts: detect.Facts{detect.ProcessFDs: detect.Num(950), detect.HTTPLatency: detect.Num(2), detect.WorkloadState: detect.Word(detect.StateRunning)}}
	require.Equal(t, []detect.Witness{detect.ByProcess, detect.ByHTTP}, conds[0].Match(o, detect.Background{}).Witnesses)
	require.Equal(t, []detect.Kind{detect.KindService}, conds[0].Kinds)
}

func TestARuleWithTheOlderNamesOfFactsAndEvidenceGoesOnWorking(t *testing.T) {
	conf := loaded(t, "targets: [{name: db, kind: postgres, unit: postgresql@15-main.service, postgres: {dsn: host=/run/postgresql}}]\n"+
		`rules: [{name: old, when: "cgroup.memory_current > 900 and unit.restarts > 3 and unit.active == 'active'", witnesses: [cgroup, unit]}]`)
	conds, err := rulesAsk(conf)
	require.NoError(t, err)
	o := detect.Observation{Facts: detect.Facts{detect.MemoryCurrent: detect.Num(950), detect.WorkloadRestarts: detect.Num(5), "unit.active": detect.Word("active")}}
	require.Equal(t, []detect.Witness{detect.ByMemory, detect.ByPlatform}, conds[0].Match(o, detect.Background{}).Witnesses)
}

func TestTheWayToADatabaseThatDoesNotAnswerIsLookedAt(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://watch@127.0.0.1:1/postgres":          "refused",
		"postgres://watch@no-such-host.invalid/postgres": "dns",
		"host=/nonexistent user=watch":                   "", // a socket in the file system has no way to look at
	} {
		f := lookAt(t, fmt.Sprintf("targets: [{name: db, kind: postgres, external: true, postgres: {dsn: %q, connect_timeout: 1s, statement_timeout: 1s}}]\n", dsn))
		require.NotEqual(t, detect.SQLOK, f.Text(detect.SQLOutcome), dsn)
		require.Equal(t, want, f.Text(detect.SocketConnect), "%s: %v", dsn, f)
	}
}
