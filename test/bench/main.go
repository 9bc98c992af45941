// Command bench measures how fast recoveryd recovers and what it costs, so that anybody can check
// the numbers in docs/benchmarks.md: the built daemon as a systemd service in the lab, as the
// unprivileged user of the package, beside a bare D-Bus listener that restarts at once (floor).
//
// It needs what labs need (root, Linux) and says so when it cannot run. It decides nothing: asks
// come from the project's issues and are compared with what was measured. Milliseconds depend on
// the machine and on what else runs there; the ratio to the floor, measured in turns, does much less.
//
// Start reading at run; rig.go sets up the lab, measure.go has the clock.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/recoveryd/recoveryd/test/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if len(os.Args) > 1 && os.Args[1] == measureVerb {
		err = measure(ctx, os.Args[2:], os.Stdout)
	} else {
		err = run(ctx, os.Args[1:], os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	bin    string
	rounds int           // of each row with a fault
	idle   time.Duration // how long nothing happens
	output string
	only   []string
}

// parts are what can be measured, in order.
func parts() []string { return []string{"crash", "hang", "wedge", "idle", "scale"} }

func parse(args []string) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.bin, "bin", "bin", "`directory` of recoveryd, mcp-target and floor")
	flags.IntVar(&o.rounds, "n", 25, "rounds of each fault; hang and wedge take fewer")
	flags.DurationVar(&o.idle, "idle", time.Minute, "how long to measure while nothing happens")
	flags.StringVar(&o.output, "o", "text", "output `format`: text, markdown or json")
	only := flags.String("only", strings.Join(parts(), ","), "`parts` to measure")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.only = strings.Split(*only, ",")
	for _, p := range o.only {
		if !slices.Contains(parts(), p) {
			return o, fmt.Errorf("-only: there is no part %q (there are %s)", p, strings.Join(parts(), ", "))
		}
	}
	if !slices.Contains([]string{"text", "markdown", "json"}, o.output) {
		return o, fmt.Errorf("-o: unknown format %q", o.output)
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o, nil
}

// run measures and prints.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if err := lab.Supported(); err != nil {
		return fmt.Errorf("NOTHING WAS MEASURED: %w", err)
	}
	rep := newReport()
	r, err := newRig(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if err := r.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "bench: stop the lab:", err)
		}
	}()
	for _, p := range []struct {
		name string
		do   func(context.Context, *report) error
	}{{"crash", r.crash}, {"hang", r.hang}, {"wedge", r.wedge}, {"idle", r.idle}, {"scale", r.scale}} {
		if !slices.Contains(o.only, p.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s ...\n", p.name)
		if err := p.do(ctx, rep); err != nil {
			return fmt.Errorf("%s: %w\n%s", p.name, err, r.logTail(ctx))
		}
	}
	return rep.print(out, o.output)
}
