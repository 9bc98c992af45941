package capture

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sh(text string) *exec.Cmd { return exec.Command("/bin/sh", "-c", text) }

// The copying of what a program printed may be late by as much as the machine is busy.
func TestNothingThatAProgramPrintedIsLostHoweverLateItIsCopied(t *testing.T) {
	var out bytes.Buffer
	late, err := newTube(&out)
	require.NoError(t, err)
	cmd := exec.Command("/bin/echo", "printed")
	cmd.Stdout = late.in
	require.NoError(t, cmd.Run())
	close(late.copied) // the copying never got its turn
	require.NoError(t, late.in.Close())
	late.end()
	require.Equal(t, "printed\n", out.String())
}

// slow is a writer that takes nothing until it is let go.
type slow struct {
	got          bytes.Buffer // not embedded: its ReadFrom would be taken instead of Write
	entered, let chan struct{}
}

func (s *slow) Write(b []byte) (int, error) {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.let
	return s.got.Write(b)
}

// A full pipe waits behind a first piece that is not written yet when the program has ended.
func TestTheEndIsNotToldBeforeEverythingIsWritten(t *testing.T) {
	out := &slow{entered: make(chan struct{}, 1), let: make(chan struct{})}
	cmd := sh("head -c 60000 /dev/zero")
	cmd.Stdout = out
	p, err := Start(cmd)
	require.NoError(t, err)
	<-out.entered
	ended := make(chan error)
	go func() { ended <- p.Wait() }()
	select {
	case <-ended:
		require.Fail(t, "it was told before")
	case <-time.After(50 * time.Millisecond): // a run that is too slow to fail here is none that passes wrongly
	}
	close(out.let)
	require.NoError(t, <-ended)
	require.Equal(t, 60000, out.got.Len())
}

func TestWhatIsLeftRunningIsNotWaitedFor(t *testing.T) {
	for name, text := range map[string]string{
		"in its own group": "echo kept; sleep 60 & echo $! >&2; exit 3",
		"outside of it":    "echo kept; setsid sleep 60 & echo $! >&2; exit 3",
	} {
		t.Run(name, func(t *testing.T) {
			var out, pid bytes.Buffer
			cmd := sh(text)
			cmd.Stdout, cmd.Stderr = &out, &pid
			began := time.Now()
			exit, ok := errors.AsType[*exec.ExitError](Run(cmd))
			require.True(t, ok)
			require.Equal(t, 3, exit.ExitCode())
			require.Equal(t, "kept\n", out.String())
			require.Less(t, time.Since(began), 30*time.Second, "half of what it would take")
			require.NoError(t, sh("kill "+strings.TrimSpace(pid.String())).Run(), "it lives on")
		})
	}
}

func TestOneWriterForBothKeepsTheOrder(t *testing.T) {
	var out bytes.Buffer
	cmd := sh("for i in 1 2 3; do echo out; echo err >&2; done")
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, Run(cmd))
	require.Equal(t, strings.Repeat("out\nerr\n", 3), out.String())
}

func TestFilesAndNothingAreTheProgramsOwn(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer f.Close()
	cmd := sh("echo kept; echo gone >&2")
	cmd.Stdout = f
	require.NoError(t, Run(cmd))
	b, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Equal(t, "kept\n", string(b))
}

// refuses takes nothing; it cannot be compared, which must not matter.
type refuses []byte

func (refuses) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestAWriterThatFailsHoldsNoProgramUp(t *testing.T) {
	cmd := sh("head -c 10000000 /dev/zero")
	cmd.Stdout, cmd.Stderr = refuses{}, refuses{}
	began := time.Now()
	_ = Run(cmd) // it ends by a signal, since nobody reads
	require.NotNil(t, cmd.ProcessState)
	require.Less(t, time.Since(began), 30*time.Second)
}

func TestWhatCannotBeStartedLeavesNothingBehind(t *testing.T) {
	before, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for range 20 {
		cmd := exec.Command("/nonexistent/program")
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		require.ErrorIs(t, Run(cmd), os.ErrNotExist)
	}
	after, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	require.Less(t, len(after), len(before)+20)
}

func TestAProgramIsKilledWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out slow
	out.entered, out.let = make(chan struct{}, 1), make(chan struct{})
	close(out.let)
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", "echo begun; exec sleep 60")
	cmd.Stdout = &out
	p, err := Start(cmd)
	require.NoError(t, err)
	<-out.entered
	cancel()
	require.Error(t, p.Wait())
	require.Equal(t, "begun\n", out.got.String())
}
