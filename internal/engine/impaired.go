package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// ImpairedKey is the key of the page that says that the journal cannot be written.
const ImpairedKey = "recoveryd-impaired"

// impair tells the core that it may only page, and people that it is so. Nothing of it is in the journal.
func (e *Engine) impair(ctx context.Context, state incident.State, now time.Time, cause error) incident.State {
	why := fmt.Sprintf("the journal cannot be written: %v", cause)
	ev := incident.Event{Kind: incident.Impaired, Detail: why}
	next, rec := e.Policy().Step(state, now, ev)
	next.Seq = state.Seq
	e.tape(state, now, ev, rec, next)
	e.o.Courier.Emergency(e.o.Own(BrokenJournal(now, why)))
	if notices := e.render(next, rec); len(notices) > 0 { // what became due with this very step
		e.o.Courier.Emergency(notices)
	}
	e.accept(ctx, next, rec)
	return next
}

// BrokenJournal is the page about a journal that cannot be written. It names no host yet.
func BrokenJournal(now time.Time, why string) notice.Notice {
	return notice.Notice{ID: fmt.Sprintf("recoveryd-impaired-%d", now.UnixNano()), Key: ImpairedKey, Kind: notice.Trigger,
		At: now, Since: now, Priority: "P2", Severity: notice.Error, Status: notice.Identified, Target: "recoveryd", Class: "recoveryd", Event: notice.EventOwn,
		Summary: "recoveryd cannot write its journal: it watches and pages, but acts on nothing", Evidence: []string{why},
		Next:     "recoveryd acts again by itself when the journal can be written",
		Commands: []string{"systemctl status recoveryd", "df -h /var/lib/recoveryd", "recoveryd doctor"}}
}

// Mended is the notice that takes back the page about a journal that could not be written.
func Mended(page notice.Notice, now time.Time) notice.Notice {
	page.ID, page.At = fmt.Sprintf("recoveryd-mended-%d", now.UnixNano()), now
	page.Kind, page.Status, page.Evidence = notice.Resolve, notice.Resolved, nil
	page.Summary, page.Next = "recoveryd can write its journal again, and acts again", "nothing: it is over"
	return page
}
