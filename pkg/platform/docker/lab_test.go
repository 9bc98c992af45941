package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/egress"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/platformtest"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	image = "localhost/recoveryd-test:latest" // Podman 4.3 looks elsewhere for a name without a host, and knows no other tag of what it imports
	soon  = 30 * time.Second
)

// lab is a dockerd of its own, without a network, and with one image.
type lab struct {
	dir, socket string
	daemon      *exec.Cmd
	ended       chan struct{}
	docker      *client.Client // as a person's, without our list of requests
}

// newLab starts a dockerd for the test; where there is none the test is skipped with that reason.
func newLab(t *testing.T) *lab {
	t.Helper()
	if _, err := exec.LookPath("dockerd"); err != nil {
		t.Skip("there is no dockerd in PATH (Debian: docker.io)")
	}
	if os.Getuid() != 0 {
		t.Skip("a dockerd of its own needs root")
	}
	dir, err := os.MkdirTemp("", "recoveryd-docker") // a short path: that of a socket is bounded
	require.NoError(t, err)
	l := &lab{dir: dir, socket: filepath.Join(dir, "sock")}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	l.start(t)
	t.Cleanup(func() { l.stop(t) })
	l.docker, err = client.New(client.WithHost("unix://"+l.socket), client.WithHTTPClient(egress.Unix(l.socket)))
	require.NoError(t, err)
	l.load(t)
	return l
}

func (l *lab) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(l.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer log.Close()
	l.daemon = exec.Command("dockerd", "--data-root", l.dir+"/data", "--exec-root", l.dir+"/exec", "--pidfile", l.dir+"/pid", "-H", "unix://"+l.socket,
		"--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false")
	l.daemon.Stdout, l.daemon.Stderr = log, log
	l.daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	require.NoError(t, l.daemon.Start())
	ended := make(chan struct{})
	l.ended = ended
	go func(c *exec.Cmd) {
		_ = c.Wait()
		close(ended)
	}(l.daemon)
	require.Eventually(t, func() bool {
		r, err := egress.Unix(l.socket).Get("http://docker/_ping")
		if err != nil {
			return false
		}
		return r.Body.Close() == nil && r.StatusCode == http.StatusOK
	}, time.Minute, 20*time.Millisecond, "dockerd does not answer; see %s/log", l.dir)
}

func (l *lab) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, l.daemon.Process.Signal(syscall.SIGTERM))
	select {
	case <-l.ended:
	case <-time.After(time.Minute):
		t.Fatal("dockerd does not end")
	}
}

// load makes the image: one static program.
func (l *lab) load(t *testing.T) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", program, "./testdata/program")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	b, err := os.ReadFile(program)
	require.NoError(t, err)
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "program", Mode: 0o755, Size: int64(len(b))}))
	_, err = w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "tmp/", Mode: 0o777, Typeflag: tar.TypeDir}))
	require.NoError(t, w.Close())
	name, tag, _ := strings.Cut(image, ":")
	q := url.Values{"fromSrc": {"-"}, "repo": {name}, "tag": {tag}, "changes": {`ENTRYPOINT ["/program"]`}}
	r, err := egress.Unix(l.socket).Post("http://docker/images/create?"+q.Encode(), "application/x-tar", &archive)
	require.NoError(t, err)
	defer r.Body.Close()
	var said bytes.Buffer
	_, err = said.ReadFrom(r.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.StatusCode, said.String())
}

// create makes a container and removes it when the test ends.
func (l *lab) create(t *testing.T, name string, change func(*container.Config, *container.HostConfig), cmd ...string) (id string) {
	t.Helper()
	config := &container.Config{Image: image, Cmd: cmd}
	host := &container.HostConfig{NetworkMode: "none"}
	if change != nil {
		change(config, host)
	}
	made, err := l.docker.ContainerCreate(t.Context(), client.ContainerCreateOptions{Config: config, HostConfig: host, Name: name})
	require.NoError(t, err)
	t.Cleanup(func() { l.remove(t, made.ID) })
	return made.ID
}

func (l *lab) remove(t *testing.T, id string) {
	t.Helper()
	_, err := l.docker.ContainerRemove(context.Background(), id, client.ContainerRemoveOptions{Force: true})
	if err != nil {
		require.ErrorContains(t, err, "o such container")
	}
}

func (l *lab) run(t *testing.T, name string, change func(*container.Config, *container.HostConfig), cmd ...string) (id string) {
	t.Helper()
	id = l.create(t, name, change, cmd...)
	_, err := l.docker.ContainerStart(t.Context(), id, client.ContainerStartOptions{})
	require.NoError(t, err)
	return id
}

func (l *lab) adapter(t *testing.T) *Adapter {
	t.Helper()
	a, err := New(Options{Socket: l.socket, RawSocket: RawSocketAccept})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func (l *lab) pid(t *testing.T, name string) int {
	t.Helper()
	r, err := l.docker.ContainerInspect(t.Context(), name, client.ContainerInspectOptions{})
	require.NoError(t, err)
	require.Greater(t, r.Container.State.Pid, 1, "%s does not run", name)
	return r.Container.State.Pid
}

// untilItIgnoresTerm waits until the stubborn program has got as far as being stubborn.
func (l *lab) untilItIgnoresTerm(t *testing.T, name string) {
	t.Helper()
	path := fmt.Sprintf("/proc/%d/status", l.pid(t, name))
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		_, mask, _ := strings.Cut(string(b), "SigIgn:")
		mask, _, _ = strings.Cut(strings.TrimSpace(mask), "\n")
		n, err := strconv.ParseUint(mask, 16, 64)
		return err == nil && n&(1<<(syscall.SIGTERM-1)) != 0
	}, soon, 5*time.Millisecond)
}

func (l *lab) personStops(t *testing.T, name string) {
	t.Helper()
	_, err := l.docker.ContainerStop(t.Context(), name, client.ContainerStopOptions{})
	require.NoError(t, err)
}

func TestConformanceOnARealDockerd(t *testing.T) {
	l := newLab(t)
	hour := 3600
	l.create(t, "plain", nil, "sleep", "143")
	l.create(t, "stubborn", func(c *container.Config, _ *container.HostConfig) { c.StopTimeout = &hour }, "stubborn")
	platformtest.Run(t, platformtest.Harness{
		New: func(t *testing.T) platform.Adapter { return l.adapter(t) },
		Units: &platformtest.Units{
			Plain: "plain", Stubborn: "stubborn", Missing: "missing",
			PID: l.pid, OperatorStop: l.personStops,
			OperatorStart: func(t *testing.T, name string) {
				_, err := l.docker.ContainerStart(t.Context(), name, client.ContainerStartOptions{})
				require.NoError(t, err)
			},
		},
	})
}

// listener collects what a Watch tells.
type listener struct {
	t       *testing.T
	changes chan platform.Change
}

func listen(t *testing.T, a *Adapter, names ...string) *listener {
	t.Helper()
	l := &listener{t: t, changes: make(chan platform.Change, 10000)}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Watch(ctx, names, func(c platform.Change) { l.changes <- c }) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	for range names {
		l.next("the first report")
	}
	return l
}

func (l *listener) next(what string) detect.Facts {
	l.t.Helper()
	select {
	case c := <-l.changes:
		return c.Facts
	case <-time.After(soon):
		l.t.Fatalf("nothing was told while waiting for %s", what)
		return nil
	}
}

func (l *listener) until(what string, ok func(detect.Facts) bool) detect.Facts {
	l.t.Helper()
	for {
		if f := l.next(what); ok(f) {
			return f
		}
	}
}

func left(word string) func(detect.Facts) bool {
	return func(f detect.Facts) bool { return f.Text(detect.WorkloadDeparture) == word }
}

func act(t *testing.T, a *Adapter, v strategy.Verb, name string, args map[string]string) platform.Report {
	t.Helper()
	rep, err := a.Do(t.Context(), strategy.Action{Verb: v, Object: name, Args: args, Timeout: soon})
	require.NoError(t, err)
	require.Equal(t, platform.Done, rep.Result, rep.Detail)
	return rep
}

func inspect(t *testing.T, a *Adapter, name string) detect.Facts {
	t.Helper()
	f, err := a.Inspect(t.Context(), name)
	require.NoError(t, err)
	return f
}

// One dockerd serves all parts: to start one takes a second, and more on a busy machine.
func TestOnARealDockerd(t *testing.T) {
	l := newLab(t)
	restarting := func(name string, retries int) func(*container.Config, *container.HostConfig) {
		return func(_ *container.Config, h *container.HostConfig) {
			h.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyMode(name), MaximumRetryCount: retries}
		}
	}
	limited := func(_ *container.Config, h *container.HostConfig) { h.Memory, h.MemorySwap = 64<<20, 64<<20 }

	t.Run("a raw socket of root is refused, and the refusal says what to do", func(t *testing.T) {
		a, err := New(Options{Socket: l.socket})
		require.NoError(t, err)
		defer a.Close() //nolint:errcheck // it has nothing to close
		err = a.Check(t.Context())
		require.ErrorIs(t, err, platform.ErrPermission)
		require.ErrorContains(t, err, "raw_socket: accept")
		f := inspect(t, a, "x")
		require.NotEmpty(t, f[detect.WorkloadState].Err, "not measured, and not down")
		require.NotEmpty(t, f.Text(detect.WorkloadPermission))
		rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Start, Object: "x"})
		require.ErrorIs(t, err, platform.ErrPermission)
		require.Equal(t, platform.Failed, rep.Result)
	})
	t.Run("through a proxy that lets only our requests through, nothing need be accepted", func(t *testing.T) {
		l.run(t, "proxied", nil, "sleep", "143")
		a, err := New(Options{Socket: proxy(t, l.socket)})
		require.NoError(t, err)
		require.NoError(t, a.Check(t.Context()))
		w := listen(t, a, "proxied")
		act(t, a, strategy.Restart, "proxied", map[string]string{strategy.ArgStopGrace: "1s"})
		act(t, a, strategy.Stop, "proxied", nil)
		w.until("our stop", left(detect.DepartureBySelf))
	})
	t.Run("a person's docker kill is no crash, also under a policy that restarts", func(t *testing.T) {
		a := l.adapter(t)
		l.run(t, "kill", restarting("always", 0), "sleep")
		w := listen(t, a, "kill")
		_, err := l.docker.ContainerKill(t.Context(), "kill", client.ContainerKillOptions{Signal: "KILL"})
		require.NoError(t, err)
		f := w.until("the kill", left(detect.DepartureStopped))
		require.Equal(t, "no", f.Text(detect.WorkloadPolicy), "the kill has disarmed its policy")
		require.True(t, f.True(ContainerDisarmed))
	})
	t.Run("who has not listened learns of a stop from what the runtime remembers", func(t *testing.T) {
		l.run(t, "stopped", nil, "sleep")
		l.personStops(t, "stopped")
		f := inspect(t, l.adapter(t), "stopped")
		require.Equal(t, detect.DepartureStopped, f.Text(detect.WorkloadDeparture))
		require.Equal(t, detect.StateStopped, f.Text(detect.WorkloadState))
	})
	t.Run("killed for memory", func(t *testing.T) {
		l.run(t, "oom", limited, "eat")
		a := l.adapter(t)
		require.Eventually(t, func() bool { return inspect(t, a, "oom").Text(detect.WorkloadDeparture) == detect.DepartureOOM }, soon, 20*time.Millisecond)
		f := inspect(t, a, "oom")
		require.Equal(t, "container exited (137, OOM killed)", f.Text(detect.WorkloadWords))
		require.True(t, f.True(detect.WorkloadOOM))
		require.Equal(t, float64(64<<20), f[detect.MemoryMax].Value)
	})
	t.Run("a crash loop is retried by the runtime, and told", func(t *testing.T) {
		a := l.adapter(t)
		l.create(t, "loop", restarting("always", 0), "exit", "3")
		w := listen(t, a, "loop")
		_, err := l.docker.ContainerStart(t.Context(), "loop", client.ContainerStartOptions{})
		require.NoError(t, err)
		f := w.until("the crash", func(f detect.Facts) bool { return f.Text(detect.WorkloadState) == detect.StateRetrying })
		require.Equal(t, detect.DepartureCrash, f.Text(detect.WorkloadDeparture))
		require.Equal(t, 3.0, f[detect.WorkloadExitCode].Value)
	})
	t.Run("a policy that is used up", func(t *testing.T) {
		a := l.adapter(t)
		l.create(t, "lim", restarting("on-failure", 1), "exit", "3")
		w := listen(t, a, "lim")
		_, err := l.docker.ContainerStart(t.Context(), "lim", client.ContainerStartOptions{})
		require.NoError(t, err)
		w.until("the last crash", left(detect.DepartureLimit))
	})
	t.Run("paused is a person's doing, and nothing is done to it", func(t *testing.T) {
		a := l.adapter(t)
		l.run(t, "paused", nil, "sleep")
		w := listen(t, a, "paused")
		_, err := l.docker.ContainerPause(t.Context(), "paused", client.ContainerPauseOptions{})
		require.NoError(t, err)
		w.until("the pause", func(f detect.Facts) bool { return f.Text(detect.WorkloadDisabled) == "paused" })
		rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Restart, Object: "paused"})
		require.Error(t, err)
		require.Equal(t, platform.Failed, rep.Result)
	})
	t.Run("a command that does not exist", func(t *testing.T) {
		l.create(t, "nocommand", func(c *container.Config, _ *container.HostConfig) { c.Entrypoint = []string{"/nonexistent"} })
		a := l.adapter(t)
		rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Start, Object: "nocommand", Timeout: soon})
		require.Error(t, err)
		require.Equal(t, platform.Failed, rep.Result)
		f := inspect(t, a, "nocommand")
		require.Contains(t, f.Text(detect.WorkloadUnable), "does not exist")
		require.NotEmpty(t, f.Text(detect.WorkloadAdvice))
		require.Equal(t, detect.StateFailed, f.Text(detect.WorkloadState))
	})
	t.Run("unhealthy is evidence, and told at once", func(t *testing.T) {
		a := l.adapter(t)
		l.create(t, "health", func(c *container.Config, _ *container.HostConfig) {
			c.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/program", "check", "/none"}, Interval: time.Second, Retries: 1}
		}, "sleep")
		w := listen(t, a, "health")
		_, err := l.docker.ContainerStart(t.Context(), "health", client.ContainerStartOptions{})
		require.NoError(t, err)
		f := w.until("unhealthy", func(f detect.Facts) bool { return f.Text(ContainerHealth) == "unhealthy" })
		require.Equal(t, detect.StateRunning, f.Text(detect.WorkloadState))
		require.Equal(t, "container running (unhealthy)", f.Text(detect.WorkloadWords))
	})
	t.Run("the memory limit is raised and taken back, and nothing else changes", func(t *testing.T) {
		a := l.adapter(t)
		l.run(t, "mem", func(_ *container.Config, h *container.HostConfig) {
			h.Memory, h.MemorySwap = 64<<20, 96<<20
			h.RestartPolicy.Name = "unless-stopped"
		}, "sleep")
		run := inspect(t, a, "mem").Text(detect.WorkloadRun)
		for _, bytes := range []int{100 << 20, 64 << 20} {
			act(t, a, strategy.SetMemory, "mem", map[string]string{strategy.ArgBytes: fmt.Sprint(bytes)})
			r, err := l.docker.ContainerInspect(t.Context(), "mem", client.ContainerInspectOptions{})
			require.NoError(t, err)
			h := r.Container.HostConfig
			require.Equal(t, int64(bytes), h.Memory)
			require.Equal(t, int64(bytes+32<<20), h.MemorySwap)
			require.Equal(t, container.RestartPolicyMode("unless-stopped"), h.RestartPolicy.Name)
		}
		f := inspect(t, a, "mem")
		require.Equal(t, run, f.Text(detect.WorkloadRun))
		require.Greater(t, f[detect.MemoryCurrent].Value, 1000.0)
		require.Equal(t, "cgroup", f.Text(detect.MemorySource))
	})
	t.Run("a limit that it never had is not set", func(t *testing.T) {
		l.run(t, "nolimit", nil, "sleep")
		rep, err := l.adapter(t).Do(t.Context(), strategy.Action{Verb: strategy.SetMemory, Object: "nolimit", Args: map[string]string{strategy.ArgBytes: "104857600"}})
		require.Error(t, err)
		require.Equal(t, platform.Failed, rep.Result)
	})
	t.Run("the beginning of an id is no name", func(t *testing.T) {
		id := l.run(t, "named", nil, "sleep")
		a := l.adapter(t)
		require.NotEmpty(t, inspect(t, a, id[:12]).Text(detect.WorkloadMissing))
		_, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Kill, Object: id[:12]})
		require.Error(t, err)
		require.Equal(t, detect.StateRunning, inspect(t, a, "named").Text(detect.WorkloadState))
	})
	t.Run("compose: found by labels, and followed when it is made anew", func(t *testing.T) {
		labels := func(number, oneoff string) func(*container.Config, *container.HostConfig) {
			return func(c *container.Config, _ *container.HostConfig) {
				c.Labels = map[string]string{labelProject: "shop", labelService: "web", labelNumber: number, labelOneOff: oneoff}
			}
		}
		a := l.adapter(t)
		require.Contains(t, inspect(t, a, "shop/web").Text(detect.WorkloadMissing), "compose")
		l.run(t, "shop-web-run", labels("1", "True"), "sleep")
		require.NotEmpty(t, inspect(t, a, "shop/web").Text(detect.WorkloadMissing), "what `compose run` made is not the service")
		old := l.run(t, "shop-web-1", labels("1", "False"), "sleep")
		w := listen(t, a, "shop/web")
		require.Equal(t, old[:12], inspect(t, a, "shop/web").Text(ContainerID))
		l.remove(t, old)
		is := l.run(t, "shop-web-1", labels("1", "False"), "sleep")
		f := w.until("the new container", func(f detect.Facts) bool {
			return f.Text(ContainerID) == is[:12] && f.Text(detect.WorkloadState) == detect.StateRunning
		})
		require.Contains(t, f.Text(detect.WorkloadMaintenance), "recreate")
		l.run(t, "shop-web-2", labels("2", "False"), "sleep")
		f = inspect(t, a, "shop/web")
		require.Contains(t, f[detect.WorkloadState].Err, "has 2", "which of them is meant is not known")
	})
	t.Run("a stop that another process of ours began is finished, and is no person's", func(t *testing.T) {
		a := l.adapter(t)
		hour := 3600
		l.run(t, "finish", func(c *container.Config, _ *container.HostConfig) { c.StopTimeout = &hour }, "stubborn")
		l.untilItIgnoresTerm(t, "finish")
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = l.docker.ContainerStop(context.Background(), "finish", client.ContainerStopOptions{}) }) // the other process
		defer wg.Wait()
		order := strategy.Action{Verb: strategy.Stop, Object: "finish", Timeout: soon, Args: map[string]string{strategy.ArgStopGrace: "1s"}}
		require.Eventually(t, func() bool {
			f := inspect(t, a, "finish")
			a.remembered(t.Context(), l.id(t, "finish"), time.Now().Add(-time.Minute))
			return f.Text(detect.WorkloadPending) == "stop" && f.False(detect.WorkloadPendingOurs)
		}, soon, 20*time.Millisecond, "a stop that is under way is seen, and is a person's until it is known better")
		require.Contains(t, a.Finish(t.Context(), order), "killed after 1s")
		require.Equal(t, detect.DepartureBySelf, inspect(t, a, "finish").Text(detect.WorkloadDeparture))
		require.Empty(t, a.Finish(t.Context(), order))
	})
	t.Run("a restart of the runtime itself is told as such", func(t *testing.T) {
		a := l.adapter(t)
		l.run(t, "r1", nil, "sleep", "0")
		l.run(t, "r2", nil, "sleep", "143")
		l.run(t, "r3", restarting("always", 0), "sleep", "0")
		w := listen(t, a, "r1", "r2", "r3")
		run := inspect(t, a, "r3").Text(detect.WorkloadRun)
		l.stop(t)
		f := inspect(t, a, "r1")
		require.NotEmpty(t, f[detect.WorkloadState].Err, "a runtime that cannot be asked says nothing of its containers")
		require.NotEmpty(t, f.Text(detect.WorkloadError))
		require.False(t, f.True(detect.WorkloadWatched))
		rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Start, Object: "r1"})
		require.Error(t, err)
		require.Equal(t, platform.Failed, rep.Result)
		l.start(t)
		require.Eventually(t, func() bool { return inspect(t, a, "r1").True(detect.WorkloadWatched) }, soon, 20*time.Millisecond, "it listens again by itself")
		for len(w.changes) > 0 {
			c := <-w.changes
			require.NotEqual(t, detect.DepartureCrash, c.Facts.Text(detect.WorkloadDeparture), "%s: %v", c.Unit, c.Facts)
		}
		for _, name := range []string{"r1", "r2"} {
			f := inspect(t, a, name)
			require.Equal(t, detect.DepartureUnknown, f.Text(detect.WorkloadDeparture), "%s: %v", name, f)
			require.Contains(t, f.Text(detect.WorkloadNote), "runtime itself")
			act(t, a, strategy.Start, name, nil)
		}
		f = inspect(t, a, "r3")
		require.Equal(t, detect.StateRunning, f.Text(detect.WorkloadState))
		require.NotEqual(t, run, f.Text(detect.WorkloadRun))
	})
}

// Podman's service is not started here: its installation says where its programs and images are.
func TestOnARealPodman(t *testing.T) {
	socket := os.Getenv("RECOVERYD_TEST_PODMAN")
	if socket == "" {
		t.Skip("RECOVERYD_TEST_PODMAN names no socket of a Podman service (podman system service --time 0 unix://SOCKET)")
	}
	l := &lab{socket: socket}
	var err error
	l.docker, err = client.New(client.WithHost("unix://"+socket), client.WithHTTPClient(egress.Unix(socket)))
	require.NoError(t, err)
	l.load(t)
	a := l.adapter(t)
	l.create(t, "recoveryd-podman", nil, "sleep", "143")
	const name = "recoveryd-podman"
	act(t, a, strategy.Start, name, nil)
	w := listen(t, a, name)
	for range 2 {
		act(t, a, strategy.Restart, name, map[string]string{strategy.ArgStopGrace: "2s"})
		act(t, a, strategy.Kill, name, nil)
		w.until("our kill", func(f detect.Facts) bool {
			require.NotContains(t, []string{detect.DepartureCrash, detect.DepartureStopped, detect.DepartureUnasked}, f.Text(detect.WorkloadDeparture), "%v", f)
			return f.Text(detect.WorkloadDeparture) == detect.DepartureBySelf && f.Text(detect.WorkloadState) == detect.StateStopped
		})
		act(t, a, strategy.Start, name, nil)
		act(t, a, strategy.Stop, name, map[string]string{strategy.ArgStopGrace: "2s"})
		act(t, a, strategy.Start, name, nil)
	}
	f := inspect(t, a, name)
	require.Equal(t, detect.StateRunning, f.Text(detect.WorkloadState))
	require.Greater(t, f[detect.MemoryCurrent].Value, 1000.0)
	require.NoError(t, syscall.Kill(l.pid(t, name), syscall.SIGKILL))
	w.until("the end by itself, which a person's stop looks like", left(detect.DepartureUnasked))
	act(t, a, strategy.Start, name, nil)
	_, err = l.docker.ContainerKill(t.Context(), name, client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	w.until("a person's kill", left(detect.DepartureStopped))
}

func (l *lab) id(t *testing.T, name string) string {
	t.Helper()
	r, err := l.docker.ContainerInspect(t.Context(), name, client.ContainerInspectOptions{})
	require.NoError(t, err)
	return r.Container.ID
}

// proxy lets through what Requests lists, without the two questions about what the socket admits.
func proxy(t *testing.T, socket string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "proxy")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	forward := &httputil.ReverseProxy{Transport: egress.Unix(socket).Transport, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker" }}
	admits := requests[:len(requests)-2]
	srv := &http.Server{ReadHeaderTimeout: soon, ErrorLog: forward.ErrorLog, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.ContainsFunc(admits, func(a request) bool { return a.method == r.Method && a.path.MatchString(r.URL.Path) }) {
			http.Error(w, "not let through", http.StatusForbidden)
			return
		}
		forward.ServeHTTP(w, r)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(listener) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return listener.Addr().String()
}
