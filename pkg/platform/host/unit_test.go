package host

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestTheUnitOfACommandSaysWhatIsConfiguredToTheLetterAndBeginsClosed(t *testing.T) {
	c := Command{Name: "data-recovery/4", Argv: []string{"/usr/bin/psql", "-c", `SELECT '$HOME', "%n"; --`, ";"}, Dir: "/var/backups", Env: []string{"PGOPTIONS=-c a=$b"},
		Timeout: time.Minute, Properties: []string{"User=postgres", "ProtectSystem=full"}}
	require.Equal(t, `[Unit]
Description=recoveryd: data-recovery/4
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart="/usr/bin/psql" "-c" "SELECT '$$HOME', \"%%n\"; --" ";"
WorkingDirectory=/var/backups
Environment="PGOPTIONS=-c a=$b"
TimeoutStartSec=59
TimeoutStopSec=5
KillMode=control-group
NoNewPrivileges=yes
PrivateTmp=yes
ProtectHome=yes
User=postgres
ProtectSystem=full
`, c.UnitText())
	require.Regexp(t, `^recoveryd-step-data-recovery-4-[0-9a-f]{8}\.service$`, c.UnitName())
	other := c
	other.Properties = []string{"User=root"}
	require.NotEqual(t, c.UnitName(), other.UnitName(), "what is changed is another unit, which must be installed first")
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
