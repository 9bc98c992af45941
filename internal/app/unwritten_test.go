package app

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/test/disktest"
)

// aboutItself lists what one channel accepted about recoveryd itself.
func (n *night) aboutItself(channel string) (out []notice.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, x := range n.got {
		if n.via[i] == channel && x.Key == engine.ImpairedKey+"/h1" {
			out = append(out, x)
		}
	}
	return out
}

func TestADiskThatTurnsReadOnlyOnAQuietNightIsPagedSoonAndTakenBackByTheProcessThatFindsItWell(t *testing.T) {
	disk := disktest.New(t, "that a read-only disk is paged without any incident")
	c, err := config.Parse("night.yaml", []byte(company), Known())
	require.NoError(t, err)
	run := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		n := &night{t: t, dir: filepath.Join(disk.Dir, "state"), run: run, c: c, begun: time.Now(), facts: served("run1")}
		n.begin()
		n.until(10 * time.Minute)
		for round := range 2 { // the second time the outbox knows the key, as one that is over
			require.Len(t, n.aboutItself("alice"), 2*round, "nothing was said before")
			disk.Break()
			broke := time.Since(n.begun)
			n.until(broke + 2*time.Minute)
			said := n.aboutItself("alice")
			require.Len(t, said, 2*round+1, "one page within two minutes, and nothing has happened to the service")
			page := said[2*round]
			require.Equal(t, notice.Trigger, page.Kind)
			require.Equal(t, "h1", page.Host, "one has to know where")
			require.Contains(t, page.Evidence[0], "read-only")
			require.NotEmpty(t, n.app.engine.State().Host.Impaired)
			n.until(broke + 10*time.Minute)
			require.Len(t, n.aboutItself("alice"), 2*round+1)

			n.stop() // a disk can only be checked while nobody uses it
			disk.Repair()
			n.begin()
			n.until(broke + 11*time.Minute)
			said = n.aboutItself("alice")
			require.Len(t, said, 2*round+2)
			require.Equal(t, notice.Resolve, said[2*round+1].Kind)
			require.Equal(t, page.Key, said[2*round+1].Key)
			require.Empty(t, n.app.engine.State().Host.Impaired)
		}
		n.restart(time.Hour)
		n.until(2 * time.Hour)
		require.Len(t, n.aboutItself("alice"), 4, "taken back once")
		require.Empty(t, n.actions())
		n.stop()
	})
}

func TestAPageAboutTheJournalThatWasTakenBackIsForgottenAndOneThatCannotBeReadIsSaid(t *testing.T) {
	u := unwritten{path: filepath.Join(t.TempDir(), unwrittenName), log: zap.NewNop()}
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	page := notice.Notice{ID: "i1", Key: engine.ImpairedKey + "/h1", Kind: notice.Trigger, At: now, Summary: "cannot write"}
	u.note(queue.NewQueued(now, notice.Notice{Key: "svc/1", Kind: notice.Trigger}, "pd"))
	require.NoFileExists(t, u.path, "other pages are not its business")
	u.note(queue.NewQueued(now, page, "pd", "chat"))
	u.note(queue.NewQueued(now, engine.Mended(page, now), "pd", "chat"))
	require.Empty(t, u.takeBack(now))

	u.note(queue.NewQueued(now, page, "pd", "chat"))
	rows := u.takeBack(now)
	require.Len(t, rows, 4)
	require.True(t, rows[0].Touched)
	require.Equal(t, []notice.Kind{notice.Trigger, notice.Resolve}, []notice.Kind{rows[0].Kind, rows[1].Kind})
	require.Equal(t, "pd", rows[1].Channel)
	require.Equal(t, "chat", rows[3].Channel)
	require.Empty(t, u.takeBack(now), "once")

	require.NoError(t, os.WriteFile(u.path, []byte("{half"), 0o600))
	require.Empty(t, u.takeBack(now))
	require.NoFileExists(t, u.path)
}
