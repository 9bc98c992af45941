package acceptance

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/test/lab"
)

var flapFor = flag.Duration("flap", 40*time.Second, "TestAUnitThatFlapsWritesWhatIsDecidedAndNoMore: how long the unit flaps")

// flaps ends 50 ms after each start and is started again at once, without a limit.
const flaps = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=\nExecStart=/bin/sh -c 'sleep 0.05; exit 1'\nRestart=always\nRestartSec=0\n"

// The budget of docs/operations.md for one unit that flaps for a day.
const (
	flapRecords = 100
	flapBytes   = 1 << 20
)

// written is what the journal of the lab's daemon holds of a target.
func (s *stage) written(target string) (records []incident.Record, bytes int) {
	s.t.Helper()
	// A copy: SQLite would follow the link that leads into the lab to a path of the host. What is written to the
	// log in the middle of it is not complete, and left out.
	dir := s.t.TempDir()
	for _, name := range []string{"recoveryd.db", "recoveryd.db-wal"} {
		b, err := os.ReadFile(s.Path("/var/lib/recoveryd/" + name))
		require.NoError(s.t, err)
		require.NoError(s.t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	j, err := journal.Open(s.t.Context(), journal.Options{Dir: dir, ReadOnly: true})
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, j.Close()) }()
	for e, err := range j.Replay(s.t.Context(), 0) {
		require.NoError(s.t, err)
		if e.Target != target {
			continue
		}
		var rec incident.Record
		require.NoError(s.t, json.Unmarshal(e.Body, &rec))
		records, bytes = append(records, rec), bytes+len(e.Body)
	}
	return records, bytes
}

func TestAUnitThatFlapsWritesWhatIsDecidedAndNoMore(t *testing.T) {
	large := strings.Replace(config(), "budgets:\n", "budgets:\n  target: {actions: 500, window: 1h}\n  class: {actions: 500, window: 1h}\n  host: {actions: 500, window: 1h}\n", 1)
	s := newStage(t, setting{config: large})
	// The history of another target, which must not be touched.
	require.NoError(t, s.SignalMain(t.Context(), lab.WorkflowUnit, "KILL"))
	s.closed(1, 60*time.Second)
	s.runs[lab.WorkflowUnit] = s.show(lab.WorkflowUnit, "InvocationID")
	theirs, _ := s.written("workflow-mcp")
	require.NotEmpty(t, theirs)

	require.NoError(t, s.DropIn(t.Context(), lab.CodebaseUnit, "flap", flaps))
	s.ctl("restart", "--no-block", lab.CodebaseUnit)
	s.eventually(60*time.Second, "somebody is told", func() bool { return len(s.pages()) > 0 })
	require.True(t, slices.ContainsFunc(s.pd.Log.Entries(), func(e escalatetest.Entry) bool {
		return e.Kind == "trigger" && strings.Contains(e.Body, "it flaps: started anew ")
	}), "the page says so")
	s.eventually(60*time.Second, "show says that it flaps", func() bool {
		r, err := s.Exec(t.Context(), "/usr/bin/recoveryd", "show", "codebase-mcp")
		return err == nil && strings.Contains(r.Stdout, "it flaps: ")
	})
	time.Sleep(max(*flapFor-time.Since(s.started), 0)) // what it writes meanwhile is what is measured

	records, bytes := s.written("codebase-mcp")
	starts := s.show(lab.CodebaseUnit, "NRestarts")
	t.Logf("%s: %s automatic restarts, %d records, %d bytes, %d pages, %d actions", time.Since(s.started).Round(time.Second), starts, len(records), bytes, len(s.pages()), len(s.actions()))
	require.Less(t, len(records), flapRecords)
	require.Less(t, bytes, flapBytes)
	after, _ := s.written("workflow-mcp")
	require.Equal(t, theirs, after[:len(theirs)], "the history of other targets is as it was")
	s.sameRun(lab.WorkflowUnit, s.pgUnit)

	// A person's stop falls anywhere between two lives, and is a person's.
	for range 5 {
		s.ctl("stop", lab.CodebaseUnit)
		s.eventually(10*time.Second, "the stop is seen", func() bool {
			return strings.Contains(s.target("codebase-mcp").Because, "stopped by a person")
		})
		acted := len(s.actions())
		s.never(4*time.Second, "the unit is started again", func() bool {
			return len(s.actions()) > acted || s.show(lab.CodebaseUnit, "ActiveState") != "inactive" && s.show(lab.CodebaseUnit, "ActiveState") != "failed"
		})
		s.ctl("start", "--no-block", lab.CodebaseUnit)
		s.eventually(10*time.Second, "it flaps again", func() bool {
			return s.target("codebase-mcp").Phase != "" && s.show(lab.CodebaseUnit, "ActiveState") != "inactive"
		})
	}
}
