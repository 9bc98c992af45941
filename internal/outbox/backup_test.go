package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// team is five people with pagers of one vendor, two places that people read, a log, a public page
// and, where it is told to work, a way of another vendor to wake somebody.
type team struct {
	*testing.T
	out     *running
	store   *memory
	vendors map[string]*vendor
	mu      sync.Mutex       // guards fails
	fails   map[string]error // by channel, from now on
}

var pagers = []string{"alice", "bob", "carol", "dave", "erin"}

func withTeam(t *testing.T, tell func(*team), extra ...string) {
	synctest.Test(t, func(t *testing.T) {
		s := &team{T: t, store: newMemory(), vendors: map[string]*vendor{}, fails: map[string]error{}}
		o := options(s.store, map[string]notice.Notifier{})
		o.Rules.Public = map[string]bool{"status": true}
		for _, name := range slices.Concat(pagers, []string{"chat", "mail", "log", "status"}, extra) {
			trait := queue.Trait{Channel: name}
			switch name {
			case "chat", "mail", "second-chat":
				trait.Reach = queue.Waits
			case "log":
				trait.Reach = queue.Records
			case "status", "sms":
			default:
				trait.Vendor = "pagerduty"
			}
			o.Rules.Traits = append(o.Rules.Traits, trait)
			v := &vendor{fail: func(context.Context, notice.Delivery) error {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.fails[name]
			}}
			s.vendors[name], o.Notifiers[name] = v, v
		}
		s.out = start(t, o)
		tell(s)
		require.NoError(t, s.out.stop())
	})
}

// fail makes channels fail with an error from now on; nil makes them work.
func (s *team) fail(err error, names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range names {
		s.fails[n] = err
	}
}

func (s *team) page(key string, sev notice.Severity, names ...string) {
	n := msg(key+"-trigger", key, notice.Trigger)
	n.Severity = sev
	s.out.Wake(s.store.append(queue.NewQueued(time.Now().Round(0), n, names...)...)...)
}

func (s *team) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// told lists who got which kind of notice about a channel, in order of the names.
func (s *team) told() (out []string) {
	for name, v := range s.vendors {
		for _, d := range v.deliveries() {
			if d.Notice.Class == "channel" {
				out = append(out, fmt.Sprintf("%s: %s %s %s", name, d.Notice.Kind, d.Notice.Target, d.Notice.Severity))
			}
		}
	}
	slices.Sort(out)
	return out
}

var forbidden = &notice.FinalError{Reason: notice.ReasonAuth, Err: errors.New("403 invalid key")}

func TestAnOutageOfAVendorWakesNobodyForItself(t *testing.T) {
	withTeam(t, func(s *team) {
		s.fail(refused, pagers...)
		for _, p := range pagers {
			s.page("k-"+p, notice.Error, p)
		}
		s.pass(20 * time.Minute)
		var want []string
		for _, to := range []string{"chat", "log", "mail"} {
			for _, p := range pagers {
				want = append(want, to+": trigger "+p+" error")
			}
		}
		require.Equal(s, want, s.told(), "one telling for each channel that keeps a page back, and to nobody's pager")
		s.fail(nil, pagers...)
		s.pass(time.Hour)
		for _, p := range pagers {
			require.Equal(s, []string{"k-" + p + "-trigger"}, s.vendors[p].ids(), "its own page")
			require.Empty(s, s.vendors[p].told("channel"))
		}
		require.Len(s, s.told(), 2*len(want), "who was told of it is told that it is over, and nobody else")
	})
}

func TestAPageOfTheWorstSeverityThatNobodyHasIsToldToOnePagerThatWorks(t *testing.T) {
	withTeam(t, func(s *team) {
		s.fail(refused, pagers...)
		s.page("k", notice.Critical, "alice")
		s.pass(3 * time.Minute)
		want := []string{"chat: trigger alice error", "log: trigger alice error", "mail: trigger alice error", "sms: trigger alice critical"}
		require.Equal(s, want, s.told(), "of another vendor, since this one does not seem to deliver")
		require.Contains(s, s.vendors["sms"].told("channel")[0], "trigger: a page through alice does not arrive: svc: pool exhausted")
		s.pass(time.Hour)
		require.Equal(s, want, s.told(), "once")
		s.fail(nil, pagers...)
		s.pass(time.Hour)
		require.Len(s, s.told(), 2*len(want))
		for _, p := range pagers[1:] {
			require.Empty(s, s.vendors[p].deliveries())
		}
	}, "sms")
}

func TestAPageOfTheWorstSeverityFindsAPagerWhoseKeyWorks(t *testing.T) {
	withTeam(t, func(s *team) {
		s.fail(forbidden, "alice", "bob")
		s.page("k", notice.Critical, "alice")
		s.pass(time.Minute)
		require.Equal(s, []string{"carol: trigger alice critical", "chat: trigger alice error", "chat: trigger bob error", "log: trigger alice error",
			"log: trigger bob error", "mail: trigger alice error", "mail: trigger bob error"}, s.told(), "bob, who does not get it either, is replaced")
	})
}

func TestAPageThatAnotherPagerHasWakesNobodyElse(t *testing.T) {
	withTeam(t, func(s *team) {
		s.fail(forbidden, "alice")
		s.page("k", notice.Critical, "alice", "bob", "chat")
		s.pass(time.Hour)
		require.Equal(s, []string{"chat: trigger alice error", "log: trigger alice error", "mail: trigger alice error"}, s.told())
	})
}

func TestAPagerIsToldWhenTheTroubleTurnsUrgentLater(t *testing.T) {
	withTeam(t, func(s *team) {
		s.fail(forbidden, "alice")
		s.page("k1", notice.Warning, "alice")
		s.pass(time.Hour)
		require.Len(s, s.told(), 3)
		s.page("k2", notice.Critical, "alice")
		s.pass(time.Second)
		require.Equal(s, []string{"bob: trigger alice critical", "chat: trigger alice error", "log: trigger alice error", "mail: trigger alice error"}, s.told())
	})
}

func TestARefusedPageOfTheWorstSeverityIsToldUntilSomebodyHasIt(t *testing.T) {
	withTeam(t, func(s *team) {
		rejected := &notice.FinalError{Reason: notice.ReasonRejected, Err: errors.New("400 summary is missing")}
		s.fail(rejected, "alice")
		s.fail(refused, "chat", "mail", "sms", "bob", "carol", "dave", "erin")
		s.page("k", notice.Critical, "alice")
		s.pass(time.Minute)
		s.fail(nil, "alice")
		s.page("k2", notice.Warning, "alice")
		s.pass(2 * time.Hour)
		require.Equal(s, []string{"log: trigger alice error"}, s.told(), "it is written down, but nobody has it: the trouble goes on")
		s.fail(nil, "sms")
		s.pass(10 * time.Minute)
		require.Contains(s, s.told(), "sms: trigger alice critical")
		for _, ch := range s.out.Stats().Channels {
			require.False(s, ch.Channel == "alice" && ch.Trouble != "", "it was told, so it is over")
		}
	}, "sms")
}

func TestARefusedPageFindsAnotherPagerAlthoughItsChannelWorksAgain(t *testing.T) {
	withTeam(t, func(s *team) {
		s.fail(&notice.FinalError{Reason: notice.ReasonRejected, Err: errors.New("400 summary is missing")}, "alice")
		s.fail(refused, "chat", "mail", "bob", "carol", "dave", "erin")
		s.page("k", notice.Critical, "alice") // refused, and bob is told: not yet known to fail
		synctest.Wait()
		s.fail(nil, "alice")
		s.page("k2", notice.Warning, "alice")
		s.pass(4 * time.Minute)
		require.Equal(s, []string{"log: trigger alice error", "sms: trigger alice critical"}, s.told())
	}, "sms")
}

func TestAPagerIsToldWhereNeitherChatNorMailWorks(t *testing.T) {
	withTeam(t, func(s *team) {
		s.fail(refused, "alice", "chat", "mail")
		s.page("k", notice.Error, "alice")
		s.pass(5 * time.Minute)
		require.Equal(s, []string{"bob: trigger alice error", "log: trigger alice error"}, s.told(), "one, and in the order of the configuration")
		s.fail(nil, "chat", "mail", "alice")
		s.pass(time.Hour)
		require.Contains(s, s.told(), "bob: resolve alice error")
	})
}

// Of five pagers of one vendor four would be told of the fifth, one after the other, while none
// of them delivers; and all would ring in the moment in which it works again.
func TestAVendorThatWorksAgainRingsForItsOwnPagesOnly(t *testing.T) {
	withTeam(t, func(s *team) {
		s.fail(refused, pagers...)
		s.page("k", notice.Critical, "alice")
		s.pass(3 * time.Minute) // short pauses between the attempts still, so that bob's page would leave before the trouble is over
		for _, ch := range s.out.Stats().Channels {
			require.Equal(s, map[string]int{"alice": 1, "bob": 1}[ch.Channel], ch.Queued, "%s: one other pager is enough", ch.Channel)
			require.Equal(s, ch.Channel == "alice", ch.Trouble != "", "%s: who only keeps a notice about another channel is no news", ch.Channel)
		}
		s.fail(nil, "alice")
		for len(s.vendors["alice"].ids()) == 0 {
			s.pass(time.Second)
		}
		s.fail(nil, pagers...)
		s.pass(time.Hour)
		require.Empty(s, s.vendors["bob"].deliveries(), "withdrawn, since alice has her page")
		for _, ch := range s.out.Stats().Channels {
			require.Zero(s, ch.Queued, ch.Channel)
			require.Empty(s, ch.Trouble, ch.Channel)
		}
	})
}

func TestItIsKnownWhenNobodyCanBeTold(t *testing.T) {
	withTeam(t, func(s *team) {
		all := append(slices.Clone(pagers), "chat", "mail")
		s.fail(refused, all...)
		unheard := func() (out []string) {
			for _, ch := range s.out.Stats().Channels {
				if ch.Unheard {
					out = append(out, ch.Channel)
				}
			}
			return out
		}
		s.page("k", notice.Error, "alice")
		s.pass(time.Minute)
		require.Empty(s, unheard(), "it may be a moment")
		s.pass(9 * time.Minute)
		require.Equal(s, []string{"alice"}, unheard(), "a log and a public page tell no person")
		s.fail(nil, "mail")
		s.pass(6 * time.Minute)
		require.Empty(s, unheard())
	})
}
