package evidence

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect/probe"
	"github.com/recoveryd/recoveryd/test/pgtest"
)

func TestSessionsOfARealClusterAreListedTheOldestTransactionFirst(t *testing.T) {
	c, err := pgtest.StartCluster("")
	if err != nil && strings.Contains(err.Error(), pgtest.ErrNoPostgres.Error()) {
		t.Skip("SKIPPED: " + err.Error())
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	open := func(app, sql string) {
		conn, err := pgx.Connect(t.Context(), c.DSN("postgres", "postgres")+"&application_name="+app)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		_, err = conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
	}
	open("idler", "SELECT 1")
	open("forgetful", "BEGIN; SELECT 'token=hush-hush', '"+strings.Repeat("long ", 40)+"'")
	open("recoveryd", "SELECT 'our own'")
	p := &page{limit: pieceBytes}
	k := &scene{Subject: Subject{Databases: []Database{{"db", probe.Secret(c.DSN("postgres", "postgres"))}, {"gone", "host=127.0.0.1 port=1 user=x password=hush-hush"}}}}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = gatherSessions(ctx, k, p)
	require.ErrorContains(t, err, "gone could not be asked")
	require.NotContains(t, err.Error(), "hush-hush")
	got := read(t, p)
	require.Regexp(t, `(?m)^ +1  forgetful +idle in transaction$`, got)
	require.Regexp(t, `(?s)forgetful +idle in transaction +Client:ClientRead +\d+\.\d +\d+\.\d  BEGIN; SELECT 'token=<secret>.*…\n.*idler +idle +`, got)
	require.NotContains(t, got, "our own")
	require.NotContains(t, got, "hush-hush")
	for line := range strings.Lines(got) {
		require.Less(t, len(line), 200)
	}
}
