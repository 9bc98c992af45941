package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

func TestAJournalFoundBrokenOnAQuietNightIsPagedAtOnceAndTakenBackWhenItWorksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{facts: healthy("run1")}
		r.onDo = func(strategy.Action) (incident.Result, string) {
			r.set(healthy("run2"))
			return incident.ResultDone, "job done"
		}
		broken := make(chan error, 1)
		e := r.engine(t, incident.NewState())
		e.o.Broken = broken
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		time.Sleep(time.Minute)
		setErr := func(err error) { r.mu.Lock(); r.appendEr = err; r.mu.Unlock() }
		urgent := func() []notice.Notice { synctest.Wait(); r.mu.Lock(); defer r.mu.Unlock(); return r.urgent }
		require.Empty(t, urgent())
		before := e.State().Seq

		setErr(errors.New("read-only"))
		for range 3 { // the journal says it again and again while it lasts
			broken <- errors.New("write to journal: read-only")
			time.Sleep(10 * time.Second)
		}
		require.Len(t, urgent(), 1, "one page, and nothing has happened to the service")
		require.Equal(t, notice.Trigger, urgent()[0].Kind)
		require.Contains(t, urgent()[0].Summary, "cannot write its journal")
		require.Equal(t, []string{"the journal cannot be written: write to journal: read-only"}, urgent()[0].Evidence)
		require.NotEmpty(t, e.State().Host.Impaired, "the core knows before an incident asks for an action")
		require.Equal(t, before, e.State().Seq, "what is not in the journal takes no number of it")

		setErr(nil)
		time.Sleep(3 * time.Second)
		require.Len(t, urgent(), 2)
		require.Equal(t, notice.Resolve, urgent()[1].Kind)
		require.Equal(t, urgent()[0].Key, urgent()[1].Key)
		require.Empty(t, e.State().Host.Impaired)

		r.set(dead("run1"))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.Equal(t, 1, r.count("do start"), "it acts again")
		require.Len(t, urgent(), 2)
		cancel()
		<-done
	})
}
