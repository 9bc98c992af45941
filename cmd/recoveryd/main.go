// Command recoveryd watches the services of one host, finds out what is really wrong, does the
// mildest thing that cures it, proves that it worked, and pages people when it did not.
//
// This package only puts the command line together. Start reading at newRoot in root.go; the commands
// are in internal/console, the daemon is internal/app.
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
	_ "time/tzdata"

	"github.com/coreos/go-systemd/v22/journal"

	"github.com/recoveryd/recoveryd/internal/console"
)

// version and commit are set by the linker (see Makefile).
var (
	version = "dev"
	commit  = "unknown"
)

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
	code := console.NotHealthy
	if e, ok := errors.AsType[*console.ExitError](err); ok {
		code = e.Code
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintln(os.Stderr, lastWords("recoveryd: "+msg))
	}
	os.Exit(code)
}
