package onhost

import (
	"bufio"
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/drill"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/platform/cgroup"
)

func TestWhatMustBeTakenBackIsWrittenBeforeAndForgottenAfter(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	left, err := Store{Dir: filepath.Join(s.Dir, "none")}.Left()
	require.NoError(t, err)
	require.Empty(t, left, "no directory: no drill ever was")
	r := Record{Order: drill.Order{ID: "20261124-100000-freeze-a", Fault: incident.FaultFreeze, Target: "a", Timeout: time.Minute}, Unit: "a.service", Run: "r1",
		At: time.Now().UTC().Round(0), Hog: 7}
	require.NoError(t, s.SaveRecord(r))
	got, err := s.Record(r.ID)
	require.NoError(t, err)
	require.Equal(t, r, got)
	fi, err := os.Stat(filepath.Join(s.Dir, r.ID+recordEnd))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, fi.Mode().Perm())
	require.Equal(t, r.ID+"-2", s.Free(r.ID), "two drills within one second")
	left, err = s.Left()
	require.NoError(t, err)
	require.Equal(t, []string{r.ID}, left)
	require.NoError(t, s.Forget(r.ID))
	require.NoError(t, s.Forget(r.ID), "twice is harmless")
	_, err = s.Record(r.ID)
	require.ErrorIs(t, err, fs.ErrNotExist)

	const first, last = "20261122-100437-fill-pool-mcp", "20261122-100437-fill-memory-mcp"
	require.NoError(t, s.SaveReport(drill.Report{ID: "20261122-100438-kill-mcp"}))
	require.NoError(t, s.SaveReport(drill.Report{ID: first}))
	require.NoError(t, s.SaveReport(drill.Report{ID: last, Verdict: drill.Passed}))
	past := time.Now().Add(-time.Second) // finer than the clock of any file system
	require.NoError(t, os.Chtimes(filepath.Join(s.Dir, first+reportEnd), past, past))
	ids, err := s.Reports()
	require.NoError(t, err)
	require.Equal(t, []string{first, last, "20261122-100438-kill-mcp"}, ids, "by their second, then as they were written")
	rep, err := s.Report(last)
	require.NoError(t, err)
	require.Equal(t, drill.Passed, rep.Verdict)
	_, err = s.Report("../a")
	require.ErrorContains(t, err, "not a name of a drill")
}

func TestOneDrillRunsAtATime(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "drills")}
	unlock, err := s.Lock()
	require.NoError(t, err)
	_, err = s.Lock()
	require.ErrorIs(t, err, ErrBusy)
	unlock()
	unlock, err = s.Lock()
	require.NoError(t, err)
	unlock()
}

func TestTheGuardSeesTheEndOfAProcess(t *testing.T) {
	p := exec.Command("sleep", "60")
	require.NoError(t, p.Start())
	seen := make(chan error, 1)
	go func() { seen <- AwaitExit(context.Background(), p.Process.Pid) }()
	select {
	case <-seen:
		t.Fatal("it lives")
	case <-time.After(50 * time.Millisecond):
	}
	require.NoError(t, p.Process.Kill())
	require.Error(t, p.Wait())
	require.NoError(t, <-seen)
	require.NoError(t, AwaitExit(context.Background(), p.Process.Pid), "one that is gone has ended")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, AwaitExit(ctx, os.Getpid()))
}

func TestMemoryIsTakenOnlyWhereItIsChargedToTheUnit(t *testing.T) {
	const group = "/system.slice/a.service"
	root := t.TempDir()
	put := func(h, file string) string {
		require.NoError(t, os.MkdirAll(filepath.Join(root, h, group), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, h, group, file), nil, 0o644))
		return filepath.Join(root, h, group, "cgroup.procs")
	}
	m := cgroup.Mounts{Unified: filepath.Join(root, "unified"), Memory: filepath.Join(root, "memory"), Systemd: filepath.Join(root, "systemd")}
	procs := put("unified", "cgroup.procs")
	_, err := groupFiles(m, group)
	require.ErrorContains(t, err, "no memory controller accounts for the unit")
	v1 := put("memory", "memory.usage_in_bytes")
	got, err := groupFiles(m, group)
	require.NoError(t, err)
	require.Equal(t, []string{v1, procs}, got, "charged first, and then where systemd sees and ends it")
	put("unified", "memory.current")
	got, err = groupFiles(m, group)
	require.NoError(t, err)
	require.Equal(t, []string{procs}, got)
	for _, none := range []string{"", "/"} {
		_, err = groupFiles(m, none)
		require.ErrorContains(t, err, "no control group of its own")
	}
}

func TestTheHogWaitsForTheWordHoldsAndEndsWithItsInput(t *testing.T) {
	in, tell := io.Pipe()
	out, says := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Hog(in, says, 1<<20) }()
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.Equal(t, "ready", lines.Text())
	_, err := io.WriteString(tell, "go\n")
	require.NoError(t, err)
	require.True(t, lines.Scan())
	require.Equal(t, "done", lines.Text())
	require.NoError(t, tell.Close())
	require.NoError(t, <-ended)
}

func TestAProcessIsToldFromALaterOneByItsStart(t *testing.T) {
	require.NotZero(t, startOf(os.Getpid()))
	require.Equal(t, startOf(os.Getpid()), startOf(os.Getpid()))
	p := exec.Command("true")
	require.NoError(t, p.Run())
	require.Zero(t, startOf(p.Process.Pid))
}

// After a power cut the number of a process is another's, and may by chance have its start too.
func TestNothingIsTakenBackOnAHostThatWasStartedAgainSince(t *testing.T) {
	hands := func(boot string) (h *Hands, id string, ended chan error) {
		cmd := exec.Command("sleep", "600")
		require.NoError(t, cmd.Start())
		ended = make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		r := Record{Order: drill.Order{ID: "20261122-060000-fill-memory-svc", Fault: incident.FaultMemory, Target: "svc"}, Unit: "svc.service",
			Boot: boot, Hog: cmd.Process.Pid, HogAge: startOf(cmd.Process.Pid)}
		h = &Hands{Store: Store{Dir: t.TempDir()}}
		require.NoError(t, h.Store.SaveRecord(r))
		return h, r.ID, ended
	}
	h, id, ended := hands("00000000-0000-0000-0000-000000000000")
	_, did, found, err := h.Mend(t.Context(), id)
	require.NoError(t, err)
	require.True(t, found)
	require.Empty(t, did)
	select {
	case <-ended:
		require.Fail(t, "a process of this boot was killed for a drill of another")
	default:
	}
	left, err := h.Store.Left()
	require.NoError(t, err)
	require.Empty(t, left, "and the record is dropped")

	for _, boot := range []string{bootID(), ""} { // "": a record of an earlier build
		h, id, ended = hands(boot)
		_, did, _, err = h.Mend(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "the memory of the drill is free again", did)
		require.Error(t, <-ended, "killed")
	}
}
