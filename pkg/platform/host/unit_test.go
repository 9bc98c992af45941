package host

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestACommandAsAUnitBeginsClosedAndNamesNoSecret(t *testing.T) {
	c := Command{Name: "data-recovery/4", Argv: []string{"/usr/bin/psql", "-c", "SELECT 1; --"}, Dir: "/var/backups", Env: []string{"PGPASSWORD=s3cr3t"},
		Properties: []string{"User=postgres", "ProtectSystem=full"}}
	got := asUnit(c, time.Minute)
	require.Equal(t, []string{"--", "/usr/bin/psql", "-c", "SELECT 1; --"}, got[len(got)-4:], "the arguments are passed as they are")
	require.Contains(t, got, "--unit=recoveryd-data-recovery-4.service", "a second one is refused while it runs")
	require.Contains(t, got, "--property=RuntimeMaxSec=59", "systemd ends it, whatever becomes of us")
	require.Contains(t, got, "--property=User=postgres")
	require.Contains(t, got, "--property=NoNewPrivileges=yes")
	require.Contains(t, got, "--property=ProtectSystem=full")
	require.NotContains(t, got, "--property=ProtectSystem=strict", "the operator's word replaces ours")
	require.Contains(t, got, "--setenv=PGPASSWORD")
	require.NotContains(t, strings.Join(got, " "), "s3cr3t", "everybody may read command lines")
	require.True(t, slices.Contains(got, "--no-ask-password"))
}

func TestTheSameCommandLineOfTwoStepsIsTwoCommands(t *testing.T) {
	var said []string
	a := adapter(t, Options{Said: func(name string, out []byte) { said = append(said, name+": "+string(out)) }, Commands: []Command{
		{Name: "one/1", Argv: []string{"/bin/sh", "-c", "echo $WHO"}, Env: []string{"WHO=first"}},
		{Name: "two/1", Argv: []string{"/bin/sh", "-c", "echo $WHO; head -c 5000 /dev/zero | tr '\\0' y"}, Env: []string{"WHO=second"}, Keep: 1024}}})
	do := func(object string, argv ...string) (platform.Report, error) {
		return a.Do(t.Context(), strategy.Action{Verb: strategy.CommandRun, Object: object, Timeout: 10 * time.Second,
			Args: map[string]string{strategy.ArgArgv: strings.Join(argv, "\x00")}})
	}
	rep, err := do("one/1", "/bin/sh", "-c", "echo $WHO")
	require.NoError(t, err)
	require.Contains(t, rep.Detail, "first")
	_, err = do("two/1", "/bin/sh", "-c", "echo $WHO")
	require.ErrorContains(t, err, "not one of the configured ones", "the name and the command line must both be right")
	_, err = do("two/1", "/bin/sh", "-c", "echo $WHO; head -c 5000 /dev/zero | tr '\\0' y")
	require.NoError(t, err)
	require.Equal(t, "one/1: first\n", said[0])
	require.Len(t, said[1], len("two/1: ")+1024, "only the end of the output is kept")
}
