package changes

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func change(unit, active, departure string) platform.Change {
	return platform.Change{Unit: unit, Facts: detect.Facts{
		detect.WorkloadState: detect.Word(active), detect.WorkloadDeparture: detect.Word(departure)}}
}

func drain(m *Mailbox) (got []string) {
	for {
		c, ok := m.take()
		if !ok {
			return got
		}
		got = append(got, fmt.Sprintf("%s %s %s", c.Unit, c.Facts.Text(detect.WorkloadState), c.Facts.Text(detect.WorkloadDeparture)))
	}
}

func TestMailboxCoalesces(t *testing.T) {
	tests := []struct {
		name string
		put  []platform.Change
		want []string
	}{
		{"one change is reported as it is", []platform.Change{change("a", "active", "")}, []string{"a active "}},
		{"of many plain changes the last is reported", []platform.Change{change("a", "activating", ""), change("a", "active", ""), change("a", "reloading", "")},
			[]string{"a reloading "}},
		{"a crash that was healed at once is reported before the last state",
			[]platform.Change{change("a", "failed", "crash"), change("a", "activating", "crash"), change("a", "active", "")},
			[]string{"a activating crash", "a active "}},
		{"a second crash replaces the first and what lay between",
			[]platform.Change{change("a", "failed", "crash"), change("a", "active", ""), change("a", "failed", "oom-kill")},
			[]string{"a failed oom-kill"}},
		{"a unit that changes all the time does not starve another",
			[]platform.Change{change("a", "failed", "crash"), change("b", "failed", "crash"), change("a", "active", "")},
			[]string{"a failed crash", "b failed crash", "a active "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := New()
			for _, c := range tt.put {
				m.Put(c)
			}
			require.Equal(t, tt.want, drain(m))
			require.Empty(t, m.waiting, "nothing may stay behind")
		})
	}
}

func TestNextWaitsForAChangeAndEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New()
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan platform.Change)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, ok := m.Next(ctx)
				if !ok {
					return
				}
				got <- c
			}
		}()
		synctest.Wait() // it waits: nothing is there
		m.Put(change("a", "active", ""))
		require.Equal(t, "a", (<-got).Unit)
		synctest.Wait()
		cancel()
		<-done
		m.Put(change("a", "failed", "crash"))
		_, ok := m.Next(ctx)
		require.False(t, ok, "an ended context reports nothing, even when something is there")
	})
}
