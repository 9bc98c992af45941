package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/target/control"
)

// TestMain lets the test binary be the server: signals and exit codes need a process of their own.
func TestMain(m *testing.M) {
	if os.Getenv("BE_MCP_TARGET") != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// target is a server in a process of its own.
type target struct {
	t       *testing.T
	cmd     *exec.Cmd
	addr    string
	control *control.Client
	log     *lockedBuffer
	done    chan struct{}
}

// launch starts a server without waiting for anything.
func launch(t *testing.T, env []string, args ...string) *target {
	t.Helper()
	socket := shortTempDir(t) + "/control"
	tg := &target{t: t, log: &lockedBuffer{}, control: control.New("unix:"+socket, nil), done: make(chan struct{})}
	tg.cmd = exec.Command(os.Args[0], append([]string{"-addr", "127.0.0.1:0", "-control", "unix:" + socket}, args...)...)
	tg.cmd.Env = append([]string{"BE_MCP_TARGET=1", "PATH=" + os.Getenv("PATH")}, env...)
	tg.cmd.Stderr = tg.log
	require.NoError(t, tg.cmd.Start())
	go func() { _ = tg.cmd.Wait(); close(tg.done) }()
	t.Cleanup(func() {
		_ = tg.cmd.Process.Kill()
		<-tg.done
		if t.Failed() {
			t.Logf("log of the server:\n%s", tg.log.String())
		}
	})
	return tg
}

// serve starts a server and waits until it listens.
func serve(t *testing.T, env []string, args ...string) *target {
	t.Helper()
	tg := launch(t, env, args...)
	listening := regexp.MustCompile(`msg=serving addr=(\S+)`)
	require.Eventually(t, func() bool {
		m := listening.FindStringSubmatch(tg.log.String())
		if m != nil {
			tg.addr = m[1]
		}
		return m != nil || tg.ended()
	}, 30*time.Second, 5*time.Millisecond)
	require.NotEmpty(t, tg.addr, "the server ended: %s", tg.log.String())
	return tg
}

func (tg *target) ended() bool {
	select {
	case <-tg.done:
		return true
	default:
		return false
	}
}

// exitCode waits for the end and returns the exit code, or -1 when a signal ended it.
func (tg *target) exitCode() int {
	tg.t.Helper()
	select {
	case <-tg.done:
	case <-time.After(30 * time.Second):
		require.FailNow(tg.t, "the server did not end", tg.log.String())
	}
	return tg.cmd.ProcessState.ExitCode()
}

func (tg *target) signal(sig syscall.Signal) {
	tg.t.Helper()
	require.NoError(tg.t, tg.cmd.Process.Signal(sig))
}

func (tg *target) set(fault string, params ...string) {
	tg.t.Helper()
	require.NoError(tg.t, tg.control.Set(tg.t.Context(), fault, params...))
}

func (tg *target) clear(fault string) {
	tg.t.Helper()
	require.NoError(tg.t, tg.control.Clear(tg.t.Context(), fault))
}

// reply is one HTTP answer.
type reply struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

// request asks over a connection of its own.
func (tg *target) request(method, path, body string, timeout time.Duration) (reply, error) {
	ctx, cancel := context.WithTimeout(tg.t.Context(), timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+tg.addr+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Close = true
	began := time.Now()
	resp, err := http.DefaultTransport.RoundTrip(req) // no redirects
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{status: resp.StatusCode, header: resp.Header, body: string(text), took: time.Since(began)}, err
}

// payload is variant A, decoded as loosely as a tolerant reader would.
type payload struct {
	Status   string          `json:"status"`
	Database string          `json:"database_status"`
	Pool     map[string]int  `json:"connection_pool"`
	Uptime   json.RawMessage `json:"uptime_seconds"`
	Details  map[string]any  `json:"details"`
	took     time.Duration
}

// health asks once. On a busy machine a stall of 100 ms makes any database "degraded"; a test which
// did not slow the database down itself gets another answer then.
func (tg *target) health() payload {
	tg.t.Helper()
	for range 5 {
		if p := tg.healthOnce(); p.Database != degraded {
			return p
		}
	}
	return tg.healthOnce()
}

func (tg *target) healthOnce() payload {
	tg.t.Helper()
	r, err := tg.request(http.MethodGet, "/health/status", "", 5*time.Second)
	require.NoError(tg.t, err)
	require.Equal(tg.t, http.StatusOK, r.status)
	p := payload{took: r.took}
	require.NoError(tg.t, json.Unmarshal([]byte(r.body), &p), r.body)
	return p
}

// healthHangs reports whether a health request is accepted and not answered in the given time.
func (tg *target) healthHangs(d time.Duration) bool {
	tg.t.Helper()
	_, err := tg.request(http.MethodGet, "/health/status", "", d)
	return errors.Is(err, context.DeadlineExceeded)
}

func (tg *target) refuses() bool {
	c, err := net.DialTimeout("tcp", tg.addr, time.Second)
	if err == nil {
		_ = c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// shortTempDir makes a directory whose path leaves room for a socket name: unix socket paths end at
// about 100 bytes.
func shortTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mcp-target-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
