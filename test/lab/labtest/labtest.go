// Package labtest ties labs to tests: a lab that ends with its test, programs that are up to date,
// and the journal of a failed test kept where go test keeps artifacts.
//
// It skips a test on a machine that cannot run labs, with the reason, and never for another
// reason. Start reading at [Start].
package labtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/recoveryd/recoveryd/test/lab"
)

// tailLines is how much of a failed test's journal is printed in the test log; all of it is in the
// artifact directory.
const tailLines = "150"

// Start starts a lab for a test and stops it at the end. Options.Binaries is set to a directory
// with mcp-target, unless the options say otherwise; Build tells how to have recoveryd in it, too.
func Start(t testing.TB, opts lab.Options) *lab.Lab {
	t.Helper()
	Require(t)
	if opts.Binaries == "" {
		opts.Binaries = Build(t, "mcp-target")
	}
	if opts.Progress == nil {
		opts.Progress = os.Stderr // a first build takes minutes; t.Log would be silent until its end
	}
	l, err := lab.Start(t.Context(), opts)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			keepJournal(t, l)
		}
		if err := l.Stop(); err != nil {
			t.Errorf("stop the lab: %v", err)
		}
	})
	return l
}

// Require skips the test, with the exact reason, when labs cannot be started here, and with -short.
func Require(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a lab, which -short leaves out")
	}
	if err := lab.Supported(); err != nil {
		t.Skipf("needs a lab: %v", err)
	}
}

// Build returns a directory with programs ("mcp-target", "recoveryd") of the working tree, for
// Options.Binaries.
func Build(t testing.TB, names ...string) string {
	t.Helper()
	dir, err := lab.Binaries(t.Context(), names...)
	if err != nil {
		t.Fatalf("programs for the lab: %v", err)
	}
	return dir
}

// keepJournal writes the whole journal to the artifact directory and its end to the test log.
func keepJournal(t testing.TB, l *lab.Lab) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // it has ended by now
	all, err := l.Journal(ctx, "-o", "short-precise")
	if err != nil {
		t.Logf("the journal of lab %s cannot be read: %v", l.Name, err)
		return
	}
	path := filepath.Join(t.ArtifactDir(), l.Name+".journal")
	if err := os.WriteFile(path, []byte(all), 0o644); err != nil {
		t.Logf("keep the journal of lab %s: %v", l.Name, err)
	}
	end, err := l.Journal(ctx, "-o", "short-precise", "-n", tailLines)
	if err != nil {
		t.Logf("the journal of lab %s cannot be read: %v", l.Name, err)
		return
	}
	t.Logf("end of the journal of lab %s (all of it: %s):\n%s", l.Name, path, end)
}
