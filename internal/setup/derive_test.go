package setup_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/setup"
)

var update = flag.Bool("update", false, "write the golden files anew")

// inputOf reads a configuration as the command does, without its secrets.
func inputOf(t *testing.T, file string) setup.Input {
	t.Helper()
	known := app.Known()
	known.WithoutSecrets = true
	c, err := config.Load(file, known)
	require.NoError(t, err)
	in, err := app.SetupInput(c, "/etc/recoveryd/recoveryd.yaml", "recoveryd", "recoveryd")
	require.NoError(t, err)
	return in
}

func TestExactlyWhatAConfigurationNeedsIsWanted(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			in := inputOf(t, f)
			in.DeniesIP = true
			got := setup.Derive(in)
			golden := strings.TrimSuffix(f, ".yaml") + ".golden"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got.String())
			require.Equal(t, got, setup.Derive(in), "the same every time")
			for _, file := range got.Files {
				first, _, _ := strings.Cut(file.Content, "\n")
				require.Contains(t, first, setup.Mark, "what is ours says so in its first line")
			}
		})
	}
}

func TestTheSampleConfigurationNeedsNoRightOverAnythingThatIsNotInIt(t *testing.T) {
	in := inputOf(t, "../../configs/recoveryd.yaml")
	w := setup.Derive(in)
	var units []string
	for _, u := range w.Units {
		if !slices.Contains(w.Steps, u.Unit) {
			units = append(units, u.Unit)
		}
	}
	require.Equal(t, []string{"codebase-mcp.service", "postgresql@15-main.service", "redis-server.service", "workflow-mcp.service"}, units,
		"neither the child process nor the external target is in the rule")
}

func TestACredentialThatSomebodyElseProvidesIsLeftToThem(t *testing.T) {
	in := inputOf(t, "testdata/auto.yaml")
	in.Loaded = []string{"slack-url"}
	w := setup.Derive(in)
	require.Empty(t, w.Credentials)
	require.False(t, slices.ContainsFunc(w.Files, func(f setup.File) bool { return strings.Contains(f.Content, "LoadCredential") }))
}

func TestTheStepsOfPlaybooksAreAmongTheRights(t *testing.T) {
	file := filepath.Join(t.TempDir(), "recoveryd.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
version: 1
mode: observe
targets:
  - {name: web, kind: service, mode: propose, unit: web.service, health: [{url: "http://127.0.0.1:8000/health"}]}
  - {name: watched, kind: service, unit: watched.service, health: [{url: "http://127.0.0.1:8001/health"}]}
playbooks:
  - name: clean-slate
    steps:
      - {do: stop, targets: [web, watched]}
      - {do: clean, directories: [/var/cache/web]}
      - {do: command, command: [/usr/bin/pg_restore], properties: [User=postgres]}
      - {do: start, targets: [web, watched]}
`), 0o644))
	w := setup.Derive(inputOf(t, file))
	require.Len(t, w.Steps, 1)
	step := w.Steps[0]
	require.Regexp(t, `^recoveryd-step-clean-slate-3-[0-9a-f]{8}\.service$`, step)
	require.Equal(t, []setup.UnitRights{{Unit: step, Verbs: []string{"start"}}, {Unit: "web.service", Verbs: []string{"kill", "reset-failed", "restart", "start", "stop"}}}, w.Units,
		"no ladder stops a unit, the playbook does; a command as a unit is one that may be started, and no right to start any")
	at := slices.IndexFunc(w.Files, func(f setup.File) bool { return f.Path == setup.UnitDir+"/"+step })
	require.GreaterOrEqual(t, at, 0)
	require.Contains(t, w.Files[at].Content, "ExecStart=\"/usr/bin/pg_restore\"\n")
	require.Contains(t, w.Files[at].Content, "User=postgres\n")
	require.True(t, slices.ContainsFunc(w.Files, func(f setup.File) bool { return strings.Contains(f.Content, "ReadWritePaths=-/var/cache/web\n") }))
}

func TestAddressesThatTheUnitAllowsByItselfNeedNoDropIn(t *testing.T) {
	own := func(in setup.Input) string {
		for _, f := range setup.Derive(in).Files {
			if strings.HasSuffix(f.Path, setup.OwnDropIn) {
				return f.Content
			}
		}
		return ""
	}
	in := setup.Input{User: "recoveryd", Group: "recoveryd", ConfigFile: "/etc/recoveryd/recoveryd.yaml", StateDir: "/var/lib/recoveryd", RuntimeDir: "/run/recoveryd",
		Peers: []setup.Peer{{Host: "127.0.0.1", Why: "the health check of web"}, {Host: "/run/postgresql"}}, DeniesIP: true}
	require.Contains(t, own(in), "IPAddressAllow=localhost\n")
	in.AllowsLocal = true
	require.Empty(t, own(in))
	in.Peers = append(in.Peers, setup.Peer{Host: "10.0.0.9"})
	require.Contains(t, own(in), "IPAddressAllow=10.0.0.9 localhost\n")
	in.Peers = append(in.Peers, setup.Peer{Host: "hooks.slack.com", Why: "notifier slack"})
	require.Contains(t, own(in), "# Any address: notifier slack has no fixed one.\nIPAddressAllow=any\n")
	in.DeniesIP = false
	require.Empty(t, own(in), "where the unit denies nothing, nothing need be allowed")
}

func TestStatementsLeadFromAnyStateOfARoleToTheWantedOne(t *testing.T) {
	r := setup.Role{Target: "db", Name: "recoveryd", Member: []string{"pg_monitor", "pg_signal_backend"}}
	watch := setup.Role{Target: "db", Name: "recoveryd", Member: []string{"pg_monitor"}}
	for _, c := range []struct {
		name string
		role setup.Role
		have setup.RoleState
		want []string
	}{
		{"no role yet", r, setup.RoleState{}, []string{`CREATE ROLE "recoveryd" LOGIN;`, `COMMENT ON ROLE "recoveryd" IS 'Written by "recoveryd setup"';`,
			`GRANT pg_monitor TO "recoveryd";`, `GRANT pg_signal_backend TO "recoveryd";`}},
		{"all is there", r, setup.RoleState{Exists: true, Login: true, Member: []string{"pg_signal_backend", "pg_monitor"}}, nil},
		{"it may not log in", watch, setup.RoleState{Exists: true, Member: []string{"pg_monitor"}}, []string{`ALTER ROLE "recoveryd" LOGIN;`}},
		{"a right that is no longer needed, of our own role", watch, setup.RoleState{Exists: true, Login: true, Ours: true, Member: []string{"pg_monitor", "pg_signal_backend"}},
			[]string{`REVOKE pg_signal_backend FROM "recoveryd";`}},
		{"a right that is not needed, of somebody else's role", watch, setup.RoleState{Exists: true, Login: true, Member: []string{"pg_monitor", "pg_signal_backend"}}, nil},
		{"a name with a quote", setup.Role{Name: `a"b`}, setup.RoleState{Exists: true}, []string{`ALTER ROLE "a""b" LOGIN;`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, c.role.Statements(c.have))
			require.Empty(t, c.role.Statements(c.role.After(c.have)), "a second run has nothing to do")
		})
	}
	require.Empty(t, r.Drop(setup.RoleState{Exists: true}), "somebody else's role stays")
	require.Equal(t, []string{`DROP ROLE "recoveryd";`}, r.Drop(setup.RoleState{Exists: true, Ours: true}))
}
