package docker

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// pretend serves a socket whose container w1 runs; what is asked of it beyond that is answered by act.
func pretend(t *testing.T, act http.HandlerFunc) *Adapter {
	t.Helper()
	doc, err := os.ReadFile("testdata/docker-20.10/running.json")
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "pretend") // the path of a socket is bounded
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	srv := &http.Server{ReadHeaderTimeout: soon, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/_ping":
			w.Header().Set("Api-Version", "1.41")
		case strings.Contains(path, "/volumes/"):
			http.Error(w, "no", http.StatusForbidden)
		case r.Method == http.MethodGet && strings.HasSuffix(path, "/json"):
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(doc)
		case r.Method == http.MethodGet:
			http.Error(w, "none", http.StatusNotFound)
		default:
			act(w, r)
		}
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	a, err := New(Options{Socket: l.Addr().String()})
	require.NoError(t, err)
	return a
}

func TestAnAnswerThatIsLostIsUnknown(t *testing.T) {
	lost := pretend(t, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = c.Close()
		}
	})
	for _, v := range []strategy.Verb{strategy.Restart, strategy.Stop, strategy.Kill} {
		rep, err := lost.Do(t.Context(), strategy.Action{Verb: v, Object: "w1", Timeout: soon})
		require.Error(t, err, v)
		require.Equal(t, platform.Unknown, rep.Result, "%s: it may have been done", v)
	}
}

func TestARefusalIsNoFailureOfTheContainer(t *testing.T) {
	a := pretend(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not let through", http.StatusForbidden) })
	rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Restart, Object: "w1", Timeout: soon})
	require.ErrorIs(t, err, platform.ErrPermission)
	require.Equal(t, platform.Failed, rep.Result)

	a = pretend(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the disk is full", http.StatusInternalServerError)
	})
	rep, err = a.Do(t.Context(), strategy.Action{Verb: strategy.Restart, Object: "w1", Timeout: soon})
	require.Error(t, err)
	require.NotErrorIs(t, err, platform.ErrPermission)
	require.Equal(t, platform.Failed, rep.Result)
	require.Contains(t, rep.Detail, "the disk is full")
}

// It says that it restarted the container, and the container has the same run as before: the answer is not believed more than
// what is seen.
func TestWhatIsNotSeenIsNotDone(t *testing.T) {
	a := pretend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for _, v := range []strategy.Verb{strategy.Restart, strategy.Stop} {
		rep, err := a.Do(t.Context(), strategy.Action{Verb: v, Object: "w1", Timeout: soon})
		require.Error(t, err, v)
		require.Equal(t, platform.Failed, rep.Result, v)
	}
	rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Kill, Object: "w1", Timeout: 300 * time.Millisecond})
	require.Error(t, err)
	require.Equal(t, platform.TimedOut, rep.Result, "its end is waited for")
}

func TestARuntimeThatIsNotThereSaysNothing(t *testing.T) {
	a, err := New(Options{Socket: filepath.Join(t.TempDir(), "none")})
	require.NoError(t, err)
	f := inspect(t, a, "w1")
	require.NotEmpty(t, f[detect.WorkloadState].Err)
	require.NotEmpty(t, f.Text(detect.WorkloadError))
	require.Empty(t, f.Text(detect.WorkloadMissing))
	require.Empty(t, f.Text(detect.WorkloadDeparture))
	rep, err := a.Do(t.Context(), strategy.Action{Verb: strategy.Restart, Object: "w1", Timeout: soon})
	require.Error(t, err)
	require.Equal(t, platform.Failed, rep.Result, "nothing was begun")
}
