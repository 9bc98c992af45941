// Command kubelab builds and starts the Kubernetes of the tests by hand.
//
//	go run ./test/kubelab/cmd/kubelab check     can it be had here, and is it built already?
//	go run ./test/kubelab/cmd/kubelab build     build it, if it is not, and print its path
//	go run ./test/kubelab/cmd/kubelab up        start one with three nodes, until it is interrupted
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/recoveryd/recoveryd/test/kubelab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	verb := ""
	if len(os.Args) == 2 {
		verb = os.Args[1]
	}
	if err := run(ctx, verb); err != nil {
		fmt.Fprintln(os.Stderr, "kubelab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, verb string) (err error) {
	switch verb {
	case "check":
		if err := kubelab.Built(ctx); err != nil {
			return err
		}
		fmt.Println("kubelab is built and can be started here")
		return nil
	case "build":
		path, err := kubelab.Binary(ctx, os.Stderr)
		if err == nil {
			fmt.Println(path)
		}
		return err
	case "up":
		return up(ctx)
	}
	return errors.New("usage: kubelab check|build|up (see the comment at the top of test/kubelab/cmd/kubelab/main.go)")
}

func up(ctx context.Context) (err error) {
	c, err := kubelab.Start(ctx, kubelab.Options{Progress: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	for _, name := range []string{"node-a", "node-b", "node-c"} {
		if err := c.Node(ctx, name, nil); err != nil {
			return err
		}
	}
	fmt.Printf("export KUBECONFIG=%s\nuntil this is interrupted (Ctrl-C)\n", c.Kubeconfig)
	<-ctx.Done()
	return nil
}
