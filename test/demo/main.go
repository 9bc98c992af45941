// Command demo shows recoveryd at work, on this machine and without root: the built daemon runs two
// MCP servers and a private PostgreSQL as its child processes, faults are injected one after
// another, and each line that is printed was read from recoveryd's own API, from the local
// PagerDuty and Slack receivers, or by asking the servers.
//
// Every fault states what is expected of it beforehand. What differs is reported, and the exit code
// is 1 then. It changes nothing on the machine: all lives in one temporary directory, and nothing is
// left of it at the end, also after Ctrl-C.
//
// Start reading at run; scenes.go has the faults, follow.go how one is watched.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Exit codes.
const (
	exitDiffers     = 1   // something was not as expected, or the demo could not run
	exitUsage       = 2   // bad arguments
	exitInterrupted = 130 // Ctrl-C, as shells count it
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are the command line.
type options struct {
	bin        string // directory of recoveryd and mcp-target
	keep       bool   // stay up at the end
	noPostgres bool   // pretend that the machine has no PostgreSQL
	only       string // run the one scene whose name begins like this
}

func parseOptions(args []string, errOut io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.StringVar(&o.bin, "bin", "bin", "`directory` of the programs recoveryd and mcp-target (make build)")
	flags.BoolVar(&o.keep, "keep", false, "stay up at the end and say where to look")
	flags.BoolVar(&o.noPostgres, "no-postgres", false, "use the simulated database even when PostgreSQL is on the machine")
	flags.StringVar(&o.only, "only", "", "show only the faults whose `name` begins like this")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o, nil
}

// run is the whole demo; it returns the exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) (code int) {
	o, err := parseOptions(args, errOut)
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(errOut, "demo:", err)
		}
		return exitUsage
	}
	sc := newScreen(out)
	st := &stage{screen: sc, options: o}
	defer func() {
		if err := st.close(); err != nil {
			fmt.Fprintln(errOut, "demo: clean up:", err)
			code = exitDiffers
		}
	}()
	began := time.Now()
	results, err := play(ctx, st)
	switch {
	case ctx.Err() != nil:
		sc.plain("")
		sc.plain("interrupted: everything is being stopped and removed")
		return exitInterrupted
	case err != nil:
		fmt.Fprintf(errOut, "demo: %v\n", err)
		st.explainFailure(errOut)
		return exitDiffers
	}
	ok := sc.summary(results, time.Since(began))
	if o.keep {
		st.stay(ctx)
	}
	if !ok {
		return exitDiffers
	}
	return 0
}

// play sets the stage and shows every fault.
func play(ctx context.Context, st *stage) ([]result, error) {
	if err := st.set(ctx); err != nil {
		return nil, err
	}
	list := st.scenes()
	var results []result
	for i, s := range list {
		r, err := st.show(ctx, i+1, len(list), s)
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w", s.name, err)
		}
		results = append(results, r)
	}
	return results, nil
}
