package platformtest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/platformtest"
	"github.com/recoveryd/recoveryd/pkg/platform/process"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// The suite is worth what it catches. Each defect below is an adapter that breaks one promise;
// the suite is run on it in a process of its own and must fail in the part that is named.

const defectVariable = "RECOVERYD_TEST_DEFECT"

// flawed is a good adapter with one defect.
type flawed struct {
	*process.Adapter
	defect string
}

func (f flawed) Verbs() []strategy.Verb {
	v := f.Adapter.Verbs()
	if f.defect == "names a verb twice" {
		v = append(v, v[0])
	}
	return v
}

func (f flawed) Do(ctx context.Context, a strategy.Action) (platform.Report, error) {
	done := platform.Report{Result: platform.Done, Detail: "killed, no process left"}
	switch {
	case f.defect == "accepts any verb" && !platform.Supports(f.Adapter, a.Verb),
		f.defect == "takes no object for everything" && a.Object == "",
		f.defect == "says done without doing" && a.Verb == strategy.Restart,
		f.defect == "takes nonsense" && a.Args[strategy.ArgStopGrace] == "soon":
		return done, nil
	case f.defect == "ignores the grace":
		a.Args = nil
	case f.defect == "acts for an ended context":
		ctx = context.WithoutCancel(ctx)
	case f.defect == "calls a lost answer done":
		rep, err := f.Adapter.Do(ctx, a)
		if rep.Result == platform.Unknown {
			return done, nil
		}
		return rep, err
	case f.defect == "calls a time-out done":
		rep, err := f.Adapter.Do(ctx, a)
		if rep.Result == platform.TimedOut {
			return done, nil
		}
		return rep, err
	case f.defect == "restarts what runs" && a.Verb == strategy.Start:
		a.Verb = strategy.Restart
	}
	return f.Adapter.Do(ctx, a)
}

func (f flawed) Watch(ctx context.Context, units []string, changed func(platform.Change)) error {
	switch f.defect {
	case "forgets crashes":
		inner := changed
		changed = func(c platform.Change) {
			if c.Facts.Text(detect.WorkloadDeparture) != detect.DepartureCrash {
				inner(c)
			}
		}
	case "takes our actions for a person's":
		inner := changed
		changed = func(c platform.Change) {
			if c.Facts.Text(detect.WorkloadDeparture) == detect.DepartureBySelf {
				c.Facts[detect.WorkloadDeparture] = detect.Word(detect.DepartureStopped)
			}
			inner(c)
		}
	case "reports units that nobody named":
		units = append([]string{"stubborn"}, units...)
	case "fails when it is told to end":
		if err := f.Adapter.Watch(ctx, units, changed); err != nil {
			return err
		}
		return ctx.Err()
	}
	return f.Adapter.Watch(ctx, units, changed)
}

func TestSuiteOnAnAdapterWithADefect(t *testing.T) {
	defect, set := os.LookupEnv(defectVariable)
	if !set {
		t.Skip("SKIPPED: only run by TestSuiteCatchesDefects, in a process of its own")
	}
	var current *process.Adapter
	platformtest.Run(t, platformtest.Harness{
		New: func(t *testing.T) platform.Adapter {
			env := []string{"PATH=/usr/bin:/bin"}
			a, err := process.New(process.Options{Units: []process.Unit{
				{Name: "plain", Argv: []string{"/bin/sleep", "600"}, Env: env},
				{Name: "stubborn", Argv: []string{"/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"}, Env: env}}})
			require.NoError(t, err)
			t.Cleanup(a.Close)
			current = a
			return flawed{a, defect}
		},
		Units: &platformtest.Units{Plain: "plain", Stubborn: "stubborn", Missing: "missing",
			PID: func(t *testing.T, unit string) int {
				f, err := current.Inspect(t.Context(), unit)
				require.NoError(t, err)
				return int(f[detect.WorkloadPID].Value)
			},
			OperatorStop:  func(t *testing.T, unit string) { require.NoError(t, current.OperatorStop(t.Context(), unit)) },
			OperatorStart: func(t *testing.T, unit string) { require.NoError(t, current.OperatorStart(t.Context(), unit)) },
		},
	})
}

func TestSuiteCatchesDefects(t *testing.T) {
	tests := []struct{ defect, part string }{
		{"none", ""},
		{"names a verb twice", "each verb is named once"},
		{"accepts any verb", "a verb that is not named is not supported"},
		{"takes no object for everything", "an action without an object does nothing"},
		{"acts for an ended context", "an action whose context has ended does nothing"},
		{"says done without doing", "restart makes a new run"},
		{"takes nonsense", "arguments that make no sense do nothing"},
		{"ignores the grace", "a stop that hangs is over after its grace"},
		{"calls a lost answer done", "an action whose context ends is unknown"},
		{"calls a time-out done", "an action that takes longer than its timeout is not done"},
		{"restarts what runs", "start of a running unit changes nothing"},
		{"forgets crashes", "a crash is reported as a crash, and so is the way back"},
		{"takes our actions for a person's", "our own stop, restart and kill are told from a person's"},
		{"reports units that nobody named", "every watched unit is reported at the start, and only those"},
		{"fails when it is told to end", "every watched unit is reported at the start, and only those"},
	}
	for _, tt := range tests {
		t.Run(tt.defect, func(t *testing.T) {
			t.Parallel()
			pattern := "^TestSuiteOnAnAdapterWithADefect$"
			if tt.part != "" {
				pattern += "/^" + strings.ReplaceAll(tt.part, " ", "_") + "$"
			}
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run="+pattern, "-test.v", "-test.timeout=5m")
			cmd.Env = append(os.Environ(), defectVariable+"="+tt.defect)
			cmd.Dir = filepath.Dir(os.Args[0])
			out, err := cmd.CombinedOutput()
			if tt.part == "" {
				require.NoError(t, err, "%s", out)
				return
			}
			require.Error(t, err, "the suite let it pass:\n%s", out)
			require.Contains(t, string(out), "--- FAIL: TestSuiteOnAnAdapterWithADefect/"+strings.ReplaceAll(tt.part, " ", "_"))
		})
	}
}
