package app

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// unwrittenName is the file in the runtime directory.
const unwrittenName = "unwritten-page.json"

// unwritten remembers the page about a journal that cannot be written where the journal is not: a disk
// that has turned read-only is mended while nobody uses it, so it is another process of recoveryd that
// finds it well again, and has to take the page back. The runtime directory outlives a process, but no
// boot of the host. It is used by the loop of the engine, and before that begins.
type unwritten struct {
	path string // "" = nothing is remembered
	log  *zap.Logger
}

// note remembers the page when it leaves, and forgets it when it is taken back.
func (u unwritten) note(rows []queue.Queued) {
	i := slices.IndexFunc(rows, func(q queue.Queued) bool {
		return q.Key == engine.ImpairedKey || strings.HasPrefix(q.Key, engine.ImpairedKey+"/")
	})
	if u.path == "" || i < 0 {
		return
	}
	if rows[i].Kind == notice.Resolve {
		u.forget()
		return
	}
	text, err := json.Marshal(rows)
	if err == nil {
		err = os.WriteFile(u.path, text, 0o600)
	}
	if err != nil {
		u.log.Warn("the page about the journal will not be taken back by another process of recoveryd", zap.Error(err))
	}
}

// takeBack is called with a journal that can be written. It returns what takes back the page that an
// earlier process sent, as rows that the outbox has not seen; none when there is no such page.
func (u unwritten) takeBack(now time.Time) (rows []queue.Queued) {
	text, err := os.ReadFile(u.path)
	if u.path == "" || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var pages []queue.Queued
	if err == nil {
		err = json.Unmarshal(text, &pages)
	}
	u.forget()
	if err != nil {
		u.log.Warn("a page about the journal may still be open: it is not known where it was sent", zap.Error(err))
		return nil
	}
	for _, q := range pages {
		q.Touched = true // nothing is known of its way: the vendor may have it
		rows = append(rows, q)
		rows = append(rows, queue.NewQueued(now, engine.Mended(q.Notice, now), q.Channel)...)
	}
	return rows
}

func (u unwritten) forget() {
	if err := os.Remove(u.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		u.log.Warn("the page about the journal will be taken back once more", zap.Error(err))
	}
}
