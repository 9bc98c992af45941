package host

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// place is a host in a directory, with a cluster that knows one role at most.
type place struct {
	Host
	t     *testing.T
	role  string // the answer to the query about the role
	ran   []string
	wants setup.Wanted
}

func newPlace(t *testing.T) *place {
	me, err := user.Current()
	require.NoError(t, err)
	group, err := user.LookupGroupId(me.Gid)
	require.NoError(t, err)
	p := &place{t: t}
	p.Host = Host{Root: t.TempDir(), Run: func(_ context.Context, stdin string, argv ...string) (string, error) {
		if argv[0] == "systemctl" {
			p.ran = append(p.ran, strings.Join(argv, " "))
			return "", nil
		}
		if strings.HasPrefix(stdin, "SELECT") {
			return p.role, nil
		}
		p.ran = append(p.ran, strings.TrimSpace(stdin))
		p.role = "t|f|t|pg_monitor,pg_signal_backend\n"
		if strings.Contains(stdin, "DROP") {
			p.role = ""
		}
		return "", nil
	}}
	p.put("/etc/polkit-1/rules.d/00-somebody.rules", "// theirs\n", 0o644)
	p.put("/etc/rescue/recoveryd.yaml", "version: 1\n", 0o644)
	restart := strategy.Action{Verb: strategy.Restart, Object: "web.service", Args: map[string]string{strategy.ArgPlatform: "systemd"}}
	env := strategy.Action{Verb: strategy.SetEnv, Object: "web.service", Args: map[string]string{strategy.ArgPlatform: "systemd", strategy.ArgFile: "/run/rescue/env/web.env", strategy.ArgKey: "DB_POOL_SIZE"}}
	idle := strategy.Action{Verb: strategy.PGTerminateIdle, Object: "db"}
	p.wants = setup.Derive(setup.Input{User: me.Username, Group: group.Name, ConfigFile: "/etc/rescue/recoveryd.yaml", StateDir: "/var/lib/rescue", RuntimeDir: "/run/rescue",
		Powers: []strategy.Action{restart, env, idle}, Clusters: []setup.Cluster{{Target: "db", Role: "recoveryd", Host: "/run/postgresql", Port: 5432, Local: true}}})
	for i, d := range p.wants.Dirs { // root's directories would need root
		if d.Owner == "root" {
			p.wants.Dirs[i].Owner, p.wants.Dirs[i].Group = me.Username, group.Name
		}
	}
	return p
}

func (p *place) put(name, text string, mode os.FileMode) {
	p.t.Helper()
	require.NoError(p.t, os.MkdirAll(filepath.Dir(p.path(name)), 0o755))
	require.NoError(p.t, os.WriteFile(p.path(name), []byte(text), mode))
	require.NoError(p.t, os.Chmod(p.path(name), mode))
}

func (p *place) read(name string) string {
	p.t.Helper()
	b, err := os.ReadFile(p.path(name))
	require.NoError(p.t, err)
	return string(b)
}

func (p *place) look() Plan {
	p.t.Helper()
	plan, err := p.Look(p.t.Context(), p.wants)
	require.NoError(p.t, err)
	return plan
}

func (p *place) apply(plan Plan) {
	p.t.Helper()
	require.NoError(p.t, plan.Apply(p.t.Context(), func(Step, error) {}))
}

func paths(plan Plan) (out []string) {
	for _, s := range plan.Steps {
		out = append(out, s.Kind+" "+s.Path)
	}
	return out
}

const webDropIn = setup.UnitDir + "/web.service.d/" + setup.EnvDropIn

func TestTheDifferenceIsShownThenWrittenAndThenNothingIsLeftToDo(t *testing.T) {
	p := newPlace(t)
	plan := p.look()
	require.Empty(t, plan.Problems)
	require.Equal(t, []string{
		"write " + setup.PolkitRule, "write " + webDropIn, "write " + setup.TmpFiles,
		"write /etc/systemd/system/recoveryd.service.d/" + setup.OwnDropIn,
		"directory /var/lib/rescue", "directory /run/rescue", "directory /run/rescue/env",
		"permissions /etc/rescue/recoveryd.yaml", "sql PostgreSQL of target db, role recoveryd",
	}, paths(plan))
	require.NoFileExists(t, p.path(setup.PolkitRule), "looking changes nothing")
	require.Contains(t, plan.Steps[0].Diff, `+            "web.service": ["restart"],`)
	require.Contains(t, plan.Steps[8].Diff, "+member of pg_signal_backend")
	p.apply(plan)
	require.Contains(t, p.read(setup.PolkitRule), `"web.service": ["restart"]`)
	require.Contains(t, p.read(webDropIn), "ExecStartPre=-+/usr/bin/recoveryd pass-number --key DB_POOL_SIZE --most 10000 /run/rescue/env/web.env\nEnvironmentFile=-/run/recoveryd-env/web.env\n")
	info, err := os.Stat(p.path("/run/rescue/env"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	require.Equal(t, os.FileMode(0o640), p.mode("/etc/rescue/recoveryd.yaml")&0o647, "nobody else reads the configuration")
	require.Equal(t, []string{`CREATE ROLE "recoveryd" LOGIN;` + "\n" + `COMMENT ON ROLE "recoveryd" IS 'Written by "recoveryd setup"';` + "\n" +
		`GRANT pg_monitor TO "recoveryd";` + "\n" + `GRANT pg_signal_backend TO "recoveryd";`, "systemctl daemon-reload"}, p.ran)
	require.Len(t, plan.After(), 2, "restart recoveryd; web.service at its next start")

	again := p.look()
	require.Empty(t, again.Steps)
	require.Empty(t, again.Problems)
}

func TestWhatIsNotOursIsNeverTouched(t *testing.T) {
	p := newPlace(t)
	const theirs = "// by hand\n// Written by \"recoveryd setup\" is what it does not say in its first line\n"
	p.put(setup.PolkitRule, theirs, 0o644)
	p.put(webDropIn, "[Service]\n", 0o644)
	p.role = "t|f|f|pg_monitor,pg_signal_backend,pg_read_all_data\n"
	plan := p.look()
	require.Len(t, plan.Problems, 2)
	require.Contains(t, plan.Problems[0], "mv "+setup.PolkitRule)
	require.NotContains(t, paths(plan), "sql PostgreSQL of target db, role recoveryd", "a role of somebody else's keeps what it has")
	require.True(t, slices.ContainsFunc(plan.Notes, func(n string) bool { return strings.Contains(n, "pg_read_all_data") }), "but it is said")
	p.apply(plan)
	gone, err := p.LookToRemove(t.Context(), p.wants.Roles)
	require.NoError(t, err)
	p.apply(gone)
	require.Equal(t, theirs, p.read(setup.PolkitRule))
	require.Equal(t, "[Service]\n", p.read(webDropIn))
	require.Equal(t, "// theirs\n", p.read("/etc/polkit-1/rules.d/00-somebody.rules"))
	require.False(t, slices.ContainsFunc(p.ran, func(s string) bool { return strings.Contains(s, "ROLE") }))
}

func TestRemoveUndoesWhatWasWritten(t *testing.T) {
	p := newPlace(t)
	p.apply(p.look())
	plan, err := p.LookToRemove(t.Context(), p.wants.Roles)
	require.NoError(t, err)
	p.apply(plan)
	for _, f := range p.wants.Files {
		require.NoFileExists(t, p.path(f.Path))
	}
	require.NoDirExists(t, p.path(setup.UnitDir+"/web.service.d"))
	require.DirExists(t, p.path("/var/lib/rescue"), "the journal stays")
	require.Contains(t, p.ran, `DROP ROLE "recoveryd";`)
	plan, err = p.LookToRemove(t.Context(), p.wants.Roles)
	require.NoError(t, err)
	require.Empty(t, plan.Steps)
}

func TestARightThatIsNoLongerNeededIsTakenBack(t *testing.T) {
	p := newPlace(t)
	p.apply(p.look())
	p.wants.Files = p.wants.Files[2:] // as in observe: neither a rule nor an environment file
	p.wants.Roles[0].Member = []string{"pg_monitor"}
	plan := p.look()
	require.Equal(t, []string{"remove " + setup.PolkitRule, "remove " + webDropIn, "sql PostgreSQL of target db, role recoveryd"}, paths(plan))
	require.Equal(t, []string{`REVOKE pg_signal_backend FROM "recoveryd";`}, plan.Steps[2].SQL)
}

func TestOneStepThatFailsDoesNotStopTheOthers(t *testing.T) {
	p := newPlace(t)
	plan := p.look()
	p.put(setup.UnitDir+"/web.service.d", "a file in the way", 0o644)
	var failed []string
	err := plan.Apply(t.Context(), func(s Step, err error) {
		if err != nil {
			failed = append(failed, s.Path)
		}
	})
	require.ErrorContains(t, err, webDropIn)
	require.Equal(t, []string{webDropIn}, failed)
	require.FileExists(t, p.path(setup.PolkitRule))
}

func TestTheSettingsOfTheServiceAreReadAcrossItsFiles(t *testing.T) {
	h := Host{Run: func(_ context.Context, _ string, argv ...string) (string, error) {
		return `# /lib/systemd/system/recoveryd.service
[Unit]
User=nobody
[Service]
User=recoveryd
IPAddressDeny=any
IPAddressAllow=localhost
LoadCredential=a:/etc/credstore/a
SystemCallFilter=@system-service \
  @file-system

# /etc/systemd/system/recoveryd.service.d/50-recoveryd-setup.conf
# ` + setup.Mark + `
[Service]
LoadCredential=b:/etc/credstore/b
IPAddressAllow=any

# /etc/systemd/system/recoveryd.service.d/override.conf
[Service]
User=rescue
; IPAddressDeny=
`, nil
	}}
	require.Equal(t, Service{Installed: true, User: "rescue", Group: "rescue", DeniesIP: true, AllowsLocal: true, Loaded: []string{"a"}, Settings: []string{
		"User=recoveryd", "IPAddressDeny=any", "IPAddressAllow=localhost", "LoadCredential=a:/etc/credstore/a", "SystemCallFilter=@system-service    @file-system", "LoadCredential=b:/etc/credstore/b", "IPAddressAllow=any", "User=rescue"}}, h.Service(t.Context()))
}

func TestNothingIsGivenAwayThroughALinkOfTheServiceUser(t *testing.T) {
	p := newPlace(t)
	p.apply(p.look())
	victim := filepath.Join(t.TempDir(), "etc")
	require.NoError(t, os.Mkdir(victim, 0o755))
	env := p.path("/run/rescue/env")
	require.NoError(t, os.Chmod(filepath.Dir(env), 0o770), "the directory is the user's, who does this")
	require.NoError(t, os.Remove(env))
	require.NoError(t, os.Symlink(victim, env))
	plan := p.look()
	require.Contains(t, fmt.Sprint(plan.Problems), "is a symbolic link that root did not make")
	require.NotContains(t, paths(plan), "directory /run/rescue/env")
	d := setup.Dir{Path: "/run/rescue/env", Mode: 0o700}
	require.ErrorContains(t, p.ownDir(d, os.Getuid(), os.Getgid()), "a symbolic link is not followed", "also when it came between two calls")
	info, err := os.Stat(victim)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
}
