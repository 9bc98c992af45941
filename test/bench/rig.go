package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/test/lab"
)

// The lab's servers without a database: they start within milliseconds, so that what is measured
// is the recovery and not the server.
const (
	victim     = "victim@8100.service"
	victimAddr = "127.0.0.1:8100"
	second     = "victim@8101.service"
	apiAddr    = "127.0.0.1:9465"
	daemonUnit = "recoveryd.service"
	floorUnit  = "floor.service"
	pollerUnit = "poller.service" // the floor, and two polls a second
)

// Times of the configuration under which faults are measured.
const (
	interval  = time.Second
	timeout   = 500 * time.Millisecond
	looks     = 2 // of the class hung, as built in
	stopGrace = time.Second
)

// configuration watches the two victims every second. Clear and probation are short, so that the
// next round need not wait; they begin when the service is healthy and do not change what is timed.
const configuration = `
version: 1
host: bench
probation: 1s
http: {listen: "` + apiAddr + `"}
targets:
  - {name: one, kind: service, unit: "` + victim + `", interval: 1s, start_grace: 5s, stop_grace: 1s, health: [{url: "http://` + victimAddr + `/health/status", timeout: 500ms}]}
  - {name: two, kind: service, unit: "` + second + `", interval: 1s, start_grace: 5s, stop_grace: 1s, health: [{url: "http://127.0.0.1:8101/health/status", timeout: 500ms}]}
classes: [{class: down, clear: 100ms}, {class: hung, clear: 100ms}]
budgets: {target: {actions: 1000, window: 1h}, class: {actions: 1000, window: 1h}, host: {actions: 1000, window: 1h}}
`

// rig is the lab with everything to be measured in it.
type rig struct {
	*lab.Lab
	o    options
	self string // this program
	http *http.Client
}

// newRig boots a lab in which nothing runs but the victims.
func newRig(ctx context.Context, o options) (*rig, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	files := map[string]lab.File{
		"/usr/bin/recoveryd":                               {Symlink: lab.BinDir + "/recoveryd"},
		"/etc/recoveryd/recoveryd.yaml":                    {Content: configuration, Mode: 0o640, GID: lab.UIDRecoveryd},
		"/etc/systemd/system/victim@.service.d/bench.conf": {Content: "[Unit]\nStartLimitIntervalSec=0\n"},
		"/etc/systemd/system/" + floorUnit:                 {Content: "[Service]\nType=exec\nExecStart=" + lab.BinDir + "/floor " + victim + "\n"},
		"/etc/systemd/system/" + pollerUnit: {Content: "[Service]\nType=exec\nExecStart=" + lab.BinDir + "/floor " + victim +
			" http://" + victimAddr + "/health/status http://127.0.0.1:8101/health/status\n"},
	}
	for to, from := range map[string]string{
		"/etc/systemd/system/recoveryd.service":    "recoveryd.service",
		"/etc/tmpfiles.d/recoveryd.conf":           "recoveryd.tmpfiles",
		"/etc/polkit-1/rules.d/50-recoveryd.rules": "50-recoveryd.rules",
	} {
		text, err := os.ReadFile(filepath.Join("deploy/systemd", from))
		if err != nil {
			return nil, fmt.Errorf("%w (run it in the root of the tree: make bench)", err)
		}
		// The package's rule, with the units of this configuration.
		files[to] = lab.File{Content: strings.Replace(string(text), `"codebase-mcp.service"`, `"`+victim+`", "`+second+`", "codebase-mcp.service"`, 1)}
	}
	for _, name := range []string{"recoveryd", "mcp-target", "floor"} {
		if _, err := os.Stat(filepath.Join(o.bin, name)); err != nil {
			return nil, fmt.Errorf("%w (make bench builds it)", err)
		}
	}
	l, err := lab.Start(ctx, lab.Options{Bare: true, Binaries: o.bin, Files: files})
	if err != nil {
		return nil, err
	}
	r := &rig{Lab: l, o: o, self: self, http: l.HTTPClient()}
	r.http.Timeout = 5 * time.Second
	return r, r.ctl(ctx, "start", victim, second)
}

// ctl runs systemctl in the lab.
func (r *rig) ctl(ctx context.Context, args ...string) error {
	res, err := r.Systemctl(ctx, args...)
	if err == nil && res.Code != 0 {
		err = fmt.Errorf("systemctl %s: %s", strings.Join(args, " "), strings.TrimSpace(res.Stderr))
	}
	return err
}

// hostPID finds a unit's main process in the host's process table.
func (r *rig) hostPID(ctx context.Context, unit string) (int, error) {
	inside, err := r.Show(ctx, unit, "MainPID")
	if err != nil {
		return 0, err
	}
	space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", r.Leader()))
	if err != nil {
		return 0, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err != nil || ns != space {
			continue
		}
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil && lastOf(text, "NSpid:") == inside {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("process %s of %s is not in the process table", inside, unit)
}

// lastOf returns the last word of a line of /proc/PID/status.
func lastOf(status []byte, key string) string {
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(key)); ok {
			if f := bytes.Fields(rest); len(f) > 0 {
				return string(f[len(f)-1])
			}
		}
	}
	return ""
}

// inject runs one measurement in the lab's network.
func (r *rig) inject(ctx context.Context, args ...string) (s sample, err error) {
	res, err := r.RunHost(ctx, append([]string{r.self, measureVerb, "-addr", victimAddr}, args...)...)
	if err != nil {
		return s, err
	}
	if res.Code != 0 {
		return s, errors.New(strings.TrimSpace(res.Stderr))
	}
	return s, json.Unmarshal([]byte(res.Stdout), &s)
}

// ownStart is the part of a recovery that is the service's own: from the moment that systemd
// started its process to the first healthy answer.
func (r *rig) ownStart(ctx context.Context, s sample) (time.Duration, error) {
	forked, err := r.monotonicOf(ctx, victim, "ExecMainStartTimestampMonotonic")
	if err != nil {
		return 0, err
	}
	own := time.Duration(s.Healthy - forked)
	if own <= 0 || own > s.took() {
		return 0, fmt.Errorf("the process that answers was started %s before it answered, %s after the fault", own, s.took()-own)
	}
	return own, nil
}

// monotonicOf reads one of systemd's timestamps, in nanoseconds.
func (r *rig) monotonicOf(ctx context.Context, unit, property string) (int64, error) {
	text, err := r.Show(ctx, unit, property)
	if err != nil {
		return 0, err
	}
	us, err := strconv.ParseInt(text, 10, 64)
	return us * 1000, err
}

// anyMoment waits for up to one interval, so that faults fall at random in the rhythm of polls.
func anyMoment(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(rand.N(interval)):
		return nil
	}
}

// calm waits until recoveryd watches both victims and sees them well.
func (r *rig) calm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	last := "no answer"
	for {
		var st httpserve.Status
		err := r.api(ctx, "/api/v1/status", &st)
		if err == nil {
			last = ""
			for _, t := range st.Targets {
				if t.Verdict != detect.Healthy || t.Phase != incident.Watching {
					last = fmt.Sprintf("%s is %s, %s: %s", t.Name, t.Phase, t.Verdict, t.Because)
				}
			}
			if last == "" {
				return nil
			}
		} else {
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("recoveryd does not come to rest: %s", last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (r *rig) api(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+apiAddr+path, nil)
	if err != nil {
		return err
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing depends on it
	return json.NewDecoder(resp.Body).Decode(into)
}

// logTail is the end of the daemon's log, for errors.
func (r *rig) logTail(ctx context.Context) string {
	text, err := r.Journal(context.WithoutCancel(ctx), "-u", daemonUnit, "-o", "cat", "-n", "20")
	if err != nil {
		return err.Error()
	}
	return text
}
