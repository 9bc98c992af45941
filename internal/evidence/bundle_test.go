package evidence

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// shelf keeps what is saved.
type shelf struct {
	mu     sync.Mutex
	pieces map[string]string // by the name of the source
	names  []string
	err    error
}

func (s *shelf) save(_ context.Context, p Piece) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.pieces == nil {
		s.pieces = map[string]string{}
	}
	_, source, _ := strings.Cut(p.Name, "/")
	s.pieces[source] = string(p.Body)
	s.names = append(s.names, p.Incident+" "+p.Name)
	return nil
}

// collected collects one bundle, waits until it is stored, and returns it with how long the cure waited.
func collected(t *testing.T, s Subject, r Redactor) (map[string]string, time.Duration) {
	t.Helper()
	var sh shelf
	c, err := New(Options{Save: sh.save, Logger: zap.NewNop()})
	require.NoError(t, err)
	s.Target = "mcp"
	c.Configure([]Subject{s}, r)
	began := time.Now()
	c.Collect(t.Context(), "mcp", "mcp-1", nil)
	waited := time.Since(began)
	require.NoError(t, c.Close(t.Context()))
	return sh.pieces, waited
}

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "collect")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755)) //nolint:gosec // it is run
	return path
}

func TestABundleHoldsEveryKindOfEvidenceWithoutItsSecrets(t *testing.T) {
	s := Subject{
		Unit: "mcp.service",
		Inspect: func(context.Context) (detect.Facts, error) {
			return detect.Facts{detect.WorkloadState: detect.Word(detect.StateRunning), detect.WorkloadPID: detect.Num(float64(os.Getpid())),
				detect.MemoryCurrent: detect.Num(3 << 20), detect.WorkloadNote: detect.Word("run with token=hush-hush")}, nil
		},
		Command: []string{script(t, `echo "$RECOVERYD_TARGET $RECOVERYD_UNIT $RECOVERYD_INCIDENT $RECOVERYD_PID"; echo "the key is opensesame"; echo "no HOME: $HOME" >&2`)},
		Timeout: time.Minute, // for all sources: the machine may be busy
	}
	got, _ := collected(t, s, NewRedactor([]string{"opensesame"}))
	require.Contains(t, got["unit"], "workload.state           running")
	require.Contains(t, got["unit"], "3 MiB")
	require.Contains(t, got["unit"], "token=<secret>")
	require.Contains(t, got["processes"], "<- main process of mcp")
	require.Contains(t, got["sockets"], "listening:")
	require.Contains(t, got, "pressure")
	require.Contains(t, got["collector"], "mcp mcp.service mcp-1 ")
	require.Contains(t, got["collector"], "the key is <secret>")
	require.Contains(t, got["collector"], "no HOME: \n", "the daemon's environment is not passed on")
	require.Contains(t, got, "log", "where the journal cannot be read, it says why")
	require.NotContains(t, got, "sessions", "it has no database")
	for _, text := range got {
		require.NotContains(t, text, "hush-hush")
		require.NotContains(t, text, "opensesame")
	}
}

// TestAHungCollectorDelaysTheCureByItsLimitAndNoMore runs a program that would take a minute.
func TestAHungCollectorDelaysTheCureByItsLimitAndNoMore(t *testing.T) {
	s := Subject{Command: []string{script(t, "echo begun; (sleep 61; echo late) & sleep 60; echo ended")}, Timeout: 2 * time.Second}
	got, waited := collected(t, s, Redactor{})
	require.GreaterOrEqual(t, waited, 2*time.Second, "it had its time")
	require.Less(t, waited, 30*time.Second, "half of what it would take") // the exact time is shown in a bubble, below
	// Killed at the end of its time, or, where the machine was too busy to kill it in time, not waited for.
	require.Contains(t, []string{"begun\n(collect was killed: it had not ended after 2s)\n", "begun\n(did not come back in time)\n"}, got["collector"])
	require.Contains(t, got["sockets"], "listening:", "what was there in time is kept")
}

// A program may leave something running that holds its output.
func TestWhatAProgramLeavesRunningIsNotWaitedFor(t *testing.T) {
	for name, text := range map[string]string{
		"in its own group": "echo kept; sleep 60 & exit 0",
		"outside of it":    "echo kept; setsid sleep 60 & exit 0",
	} {
		t.Run(name, func(t *testing.T) {
			got, waited := collected(t, Subject{Command: []string{script(t, text)}, Timeout: time.Minute}, Redactor{})
			require.Equal(t, "kept\n", got["collector"])
			require.Less(t, waited, 30*time.Second)
		})
	}
}

// TestASourceThatNeverComesBack has a platform that hangs for ever, in a bubble with its own time.
func TestASourceThatNeverComesBackIsGivenUpAtTheLimitAndNotAskedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sh shelf
		c, err := New(Options{Save: sh.save, Logger: zap.NewNop()})
		require.NoError(t, err)
		hang, asked := make(chan struct{}), 0
		defer close(hang)
		slow := source{"slow", pieceBytes, always, func(_ context.Context, _ *scene, p *page) error {
			asked++
			p.line("something")
			<-hang
			return nil
		}}
		c.sources = []source{slow}
		c.seats = seatsOf(c.sources)
		c.Configure([]Subject{{Target: "mcp", Inspect: func(context.Context) (detect.Facts, error) { <-hang; return nil, nil }}}, Redactor{})
		for _, want := range []time.Duration{DefaultLimit, 0} {
			began := time.Now()
			c.Collect(t.Context(), "mcp", "mcp-1", nil)
			require.Equal(t, want, time.Since(began))
			synctest.Wait()
		}
		require.Equal(t, 1, asked)
		require.Equal(t, "(not asked: it has not come back from the last time)\n", sh.pieces["slow"])
		require.Len(t, sh.names, 2)
	})
}

func TestAShorterDeadlineOfTheEngineHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sh shelf
		c, err := New(Options{Save: sh.save, Logger: zap.NewNop()})
		require.NoError(t, err)
		c.sources = []source{{"slow", pieceBytes, always, func(ctx context.Context, _ *scene, p *page) error {
			p.line("half")
			<-ctx.Done()
			return ctx.Err()
		}}}
		c.seats = seatsOf(c.sources)
		c.Configure([]Subject{{Target: "mcp"}}, Redactor{})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		c.Collect(ctx, "mcp", "mcp-1", nil)
		require.Equal(t, 50*time.Millisecond, time.Since(began), "sources stop a little before, so that their part is kept")
		synctest.Wait()
		require.Equal(t, "half\n(cut off: the time for evidence was over)\n", sh.pieces["slow"])
	})
}

func TestAnUnknownTargetHasNoEvidence(t *testing.T) {
	var sh shelf
	c, err := New(Options{Save: sh.save, Logger: zap.NewNop()})
	require.NoError(t, err)
	c.Collect(t.Context(), "nobody", "x", nil)
	require.NoError(t, c.Close(t.Context()))
	require.Empty(t, sh.names)
	require.Equal(t, DefaultLimit, c.Limit("nobody"))
}

func TestALimitGrowsWithTheOperatorsProgramOnly(t *testing.T) {
	c, err := New(Options{Save: (&shelf{}).save, Logger: zap.NewNop()})
	require.NoError(t, err)
	c.Configure([]Subject{{Target: "a", Command: []string{"/x"}, Timeout: 3 * time.Second}, {Target: "b"}, {Target: "c", Command: []string{"/x"}, Timeout: 100 * time.Millisecond}}, Redactor{})
	require.Equal(t, 3250*time.Millisecond, c.Limit("a"))
	require.Equal(t, DefaultLimit, c.Limit("b"))
	require.Equal(t, DefaultLimit, c.Limit("c"))
}

func TestWhatIsTooLongIsCutAndSaysSo(t *testing.T) {
	s := Subject{Command: []string{script(t, "yes 0123456789 | head -c 300000")}, Timeout: time.Minute}
	got, _ := collected(t, s, Redactor{})
	require.Less(t, len(got["collector"]), commandBytes+100)
	require.Contains(t, got["collector"], "(cut: 37856 bytes more)")
}

func TestAProgramThatFailsOrIsNotThereSaysSo(t *testing.T) {
	got, _ := collected(t, Subject{Command: []string{script(t, "echo half; exit 3")}, Timeout: time.Minute}, Redactor{})
	require.Equal(t, "half\n(collect ended with exit status 3)\n", got["collector"])
	got, _ = collected(t, Subject{Command: []string{"/nonexistent/dump"}, Timeout: time.Second}, Redactor{})
	require.Equal(t, "(run dump: fork/exec /nonexistent/dump: no such file or directory)\n", got["collector"])
}

func TestASourceThatPanicsEndsNothing(t *testing.T) {
	var sh shelf
	c, err := New(Options{Save: sh.save, Logger: zap.NewNop()})
	require.NoError(t, err)
	c.sources = []source{{"odd", pieceBytes, always, func(context.Context, *scene, *page) error { panic("index out of range") }}}
	c.seats = seatsOf(c.sources)
	c.Configure([]Subject{{Target: "mcp"}}, Redactor{})
	c.Collect(t.Context(), "mcp", "mcp-1", nil)
	require.NoError(t, c.Close(t.Context()))
	require.Equal(t, "(the source failed: index out of range)\n", sh.pieces["odd"])
}

func TestEvidenceThatCannotBeStoredIsLoggedOnce(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	sh := shelf{err: errors.New("disk full")}
	c, err := New(Options{Save: sh.save, Logger: zap.New(core)})
	require.NoError(t, err)
	c.Configure([]Subject{{Target: "mcp"}}, Redactor{})
	c.Collect(t.Context(), "mcp", "mcp-1", nil)
	require.NoError(t, c.Close(t.Context()))
	require.Equal(t, 1, logs.Len())
}
