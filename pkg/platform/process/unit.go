package process

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/recoveryd/recoveryd/pkg/capture"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
)

// unit is one program and its latest run.
type unit struct {
	adapter *Adapter
	spec    Unit
	turn    chan struct{} // capacity 1: held by the action that works on the unit
	telling sync.Mutex    // held while a state is published, so that an older one never comes last

	mu    sync.Mutex // guards everything that follows
	run   *run       // the latest; nil = never started
	state string     // running, stopping, stopped or failed, as in package detect
	job   string     // action in progress: start, stop, restart; "" = none
	ours  bool       // that action is recoveryd's and not a person's
	cause ending     // why the latest run was told to end
}

// run is one process from its start to its end.
type run struct {
	invocation string
	began      time.Time
	pid        int           // of the main process, which leads the process group
	gone       chan struct{} // closed when the process has been waited for
	ended      bool          // it has ended, and its number must not be used any more
	strays     []int         // processes of the run outside the group, killed with it
	result     string        // success, signal, exit-code; "" while it runs
	kind       string        // exited, killed, dumped
	status     int
}

// ending is who asked a run to end. The zero value: nobody.
type ending struct {
	job    string // stop or restart
	ours   bool
	killed bool // by kill
}

func newUnit(a *Adapter, spec Unit) *unit {
	return &unit{adapter: a, spec: spec, turn: make(chan struct{}, 1), state: detect.StateStopped}
}

// runs reports whether the process is there. The lock is held.
func (u *unit) runs() bool { return u.state == detect.StateRunning || u.state == detect.StateStopping }

// start starts the process. The caller holds the turn.
func (u *unit) start() (*run, error) {
	env, err := u.environment()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(u.spec.Argv[0], u.spec.Argv[1:]...)
	cmd.Dir, cmd.Env = u.spec.Dir, env
	cmd.Stdout, cmd.Stderr = u.spec.Output, u.spec.Output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var program *capture.Program
	done := make(chan error, 1)
	r := &run{invocation: newInvocation(), gone: make(chan struct{})}
	u.adapter.spawn <- func() {
		p, err := capture.Start(cmd)
		program = p
		done <- err
	}
	if err := <-done; err != nil {
		u.mu.Lock()
		u.state = detect.StateFailed
		u.run = &run{invocation: r.invocation, began: time.Now(), gone: r.gone, result: "exit-code", kind: "exited", status: 127} // what a shell says of a program that it cannot find
		u.cause = ending{}
		u.mu.Unlock()
		close(r.gone)
		u.report()
		return nil, err
	}
	u.mu.Lock()
	r.began, r.pid = time.Now(), cmd.Process.Pid
	u.run, u.state, u.cause = r, detect.StateRunning, ending{}
	u.mu.Unlock()
	u.adapter.log.Info("process started", zap.String("unit", u.spec.Name), zap.Int("pid", r.pid))
	u.adapter.wg.Go(func() { u.wait(cmd, program, r) })
	u.report()
	return r, nil
}

func newInvocation() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// environment is the unit's own and what is in its environment file.
func (u *unit) environment() ([]string, error) {
	env := append([]string{}, u.spec.Env...)
	if u.spec.EnvFile == "" {
		return env, nil
	}
	f, err := os.Open(filepath.Join(u.adapter.opt.EnvDir, u.spec.EnvFile))
	if errors.Is(err, os.ErrNotExist) {
		return env, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the environment of %s: %w", u.spec.Name, err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.Contains(s.Text(), "=") {
			env = append(env, s.Text()) // of two equal names the last counts
		}
	}
	return env, nil
}

// wait waits for the end of a run. What is left of its group is killed before the main process is
// reaped, since its number, which names the group, cannot be given to another before that.
func (u *unit) wait(cmd *exec.Cmd, program *capture.Program, r *run) {
	for {
		err := unix.Waitid(unix.P_PID, r.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	u.mu.Lock()
	r.ended = true
	strays := r.strays
	_ = syscall.Kill(-r.pid, syscall.SIGKILL)
	u.mu.Unlock()
	_ = program.Wait() // the state says more than the error
	awaitStrays(strays)
	kind, status := "exited", cmd.ProcessState.ExitCode()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		kind, status = "killed", int(ws.Signal())
		if ws.CoreDump() {
			kind = "dumped"
		}
	}
	u.mu.Lock()
	r.kind, r.status, r.result = kind, status, resultOf(kind, status)
	u.state = detect.StateStopped
	if r.result != "success" {
		u.state = detect.StateFailed
	}
	u.mu.Unlock()
	u.adapter.log.Info("process ended", zap.String("unit", u.spec.Name), zap.Int("pid", r.pid), zap.String("kind", kind), zap.Int("status", status))
	u.report()
	close(r.gone)
}

// awaitStrays waits until killed processes are gone: what they held (memory, ports, locks) must be
// free before the next run. A second is far above what the kernel needs.
func awaitStrays(pids []int) {
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if !slices.ContainsFunc(pids, func(pid int) bool {
			state, err := table.State(pid)
			return err == nil && state != "Z" && state != "X"
		}) {
			return
		}
	}
}

// resultOf names the result of a run. The signals HUP, INT, PIPE and TERM are a clean end, as for any service
// manager.
func resultOf(kind string, status int) string {
	switch {
	case kind == "dumped":
		return "core-dump"
	case kind == "killed" && (status == 1 || status == 2 || status == 13 || status == 15), kind == "exited" && status == 0:
		return "success"
	case kind == "killed":
		return "signal"
	}
	return "exit-code"
}

// begin notes that an action works on the unit.
func (u *unit) begin(job string, ours bool) {
	u.mu.Lock()
	u.job, u.ours = job, ours
	u.mu.Unlock()
	u.report()
}

func (u *unit) over() {
	u.mu.Lock()
	u.job = ""
	u.mu.Unlock()
	u.report()
}

// signal sends a signal to the process group of the present run, after noting why. It returns the
// run, or nil when none is there.
func (u *unit) signal(sig syscall.Signal, why ending) *run {
	u.mu.Lock()
	if !u.runs() {
		u.mu.Unlock()
		return nil
	}
	r := u.run
	if r.ended { // by itself, just now
		u.mu.Unlock()
		return r
	}
	u.cause = why
	if why.job != "" {
		u.state = detect.StateStopping
	}
	if sig == syscall.SIGKILL { // before the kill: afterwards nobody knows whose children they were
		r.strays = append(r.strays, table.Tree(r.pid)[1:]...)
	}
	// The process has not been reaped, so the number is still its own.
	_ = syscall.Kill(-r.pid, sig)
	for _, pid := range r.strays {
		_ = syscall.Kill(pid, sig) // most have just been killed with the group
	}
	if sig == syscall.SIGTERM {
		_ = syscall.Kill(-r.pid, syscall.SIGCONT) // a stopped process could not end, as under a service manager
	}
	u.mu.Unlock()
	u.report()
	return r
}

// close ends the unit for good. The adapter refuses new actions already.
func (u *unit) close(patience time.Duration) {
	u.end(patience)
	u.turn <- struct{}{} // the action that had the turn is over soon: its process is gone
	u.end(patience)      // unless it started another
	<-u.turn
}

func (u *unit) end(patience time.Duration) {
	r := u.signal(syscall.SIGTERM, ending{job: "stop", ours: true})
	if r == nil {
		return
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-r.gone:
	case <-t.C:
		u.signal(syscall.SIGKILL, ending{job: "stop", ours: true})
		<-r.gone
	}
}

// report publishes the present state.
func (u *unit) report() {
	u.telling.Lock()
	defer u.telling.Unlock()
	u.adapter.publish(platform.Change{Unit: u.spec.Name, Facts: u.facts()})
}
