package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// bootTimeout bounds each step of a boot. A boot takes three seconds; on a busy machine with
// several labs starting at once it has taken twenty.
const bootTimeout = 90 * time.Second

// Lab is one running lab. Its methods are safe for concurrent use, except Stop.
type Lab struct {
	Name  string
	State string // what systemd said at the end of the boot: running or degraded

	leader int      // process id on the host of the lab's systemd
	dir    string   // journal, console log, staged files, process ids
	netns  *os.File // the lab's network
	unlock func()   // gives up the mark that this process owns the lab
	nspawn <-chan struct{}
}

// Start starts a lab and returns when its systemd has finished booting and, unless it is bare, both
// servers answer that they are healthy. The caller must call Stop; if the process dies first, the
// kernel ends the lab and the next Start removes what is left.
func Start(ctx context.Context, opts Options) (_ *Lab, err error) {
	if err := Supported(); err != nil {
		return nil, err
	}
	if opts, err = opts.complete(); err != nil {
		return nil, err
	}
	root, err := Rootfs(ctx, opts.Progress)
	if err != nil {
		return nil, err
	}
	l := &Lab{Name: opts.Name, State: "unknown", dir: filepath.Join(stateDir(), opts.Name)}
	if l.unlock, err = claim(opts); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("start lab %s: %w%s", l.Name, err, l.consoleTail())
			err = errors.Join(err, l.Stop())
		}
	}()
	files, err := bootFiles()
	if err != nil {
		return nil, err
	}
	for name, f := range opts.Files {
		files[name] = f
	}
	if err := stage(filepath.Join(l.dir, "files"), files); err != nil {
		return nil, err
	}
	if err := l.boot(ctx, root, opts); err != nil {
		return nil, err
	}
	return l, l.settle(ctx, opts)
}

// settle waits for the end of the boot.
func (l *Lab) settle(ctx context.Context, opts Options) error {
	if opts.V1Memory && Probe().Memory == MemoryV1 {
		if err := l.enableV1Memory(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, bootTimeout, fmt.Errorf("the boot is not over after %s", bootTimeout))
	defer cancel()
	r, err := l.Systemctl(ctx, "is-system-running", "--wait")
	if err != nil {
		return err
	}
	l.State = strings.TrimSpace(r.Stdout)
	if l.State != "running" && (l.State != "degraded" || !opts.AllowDegraded) {
		failed, err := l.Systemctl(ctx, "--failed", "--no-legend", "--plain")
		return errors.Join(fmt.Errorf("the boot ended as %q; failed units:\n%s", l.State, failed.Stdout), err)
	}
	if opts.Bare {
		return nil
	}
	for _, addr := range []string{CodebaseAddr, WorkflowAddr} {
		if err := l.WaitHealthy(ctx, addr); err != nil {
			return err
		}
	}
	return nil
}

// WaitHealthy blocks until GET /health/status at addr says healthy, or ctx ends.
func (l *Lab) WaitHealthy(ctx context.Context, addr string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		h, err := l.Health(ctx, addr)
		if err == nil && h.Status == "healthy" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to be healthy: %w; the last answer was %+v, %w", addr, context.Cause(ctx), h, err)
		case <-tick.C:
		}
	}
}

// HTTPClient returns a client whose connections are made in the lab's network.
func (l *Lab) HTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: l.DialContext, DisableKeepAlives: true}}
}

// BusAddress is the D-Bus address of the lab's system bus as seen from the host; root may use it.
func (l *Lab) BusAddress() string { return "unix:path=" + l.Path("/run/dbus/system_bus_socket") }

// Leader is the process id on the host of the lab's systemd.
func (l *Lab) Leader() int { return l.leader }

// PostgresUnit is the unit of the lab's PostgreSQL cluster, such as postgresql@15-main.service.
func (l *Lab) PostgresUnit() (string, error) {
	version, err := os.ReadFile(l.Path("/etc/lab-postgres"))
	if err != nil {
		return "", fmt.Errorf("which PostgreSQL is in lab %s: %w", l.Name, err)
	}
	return "postgresql@" + strings.TrimSpace(string(version)) + "-main.service", nil
}

// consoleTail is the end of what the lab's systemd and nspawn wrote, for error messages.
func (l *Lab) consoleTail() string {
	text, err := os.ReadFile(filepath.Join(l.dir, "console.log"))
	if err != nil || len(text) == 0 {
		return ""
	}
	return "\nconsole:\n" + string(tail(text, 2000))
}
