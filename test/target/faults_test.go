package main

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// simulated starts a server that needs no database.
func simulated(t *testing.T, env ...string) *target {
	t.Helper()
	return serve(t, env, "-no-db-shape", "healthy")
}

func TestWrongRepliesLookLikeTheirOrigin(t *testing.T) {
	t.Parallel()
	tg := simulated(t)
	cases := []struct {
		kind   string
		status int
		body   string
	}{
		{"not-found", 404, "Route GET:/health/status not found"},
		{"html", 200, "<!DOCTYPE html>"},
		{"garbage", 200, "not json"},
		{"empty", 200, ""},
		{"rate-limited", 500, "RATE_LIMIT_EXCEEDED"},
		{"unauthorized", 401, "missing token"},
		{"redirect", 302, ""},
		{"server-error", 500, "Internal Server Error"},
		{"too-large", 200, `"filler"`},
	}
	for _, c := range cases {
		t.Run(c.kind, func(t *testing.T) {
			tg.t = t
			tg.set("reply", "kind="+c.kind, "path=/health")
			r, err := tg.request(http.MethodGet, "/health/status", "", 5*time.Second)
			require.NoError(t, err)
			require.Equal(t, c.status, r.status)
			require.Contains(t, r.body, c.body)
			if c.kind == "rate-limited" {
				require.Equal(t, "59", r.header.Get("Retry-After"))
			}
			m, err := tg.request(http.MethodGet, "/metrics", "", 5*time.Second)
			require.NoError(t, err)
			require.Contains(t, m.body, "codebase_mcp_pool_connections_total 20", "other paths answer as before")
		})
	}
	for _, kind := range []string{"truncated", "reset"} {
		t.Run(kind, func(t *testing.T) {
			tg.t = t
			tg.set("reply", "kind="+kind)
			_, err := tg.request(http.MethodGet, "/health/status", "", 5*time.Second)
			require.Error(t, err)
		})
	}
	tg.t = t
	tg.clear("reply")
	require.Equal(t, "healthy", tg.health().Status)
}

func TestAWedgedServerAcceptsAndIgnoresSIGTERM(t *testing.T) {
	t.Parallel()
	tg := simulated(t)
	tg.set("wedge")
	require.True(t, tg.healthHangs(300*time.Millisecond))
	require.False(t, tg.refuses())
	tg.signal(syscall.SIGTERM)
	require.Eventually(t, func() bool { return strings.Contains(tg.log.String(), "ignoring the signal") }, 5*time.Second, 5*time.Millisecond)
	require.False(t, tg.ended())
	tg.clear("wedge")
	require.Equal(t, "healthy", tg.health().Status)
	tg.signal(syscall.SIGTERM)
	require.Equal(t, 0, tg.exitCode(), "a stop is clean again")
}

func TestRunningRequestsAreDrained(t *testing.T) {
	t.Parallel()
	tg := simulated(t)
	tg.set("latency", "delay=700ms")
	answer := make(chan error, 1)
	go func() {
		_, err := tg.request(http.MethodGet, "/health/status", "", 10*time.Second)
		answer <- err
	}()
	require.Never(t, tg.ended, 200*time.Millisecond, 20*time.Millisecond)
	tg.signal(syscall.SIGTERM)
	require.NoError(t, <-answer)
	require.Equal(t, 0, tg.exitCode())
}

func TestCrashes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		how    string
		code   int
		signal syscall.Signal
	}{
		{"exit", 3, 0},
		{"clean", 0, 0},
		{"kill", -1, syscall.SIGKILL},
		{"abort", 2, 0}, // the Go runtime prints its stacks and exits 2, unless GOTRACEBACK=crash
		{"term", 0, 0},
	} {
		t.Run(c.how, func(t *testing.T) {
			tg := simulated(t)
			tg.set("crash", "how="+c.how)
			require.Equal(t, c.code, tg.exitCode())
			if c.signal != 0 {
				require.Equal(t, c.signal, tg.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
			}
		})
	}
}

func TestFaultsAtStart(t *testing.T) {
	t.Parallel()
	file := shortTempDir(t) + "/faults"
	require.NoError(t, os.WriteFile(file, []byte("crash?how=exit&code=7&delay=50ms\n"), 0o600))
	for range 2 {
		tg := launch(t, []string{"FAULTS_FILE=" + file, "FAULTS=variant?name=E"}, "-no-db-shape", "healthy")
		require.Equal(t, 7, tg.exitCode(), "it crashes again after each start")
	}
	require.NoError(t, os.Remove(file))
	tg := simulated(t, "FAULTS_FILE="+file, "FAULTS=variant?name=E pool-leak?count=25")
	r, err := tg.request(http.MethodGet, "/health/status", "", 5*time.Second)
	require.NoError(t, err)
	require.Contains(t, r.body, `"pool_utilization":0.9615`)

	began := time.Now()
	simulated(t, "FAULTS=start-delay?delay=400ms")
	require.GreaterOrEqual(t, time.Since(began), 400*time.Millisecond)

	require.Equal(t, 1, launch(t, []string{"FAULTS=nonsense"}).exitCode())
	tg = launch(t, []string{"FAULTS=crash?colour=red"}, "-no-db-shape", "healthy")
	require.Equal(t, 1, tg.exitCode())
	require.Contains(t, tg.log.String(), "colour")
}

func TestTheListenerCanBeClosedWhileTheProcessLives(t *testing.T) {
	t.Parallel()
	tg := simulated(t)
	tg.set("close-listener")
	require.True(t, tg.refuses())
	state, err := tg.control.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, tg.cmd.Process.Pid, state.PID)
	require.Contains(t, state.Faults, "close-listener")
	tg.clear("close-listener")
	require.Equal(t, "healthy", tg.health().Status)
}

func TestMemoryLeakIsResident(t *testing.T) {
	t.Parallel()
	tg := simulated(t)
	before := tg.residentMiB()
	tg.set("memory-leak", "rate=1000", "limit=64")
	require.Eventually(t, func() bool { return tg.residentMiB() >= before+60 }, 10*time.Second, 20*time.Millisecond)
	require.Never(t, func() bool { return tg.residentMiB() > before+100 }, 300*time.Millisecond, 50*time.Millisecond, "it stops at the limit")
	tg.clear("memory-leak")
	require.Eventually(t, func() bool { return tg.residentMiB() < before+40 }, 5*time.Second, 20*time.Millisecond, "given back")
}

// residentMiB reads the resident size, in MiB, of the server.
func (tg *target) residentMiB() int {
	tg.t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(tg.cmd.Process.Pid) + "/statm")
	if err != nil {
		tg.t.Skipf("needs /proc: %v", err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	require.NoError(tg.t, err)
	return pages * os.Getpagesize() >> 20
}

func TestRateLimitCountsEveryRoute(t *testing.T) {
	t.Parallel()
	tg := simulated(t)
	tg.set("rate-limit", "requests=2", "window=1h")
	for i, want := range []int{200, 200, 500} {
		r, err := tg.request(http.MethodGet, []string{"/health/status", "/metrics", "/health/status"}[i], "", 5*time.Second)
		require.NoError(t, err)
		require.Equal(t, want, r.status)
	}
}

func TestStatusCanBeOverriddenWithout200Changing(t *testing.T) {
	t.Parallel()
	tg := simulated(t)
	tg.set("status", "value=recovering")
	require.Equal(t, "recovering", tg.health().Status)
}

func TestASimulatedPoolIsLabelledAndFailsLikeARealOne(t *testing.T) {
	t.Parallel()
	tg := simulated(t)
	require.Contains(t, tg.health().Details, "simulated")
	tg.set("pool-leak", "count=30")
	h := tg.health()
	require.Equal(t, disconnected, h.Database)
	require.Equal(t, map[string]int{"size": 30, "free": 0, "min_size": 20, "max_size": 30}, h.Pool)
	require.GreaterOrEqual(t, h.took, time.Second)
	require.Contains(t, h.Details, "simulated")
	tg.clear("pool-leak")
	tg.set("database", "state=stopped")
	h = tg.health()
	require.Equal(t, disconnected, h.Database)
	require.Equal(t, 0, h.Pool["size"])
	tg.set("database", "state=frozen")
	require.True(t, tg.healthHangs(1500*time.Millisecond))
	tg.clear("database")
	require.Equal(t, "healthy", tg.health().Status)
}

func TestWithoutADatabaseHealthIsAnErrorForEver(t *testing.T) {
	t.Parallel()
	tg := serve(t, nil)
	r, err := tg.request(http.MethodGet, "/health/status", "", 5*time.Second)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.status)
	var o object
	require.NoError(t, json.Unmarshal([]byte(r.body), &o))
	require.Equal(t, "Health check failed: ValidationError", o["error"])
	require.Equal(t, "unhealthy", o["status"])
	require.NotContains(t, o, "connection_pool")
}

func TestMistakesAtTheControlEndpointAreAnswered(t *testing.T) {
	t.Parallel()
	tg := simulated(t)
	require.ErrorContains(t, tg.control.Set(t.Context(), "nonsense"), "choose from")
	require.ErrorContains(t, tg.control.Set(t.Context(), "reply", "kind=poem"), "must be one of")
	require.ErrorContains(t, tg.control.Set(t.Context(), "latency", "delay=soon"), "must be a duration")
	require.ErrorContains(t, tg.control.Set(t.Context(), "latency", "depth=3"), "no parameter")
	require.ErrorContains(t, tg.control.Set(t.Context(), "pool-leak", "count=31"), "only 30 of 30")
	require.NoError(t, tg.control.ClearAll(t.Context()))
}

// cut splits KEY=VALUE.
func cut(s string) (key, value string, ok bool) { return strings.Cut(s, "=") }
