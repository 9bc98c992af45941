// Command recoveryd watches the services of one host, finds out what is really wrong, does the
// mildest thing that cures it, proves that it worked, and pages people when it did not.
//
// This package is the command line only: one file per verb, no logic. Start reading at newRoot in
// root.go; the daemon is internal/app.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	_ "time/tzdata" // on-call schedules and windows need their zones on hosts without tzdata too

	"github.com/coreos/go-systemd/v22/journal"
)

// version and commit are set by the linker (see Makefile).
var (
	version = "dev"
	commit  = "unknown"
)

// Exit codes, documented in docs/cli.md.
const (
	exitNotHealthy = 1 // something is wrong, or the command failed
	exitUsage      = 2 // bad configuration or bad arguments; for check: cannot tell
)

// exitError carries an exit code to main; its message may be empty when all was printed already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// lastWords is an error as it is printed at the end. systemd's journal takes each line with the priority
// that stands in front of it.
func lastWords(text string) string {
	if direct, err := journal.StderrIsJournalStream(); err != nil || !direct {
		return text
	}
	return "<3>" + strings.ReplaceAll(text, "\n", "\n<3>")
}

func main() {
	// Nobody can read a profile of the heap here, and taking its samples costs most of a megabyte.
	runtime.MemProfileRate = 0
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRoot(os.Stdout, os.Stderr).ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	code := exitNotHealthy
	if e, ok := errors.AsType[*exitError](err); ok {
		code = e.code
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintln(os.Stderr, lastWords("recoveryd: "+msg))
	}
	os.Exit(code)
}
