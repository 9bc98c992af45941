// Command mcp-target is a small but real MCP server that behaves, and fails, like codebase-mcp and
// workflow-mcp do: the tests and the demo of recoveryd keep it alive.
//
// It serves GET /health/status, MCP over streamable HTTP on /mcp (resources health://status and
// health://connection-pool, tool search), POST /search, POST /documents and GET /metrics, with a
// real connection pool to the PostgreSQL database named by DATABASE_URL. Its health payload and its
// reactions to a full pool, a stopped and a frozen database are those measured on the real server.
// With -admin it also has what neither real server has: POST /admin/pool/resize (admin.go).
//
// Faults are switched by a control endpoint on a separate address (-control, see faults.go for the
// list) or at start by the environment (FAULTS, FAULTS_FILE).
//
// It is not part of recoveryd and never imported by it. Start reading at run, then health.go,
// pgstore.go and faults.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(log, os.Args[1:], os.Getenv); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(2)
		}
		log.Error("the server cannot run", "err", err)
		os.Exit(1) // like the real server: every failure at start is exit code 1, without a retry
	}
}

// options are the command line.
type options struct {
	addr    string // host:port of the MCP server
	control string // host:port or unix:PATH of the fault switches; "" for none
	admin   bool   // serve the admin API
	notify  bool   // tell systemd READY, STOPPING and WATCHDOG
	shape   string // simulated database: healthy, full or stopped; "" for none
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("mcp-target", flag.ContinueOnError)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8000", "`address` to serve on")
	flags.StringVar(&o.control, "control", "", "`address` of the fault switches: host:port or unix:PATH (default none)")
	flags.BoolVar(&o.admin, "admin", false, "serve POST /admin/pool/resize, to clients on this machine only")
	flags.BoolVar(&o.notify, "notify", false, "tell systemd when ready, and feed its watchdog (Type=notify)")
	flags.StringVar(&o.shape, "no-db-shape", "", "without DATABASE_URL: simulate a pool that is `healthy`, full or stopped")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o, nil
}

// run serves until SIGTERM or SIGINT, then drains. getenv is os.Getenv.
func run(log *slog.Logger, args []string, getenv func(string) string) error {
	opts, err := parseOptions(args)
	if err != nil {
		return err
	}
	cfg, err := readSettings(getenv)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)

	app := newApp(log, cfg)
	if err := app.faults.applyText(cfg.startFaults); err != nil {
		return fmt.Errorf("FAULTS: %w", err)
	}
	if !sleepUnlessSignalled(app.behaviour.startDelay(), signals) {
		return nil
	}
	if app.store, err = openStore(cfg, opts.shape, app.behaviour); err != nil {
		return fmt.Errorf("open the connection pool: %w", err)
	}
	front, err := newFront(opts.addr, app.handler(opts.admin))
	if err != nil {
		return err
	}
	app.front = front
	// Some start-up faults need the pool or the socket; the others were applied above.
	if err := app.faults.applyDeferred(); err != nil {
		return fmt.Errorf("FAULTS: %w", err)
	}
	closeControl, err := serveControl(log, opts.control, app)
	if err != nil {
		return err
	}
	defer closeControl()
	log.Info("serving", "addr", front.addr(), "application", cfg.application, "pid", os.Getpid(), "database", app.store.describe())

	stopWatchdog := func() {}
	if opts.notify {
		stopWatchdog = notifyReady(log, app.behaviour)
	}
	defer stopWatchdog()
	return app.waitAndDrain(signals, opts.notify)
}

// waitAndDrain blocks until a signal that is not ignored, then stops as the real server does:
// no new connections, running requests to their end or the drain time, then the pool.
func (a *app) waitAndDrain(signals <-chan os.Signal, notify bool) error {
	for {
		sig := <-signals
		if a.behaviour.ignoresSignals() {
			a.log.Warn("ignoring the signal: a fault is switched on", "signal", sig.String())
			continue
		}
		a.log.Info("draining", "signal", sig.String(), "at_most", a.cfg.drain)
		break
	}
	if notify {
		_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
	}
	ctx, cancel := context.WithTimeout(context.Background(), a.cfg.drain)
	defer cancel()
	a.closeSessions()
	if err := a.front.shutdown(ctx); err != nil {
		a.log.Warn("requests were still running when the drain time was over", "err", err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		a.faults.clearForExit()
		a.store.close()
	}()
	select {
	case <-closed:
		a.log.Info("stopped")
	case <-time.After(a.cfg.drain): // the real server waits for its 60 s command timeout here
		a.log.Warn("connections were still held when the drain time was over; leaving them")
	}
	return nil
}

// sleepUnlessSignalled reports whether it slept to the end.
func sleepUnlessSignalled(d time.Duration, signals <-chan os.Signal) bool {
	if d <= 0 {
		return true
	}
	select {
	case <-time.After(d):
		return true
	case <-signals:
		return false
	}
}

// serveControl serves the fault switches on their own socket, so that they work whatever happens
// to the server itself.
func serveControl(log *slog.Logger, addr string, a *app) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("remove the old control socket: %w", err)
		}
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return nil, fmt.Errorf("listen for control on %s: %w", addr, err)
	}
	srv := &http.Server{Handler: a.controlHandler(), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("control endpoint", "err", err)
		}
	}()
	return func() { _ = srv.Close() }, nil
}
