package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/pgtest"
)

// withDatabase starts a cluster and a server on it, with the real server's default pool of 20 to 30.
func withDatabase(t *testing.T, env ...string) (*pgtest.Cluster, *target) {
	t.Helper()
	db := pgtest.Start(t)
	return db, serve(t, append([]string{"DATABASE_URL=" + db.DSN("postgres", "postgres"), "PGAPPNAME=codebase-mcp"}, env...))
}

// terminate ends every session of the server, as the runbook's remedy does.
func terminate(t *testing.T, db *pgtest.Cluster) {
	t.Helper()
	require.NoError(t, db.Exec(t.Context(), "postgres",
		"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'codebase-mcp'"))
}

// TestHealthAgainstPostgres walks through the table of measurements made on the real server: what
// health says in each situation, with a pool of 20 to 30.
func TestHealthAgainstPostgres(t *testing.T) {
	t.Parallel()
	db, tg := withDatabase(t)
	cases := []struct {
		name             string
		busy             int
		status, database string
		size, free       int
		atLeast, atMost  time.Duration
	}{
		{"an idle pool is healthy", 0, "healthy", connected, 20, 20, 0, time.Second},
		{"17 of 20 busy is 85 % and degraded", 17, degraded, connected, 20, 3, 0, time.Second},
		{"20 busy makes the probe open another connection, and 95.24 % is unhealthy", 20, "unhealthy", connected, 21, 1, 0, time.Second},
		{"29 of 30 busy is unhealthy and still connected", 29, "unhealthy", connected, 30, 1, 0, time.Second},
		{"a full pool is reported as a lost database after one second", 30, "unhealthy", disconnected, 30, 0, time.Second, 2 * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tg.t = t
			if c.busy > 0 {
				tg.set("pool-leak", "count="+strconv.Itoa(c.busy))
			}
			h := tg.health()
			require.Equal(t, c.status, h.Status)
			require.Equal(t, c.database, h.Database)
			require.Equal(t, map[string]int{"size": c.size, "free": c.free, "min_size": 20, "max_size": 30}, h.Pool)
			require.GreaterOrEqual(t, h.took, c.atLeast)
			require.Less(t, h.took, c.atMost)
			require.Regexp(t, `^"\d+\.\d\d"$`, string(h.Uptime), "uptime is a string")
		})
	}
	tg.t = t
	tg.clear("pool-leak")
	require.Equal(t, "healthy", tg.health().Status)

	t.Run("terminated sessions cause one false alarm", func(t *testing.T) {
		tg.t = t
		terminate(t, db)
		first := tg.health()
		require.Equal(t, disconnected, first.Database)
		require.Equal(t, 0, first.Pool["size"])
		second := tg.health()
		require.Equal(t, "healthy", second.Status)
		require.Equal(t, 1, second.Pool["size"], "the pool stays below its minimum")
	})
	t.Run("a slow database is degraded", func(t *testing.T) {
		tg.t = t
		tg.set("database-latency", "delay=400ms")
		h := tg.healthOnce()
		require.Equal(t, degraded, h.Database)
		require.Equal(t, degraded, h.Status)
		require.GreaterOrEqual(t, h.took, 400*time.Millisecond)
		tg.clear("database-latency")
	})
}

func TestHealthWhileTheDatabaseIsDown(t *testing.T) {
	t.Parallel()
	db, tg := withDatabase(t)
	tg.set("pool-leak", "count=3")
	require.NoError(t, db.Kill())
	// The real server's event loop notices that three busy connections died; here it may take lookAround.
	require.Eventually(t, func() bool {
		h := tg.health()
		return h.Database == disconnected && h.Pool["size"] == 0 && h.Pool["free"] == 0
	}, 5*time.Second, 10*time.Millisecond)
	h := tg.health()
	require.Equal(t, "unhealthy", h.Status)
	require.Less(t, h.took, probeTimeout/2, "at once, not after the guard of one second")
	require.Equal(t, map[string]any{"error": "Database connection lost"}, h.Details)

	require.NoError(t, db.Start())
	back := tg.health()
	require.Equal(t, "healthy", back.Status, "it reconnects by itself at the first read")
	require.Equal(t, 1, back.Pool["size"])

	require.NoError(t, db.Stop())
	require.Equal(t, disconnected, tg.health().Database)
	require.Equal(t, 1, launch(t, []string{"DATABASE_URL=" + db.DSN("postgres", "postgres")}).exitCode(), "a start without database is fatal")
}

func TestAFrozenDatabaseHangsHealthForEver(t *testing.T) {
	t.Parallel()
	db, tg := withDatabase(t)
	require.NoError(t, db.Freeze())
	answer := make(chan reply, 1)
	go func() {
		r, err := tg.request(http.MethodGet, "/health/status", "", time.Minute)
		if err == nil {
			answer <- r
		}
		close(answer)
	}()
	require.True(t, tg.healthHangs(3*time.Second), "the guard of one second does not help")

	session := connectMCP(t, tg)
	pool := readResource(t, session, "health://connection-pool")
	require.Equal(t, connected, pool["database"].(object)["status"], "this resource asks nothing, and answers")

	db.Thaw()
	r, ok := <-answer
	require.True(t, ok, "the hung call ends when the database runs on")
	require.Contains(t, r.body, `"status"`)
	require.Eventually(t, func() bool { return tg.health().Status == "healthy" }, 5*time.Second, 50*time.Millisecond)
}

func TestLeakedConnectionsAreSeenByPostgres(t *testing.T) {
	t.Parallel()
	db, tg := withDatabase(t)
	conn, err := pgx.Connect(t.Context(), db.DSN("postgres", "postgres"))
	require.NoError(t, err)
	defer conn.Close(context.Background())
	count := func(where string) (n int) {
		t.Helper()
		require.NoError(t, conn.QueryRow(t.Context(),
			"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'codebase-mcp' AND "+where).Scan(&n))
		return n
	}
	cases := []struct{ mode, where string }{
		{"in-tx", "state = 'idle in transaction'"},
		{"active", "state = 'active' AND query LIKE '%pg_sleep%'"},
		{"lock", "wait_event_type = 'Lock'"},
	}
	for _, c := range cases {
		t.Run(c.mode, func(t *testing.T) {
			tg.t = t
			tg.set("pool-leak", "count=5", "mode="+c.mode)
			want := 5
			if c.mode == "lock" {
				want = 4 // the first one has the lock
			}
			require.Eventually(t, func() bool { return count(c.where) == want }, 5*time.Second, 10*time.Millisecond)
			tg.clear("pool-leak")
			require.Equal(t, 20, count("state = 'idle'"), "given back, none lost")
			require.Equal(t, "healthy", tg.health().Status)
		})
	}
	tg.t = t
	tg.set("pool-leak", "count=30")
	require.Equal(t, disconnected, tg.health().Database)
	terminate(t, db)
	require.Eventually(t, func() bool { return tg.health().Status == "healthy" }, 5*time.Second, 10*time.Millisecond,
		"the remedy of the runbook frees a leaked pool")
}

func TestSearchFindsWhatWasAdded(t *testing.T) {
	t.Parallel()
	_, tg := withDatabase(t)
	r, err := tg.request(http.MethodPost, "/documents", `{"title":"Pools","body":"how connections leak"}`, 5*time.Second)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, r.status, r.body)
	r, err = tg.request(http.MethodPost, "/search", `{"query":"LEAK"}`, 5*time.Second)
	require.NoError(t, err)
	var out searchOutput
	require.NoError(t, json.Unmarshal([]byte(r.body), &out))
	want := []document{{ID: 1, Title: "Pools", Body: "how connections leak"}}
	require.Equal(t, want, out.Results)

	session := connectMCP(t, tg)
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "search", Arguments: map[string]any{"query": "leak"}})
	require.NoError(t, err)
	require.False(t, result.IsError)
	require.EqualValues(t, 1, result.StructuredContent.(map[string]any)["count"])

	h := readResource(t, session, "health://status")
	require.Equal(t, "healthy", h["status"])
}

func connectMCP(t *testing.T, tg *target) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "0"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: "http://" + tg.addr + "/mcp"}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// readResource decodes the JSON that is a string inside the JSON of the answer.
func readResource(t *testing.T, session *mcp.ClientSession, uri string) object {
	t.Helper()
	result, err := session.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri})
	require.NoError(t, err)
	require.Len(t, result.Contents, 1)
	require.Equal(t, "text/plain", result.Contents[0].MIMEType)
	var o object
	require.NoError(t, json.Unmarshal([]byte(result.Contents[0].Text), &o))
	return o
}

func TestPoolSettingsOutOfRangeAreFatal(t *testing.T) {
	t.Parallel()
	dsn := "DATABASE_URL=postgres://nobody@127.0.0.1:1/none"
	for _, c := range []struct{ name, setting string }{
		{"the runbook's remedy", "POOL_MAX_SIZE=200"},
		{"below the minimum", "POOL_MIN_SIZE=0"},
		{"maximum below minimum", "POOL_MIN_SIZE=11"},
		{"not a number", "POOL_MAX_SIZE=many"},
		{"the reported pool too large", "DB_POOL_SIZE=51"},
		{"the overflow too large", "DB_MAX_OVERFLOW=21"},
	} {
		t.Run(c.name, func(t *testing.T) {
			name, _, _ := cut(c.setting)
			_, err := readSettings(func(key string) string {
				for _, s := range []string{dsn, c.setting} {
					if k, v, _ := cut(s); k == key {
						return v
					}
				}
				return ""
			})
			require.ErrorContains(t, err, name)
		})
	}
	require.Equal(t, 1, launch(t, []string{dsn, "POOL_MAX_SIZE=200"}).exitCode())
}

func TestPoolMaxSizeDoesNotChangeTheReportedPool(t *testing.T) {
	t.Parallel()
	_, tg := withDatabase(t, "POOL_MAX_SIZE=60", "DB_POOL_SIZE=5", "DB_MAX_OVERFLOW=2")
	require.Equal(t, map[string]int{"size": 5, "free": 5, "min_size": 5, "max_size": 7}, tg.health().Pool)
}

func TestAStuckLeakMakesTheStopDragOn(t *testing.T) {
	t.Parallel()
	_, tg := withDatabase(t, "DRAIN_TIMEOUT=1s")
	tg.set("pool-leak", "count=2", "stuck=true")
	began := time.Now()
	require.NoError(t, tg.cmd.Process.Signal(os.Interrupt))
	require.Equal(t, 0, tg.exitCode())
	require.GreaterOrEqual(t, time.Since(began), time.Second)
}
