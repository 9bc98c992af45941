package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// daemon is the recoveryd under show.
type daemon struct {
	program, config, logFile string
	base                     string // http://host:port of its API
	cmd                      *exec.Cmd
	done                     chan struct{} // closed when it has ended
	client                   *http.Client
}

// startDaemon starts the built recoveryd. It is told to stop by the kernel when the demo dies.
func startDaemon(dir, program, config, addr string) (*daemon, error) {
	d := &daemon{program: program, config: config, logFile: filepath.Join(dir, "recoveryd.log"), base: "http://" + addr,
		done: make(chan struct{}), client: &http.Client{Timeout: 5 * time.Second}}
	log, err := os.Create(d.logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the daemon has its own descriptor
	d.cmd = exec.Command(program, "run", "--config", config)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	// A group of its own: a Ctrl-C at the terminal is for the demo, which then stops it in order.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the death signal comes when this thread ends
		defer runtime.UnlockOSThread()
		err := d.cmd.Start()
		started <- err
		if err == nil {
			_ = d.cmd.Wait() // how it ended is in its log
			close(d.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return d, nil
}

// stop stops it in order, with everything that it runs.
func (d *daemon) stop() error {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-d.done:
		return nil
	case <-time.After(20 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.done
		return errors.New("recoveryd did not stop within 20 s and was killed")
	}
}

// ended reports whether it runs no more.
func (d *daemon) ended() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// get asks the read-only API.
func (d *daemon) get(ctx context.Context, path string, into any) error {
	if d.ended() {
		return errors.New("recoveryd has ended")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+path, nil)
	if err != nil {
		return err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing depends on it
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: HTTP %d: %s", path, resp.StatusCode, strings.TrimSpace(string(body)))
	}
	return json.Unmarshal(body, into)
}

// status returns every target by name.
func (d *daemon) status(ctx context.Context) (map[string]httpserve.Target, error) {
	var st httpserve.Status
	if err := d.get(ctx, "/api/v1/status", &st); err != nil {
		return nil, err
	}
	out := map[string]httpserve.Target{}
	for _, t := range st.Targets {
		out[t.Name] = t
	}
	return out, nil
}

// incidents returns the newest incidents, newest first.
func (d *daemon) incidents(ctx context.Context) ([]incident.Incident, error) {
	var list []incident.Incident
	err := d.get(ctx, "/api/v1/incidents?limit=20", &list)
	return list, err
}

// history returns one incident with its records.
func (d *daemon) history(ctx context.Context, id string) (httpserve.History, error) {
	var h httpserve.History
	err := d.get(ctx, "/api/v1/incidents/"+id, &h)
	return h, err
}

// say runs an operator's command of the command line: recoveryd retry codebase-mcp.
func (d *daemon) say(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, d.program, append(args, "--config", d.config)...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return text, fmt.Errorf("recoveryd %s: %w: %s", strings.Join(args, " "), err, text)
	}
	return text, nil
}

// quiet waits until every target is healthy and none is being treated.
func (d *daemon) quiet(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := "no answer from its API"
	for {
		targets, err := d.status(ctx)
		if err == nil {
			last = ""
			for _, t := range targets {
				if t.Verdict != detect.Healthy || t.Phase != incident.Watching || t.LookedAt.IsZero() {
					last = fmt.Sprintf("%s is %s, %s: %s", t.Name, t.Phase, t.Verdict, t.Because)
				}
			}
			if last == "" {
				return nil
			}
		}
		if d.ended() {
			return errors.New("recoveryd has ended")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not all well within %s: %s", limit, last)
		case <-tick.C:
		}
	}
}

// logTail is the end of its log, for error messages.
func (d *daemon) logTail() string {
	b, err := os.ReadFile(d.logFile)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
