// Command lab starts and stops disposable test machines by hand.
//
//	go run ./test/lab/cmd/lab start [-bare] [-v1-memory] [-with-recoveryd] NAME
//	go run ./test/lab/cmd/lab exec NAME COMMAND...      as root, in a unit of its own
//	go run ./test/lab/cmd/lab run NAME COMMAND...       host program in the lab's network, with its bus
//	go run ./test/lab/cmd/lab journal NAME [journalctl options...]
//	go run ./test/lab/cmd/lab list | stop NAME | rootfs | prune | check
//
// It is a thin shell over package lab, which does the work.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/recoveryd/recoveryd/test/lab"
)

var errUsage = errors.New("usage: lab start|exec|run|journal|list|stop|rootfs|prune|check ... (see the comment at the top of test/lab/cmd/lab/main.go)")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	code, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run performs one verb and returns the exit code of the command that it ran, if any.
func run(ctx context.Context, args []string) (code int, err error) {
	if len(args) == 0 {
		return 2, errUsage
	}
	verb, rest := args[0], args[1:]
	switch verb {
	case "start":
		return 0, start(ctx, rest)
	case "list":
		names, err := lab.List()
		for _, name := range names {
			fmt.Println(name)
		}
		return 0, err
	case "rootfs":
		dir, err := lab.Rootfs(ctx, os.Stderr)
		if err == nil {
			fmt.Println(dir)
		}
		return 0, err
	case "prune":
		dirs, err := lab.Prune()
		for _, dir := range dirs {
			fmt.Println("removed", dir)
		}
		return 0, err
	case "check":
		if err := lab.Supported(); err != nil {
			return 1, err
		}
		fmt.Printf("labs can be started here; %+v\n", lab.Probe())
		return 0, nil
	}
	if len(rest) == 0 {
		return 2, errUsage
	}
	l, err := lab.Open(rest[0])
	if err != nil {
		return 1, err
	}
	return use(ctx, l, verb, rest[1:])
}

// use performs the verbs that need a running lab.
func use(ctx context.Context, l *lab.Lab, verb string, args []string) (int, error) {
	switch {
	case verb == "stop":
		return 0, l.Stop()
	case verb == "journal":
		text, err := l.Journal(ctx, args...)
		fmt.Print(text)
		return 0, err
	case verb == "exec" && len(args) > 0:
		return attach(l.Command(ctx, "root", args...))
	case verb == "run" && len(args) > 0:
		return attach(l.HostCommand(ctx, args...))
	}
	return 2, errUsage
}

// attach runs a command on our own standard streams.
func attach(cmd *exec.Cmd) (int, error) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

func start(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("lab start", flag.ContinueOnError)
	bare := flags.Bool("bare", false, "leave PostgreSQL and the servers stopped")
	v1 := flags.Bool("v1-memory", false, "make MemoryMax work on a host with cgroup v1")
	daemon := flags.Bool("with-recoveryd", false, "put recoveryd into "+lab.BinDir+" beside mcp-target")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errUsage
	}
	names := []string{"mcp-target"}
	if *daemon {
		names = append(names, "recoveryd")
	}
	bin, err := lab.Binaries(ctx, names...)
	if err != nil {
		return err
	}
	began := time.Now()
	l, err := lab.Start(ctx, lab.Options{Name: flags.Arg(0), Binaries: bin, Bare: *bare, V1Memory: *v1, Detached: true})
	if err != nil {
		return err
	}
	fmt.Printf("lab %s: %s in %s\nDBUS_SYSTEM_BUS_ADDRESS=%s\n", l.Name, l.State, time.Since(began).Round(time.Millisecond), l.BusAddress())
	return nil
}
