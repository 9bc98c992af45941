package journal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// childEnv makes the test binary play one of the children below.
const childEnv = "RECOVERYD_JOURNAL_TEST_CHILD"

var errTest = errors.New("the caller went away")

func contextWithCause(t *testing.T) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(t.Context())
	return ctx, func() { cancel(errTest) }
}

// child appends for ever and prints the Seq of what was acknowledged, or only looks on.
func child() int {
	mode, dir, _ := strings.Cut(os.Getenv(childEnv), ":")
	ctx := context.Background()
	j, err := Open(ctx, Options{Dir: dir, ReadOnly: mode == "read", BallastBytes: -1})
	if err != nil {
		fmt.Println("error:", err)
		return 3
	}
	if mode == "read" {
		n := 0
		for _, err := range j.Replay(ctx, 0) {
			if err != nil {
				fmt.Println("error:", err)
				return 3
			}
			n++
		}
		fmt.Println(n)
		return 0
	}
	for {
		n := int(j.LastSeq()) + 1
		es := []Entry{entry(n), entry(n + 1)}
		id := strconv.Itoa(n)
		err := j.Append(ctx, Commit{
			Entries:   es,
			Incidents: []IncidentRow{{ID: "inc-" + id, Opened: t0}},
			Queue:     queue.NewQueued(t0, notice.Notice{ID: id, Key: id, Kind: notice.Trigger}, "pager"),
		})
		if err != nil {
			fmt.Println("error:", err)
			return 3
		}
		fmt.Println(es[1].Seq)
	}
}

func startChild(t *testing.T, mode, dir string) *exec.Cmd {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+mode+":"+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestNothingAcknowledgedIsLostWhenTheDaemonIsKilled(t *testing.T) {
	dir := t.TempDir()
	total := uint64(0)
	for round := range 12 {
		cmd := startChild(t, "append", dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		require.True(t, lines.Scan(), "the child acknowledges a commit")
		acked := lines.Text()
		time.AfterFunc(time.Duration(rand.IntN(120))*time.Millisecond, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		for lines.Scan() {
			acked = lines.Text()
		}
		require.Error(t, cmd.Wait(), "it was killed")
		last, err := strconv.ParseUint(acked, 10, 64)
		require.NoError(t, err, "the child said %q", acked)
		require.Greater(t, last, total, "round %d made progress", round)

		j, err := Open(t.Context(), optionsFor(dir))
		require.NoError(t, err)
		require.Nil(t, j.Salvaged(), "a kill does not damage the file")
		entries := replayAll(t, j, 0)
		require.GreaterOrEqual(t, uint64(len(entries)), last, "every acknowledged entry is there")
		require.Zero(t, len(entries)%2, "no commit is there by half")
		for i, e := range entries {
			want := entry(i + 1)
			want.Seq = uint64(i + 1)
			require.Equal(t, want, e)
		}
		rows, _, _, err := j.LoadOutbox(t.Context(), 0)
		require.NoError(t, err)
		require.Len(t, rows, len(entries)/2, "notices and entries of a commit stand and fall together")
		incidents, err := j.Incidents(t.Context(), Filter{})
		require.NoError(t, err)
		require.Len(t, incidents, len(entries)/2)
		require.NoError(t, j.Verify(t.Context()))
		require.NoError(t, j.Close())
		total = uint64(len(entries))
	}
	t.Logf("%d entries survived 12 kills", total)
}
