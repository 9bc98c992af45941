package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/pgtest"
)

// resize asks for another size of the pool and returns the status and the body of the answer.
func (tg *target) resize(n int) (int, string) {
	tg.t.Helper()
	r, err := tg.request(http.MethodPost, "/admin/pool/resize", `{"max_size":`+strconv.Itoa(n)+`}`, 10*time.Second)
	require.NoError(tg.t, err)
	return r.status, r.body
}

// withAdmin is withDatabase with the admin API.
func withAdmin(t *testing.T) (*pgtest.Cluster, *target) {
	t.Helper()
	db := pgtest.Start(t)
	return db, serve(t, []string{"DATABASE_URL=" + db.DSN("postgres", "postgres"), "PGAPPNAME=codebase-mcp"}, "-admin")
}

func TestAPoolIsResizedWhileItsConnectionsAreInUseAndNoneIsLost(t *testing.T) {
	t.Parallel()
	db, tg := withAdmin(t)
	conn, err := pgx.Connect(t.Context(), db.DSN("postgres", "postgres"))
	require.NoError(t, err)
	defer conn.Close(context.Background())
	sessions := func(where string) (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'codebase-mcp' AND "+where).Scan(&n))
		return n
	}
	state, err := tg.control.State(t.Context())
	require.NoError(t, err)

	tg.set("pool-leak", "count=30", "mode=active")
	require.Equal(t, disconnected, tg.health().Database, "it is full")
	code, body := tg.resize(45)
	require.Equal(t, http.StatusOK, code, body)
	require.JSONEq(t, `{"max_size":45,"size":45,"free":15}`, body, "30 in use, and the rest up to the new maximum")
	require.Equal(t, connected, tg.health().Database)
	require.Equal(t, 30, sessions("query LIKE '%pg_sleep%'"), "who works goes on working")

	// What is in use together never exceeds the maximum, wherever it comes from.
	code, body = tg.resize(20)
	require.Equal(t, http.StatusOK, code, body)
	h := tg.health()
	require.Equal(t, disconnected, h.Database, "30 are in use, and only 20 may be: nothing is given out")
	require.Equal(t, map[string]int{"size": 30, "free": 0, "min_size": 20, "max_size": 20}, h.Pool)

	tg.clear("pool-leak")
	require.Equal(t, "healthy", tg.health().Status)
	require.Eventually(t, func() bool { return sessions("true") <= 20 }, 5*time.Second, 10*time.Millisecond, "the pools that were replaced are gone")
	tg.set("pool-leak", "count=20")
	require.Equal(t, disconnected, tg.health().Database, "20 are all there are")
	tg.clear("pool-leak")

	code, _ = tg.resize(3)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, map[string]int{"size": 3, "free": 3, "min_size": 3, "max_size": 3}, tg.health().Pool)
	after, err := tg.control.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, state.PID, after.PID)
	require.Equal(t, state.Started, after.Started, "the same process all the while")
}

func TestAPoolKeepsItsSizeWhileTheDatabaseIsDown(t *testing.T) {
	t.Parallel()
	db, tg := withAdmin(t)
	require.NoError(t, db.Stop())
	code, body := tg.resize(45)
	require.Equal(t, http.StatusServiceUnavailable, code, body)
	require.Contains(t, body, `"max_size":30`)
	require.NoError(t, db.Start())
	require.Eventually(t, func() bool { return tg.health().Status == "healthy" }, 5*time.Second, 10*time.Millisecond)
	require.Equal(t, 30, tg.health().Pool["max_size"])
}

func TestTheAdminAPIIsOnlyThereWhenAskedForAndRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	plain := serve(t, nil, "-no-db-shape", "healthy")
	code, _ := plain.resize(40)
	require.Equal(t, http.StatusNotFound, code, "as on the real servers")

	tg := serve(t, nil, "-no-db-shape", "healthy", "-admin")
	for _, n := range []int{0, -1, 101} {
		code, body := tg.resize(n)
		require.Equal(t, http.StatusBadRequest, code, body)
	}
	require.Equal(t, 30, tg.health().Pool["max_size"])
	code, _ = tg.resize(40)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, 40, tg.health().Pool["max_size"])
	tg.set("reply", "kind=forbidden", "path=/admin")
	code, _ = tg.resize(50)
	require.Equal(t, http.StatusForbidden, code)
	require.Equal(t, 40, tg.health().Pool["max_size"], "only the admin API refuses")
}

func TestTheAdminAPIIsForThisMachineOnly(t *testing.T) {
	t.Parallel()
	a := newApp(slog.New(slog.DiscardHandler), settings{minSize: 20, maxSize: 30})
	var err error
	a.store, err = newSimulatedStore(a.cfg, "healthy", a.behaviour)
	require.NoError(t, err)
	for _, c := range []struct {
		from string
		code int
	}{{"192.0.2.7:4711", http.StatusForbidden}, {"127.0.0.1:4711", http.StatusOK}, {"[::1]:4711", http.StatusOK}} {
		r := httptest.NewRequest(http.MethodPost, "/admin/pool/resize", strings.NewReader(`{"max_size":40}`))
		r.RemoteAddr = c.from
		w := httptest.NewRecorder()
		a.handler(true).ServeHTTP(w, r)
		require.Equal(t, c.code, w.Code, c.from)
	}
}
