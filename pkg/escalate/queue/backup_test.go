package queue

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// channelThat is the book of a channel in a state.
func channelThat(name string, c ChannelState, rows ...Queued) ChannelBook {
	c.Channel = name
	return ChannelBook{State: c, Rows: rows}
}

func TestWhoIsToldOfTheTroubleOfAChannel(t *testing.T) {
	r := DefaultOutboxRules()
	r.Public = map[string]bool{"status": true}
	r.Traits = []Trait{{Channel: "pd1", Vendor: "pd"}, {Channel: "chat", Reach: Waits}, {Channel: "status"}, {Channel: "pd2", Vendor: "pd"},
		{Channel: "mail", Reach: Waits}, {Channel: "log", Reach: Records}, {Channel: "wiki", Reach: Waits}, {Channel: "sms"}}
	works, twice := ChannelState{}, ChannelState{Failures: 2, LastReason: notice.ReasonRejected}
	once := ChannelState{Failures: 1, LastReason: notice.ReasonServer}
	hangs, badKey := ChannelState{Failures: 1, LastReason: notice.ReasonTimeout}, ChannelState{Failures: 1, LastReason: notice.ReasonAuth}
	down := ChannelState{Failures: 3, LastReason: notice.ReasonNetwork}
	row := page(1, t0, notice.Error)
	all := func(changed ...ChannelBook) (books []ChannelBook) {
		for _, tr := range r.Traits[1:] {
			b := channelThat(tr.Channel, works)
			for _, c := range changed {
				if c.State.Channel == tr.Channel {
					b = c
				}
			}
			books = append(books, b)
		}
		return books
	}
	for name, c := range map[string]struct {
		about  ChannelState
		told   []string
		books  []ChannelBook
		urgent bool
		want   []string
	}{
		"the log, and the first two that people read":                     {down, nil, all(), false, []string{"log", "chat", "mail"}},
		"nobody else once they were told":                                 {down, []string{"log", "chat", "mail"}, all(), false, nil},
		"a chat that hangs is left out":                                   {down, nil, all(channelThat("chat", hangs, row)), false, []string{"log", "mail", "wiki"}},
		"one failure may be a moment":                                     {down, nil, all(channelThat("chat", once, row)), false, []string{"log", "chat", "mail"}},
		"two in a row are not":                                            {down, nil, all(channelThat("chat", twice, row)), false, []string{"log", "mail", "wiki"}},
		"a third one, when neither of the told two works":                 {down, []string{"log", "chat", "mail"}, all(channelThat("chat", badKey, row), channelThat("mail", down, row)), false, []string{"wiki"}},
		"a chat that failed yesterday, before anybody is woken":           {down, nil, all(channelThat("chat", down), channelThat("mail", down, row), channelThat("wiki", down, row)), false, []string{"log", "chat"}},
		"a pager of another vendor, when none of them works":              {down, nil, all(channelThat("chat", hangs, row), channelThat("mail", down, row), channelThat("wiki", badKey, row)), false, []string{"log", "sms"}},
		"a pager too when it is urgent, not of the vendor that is down":   {down, nil, all(), true, []string{"log", "chat", "mail", "sms"}},
		"the first pager when only the key is bad":                        {badKey, nil, all(), true, []string{"log", "chat", "mail", "pd2"}},
		"another pager when that one does not deliver either":             {badKey, []string{"log", "chat", "mail", "pd2"}, all(channelThat("pd2", hangs, row)), true, []string{"sms"}},
		"no second one of a vendor that is down":                          {down, []string{"log", "chat", "mail", "sms"}, all(channelThat("sms", down, row)), true, nil},
		"one of it where there is no other":                               {down, nil, []ChannelBook{channelThat("pd2", works)}, true, []string{"pd2"}},
		"whoever there is, when nothing works: it waits there":            {down, nil, []ChannelBook{channelThat("pd2", down, row), channelThat("mail", down, row)}, false, []string{"pd2"}},
		"what is not in the configuration's list comes last, as a pager":  {badKey, nil, []ChannelBook{channelThat("other", works), channelThat("sms", works)}, false, []string{"sms"}},
		"nobody where only outsiders could be told":                       {down, nil, []ChannelBook{channelThat("status", works)}, true, nil},
		"the log where there is nobody else, and those who come later":    {down, []string{"log"}, []ChannelBook{channelThat("log", works), channelThat("mail", works)}, false, []string{"mail"}},
		"those who were told stay told, whatever became of the channel's": {works, []string{"log", "chat", "mail"}, all(), false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, r.Backup(channelThat("pd1", c.about, row), c.told, c.books, c.urgent))
		})
	}
}

func TestNobodyIsHeardWhereNoneOfTheToldWorks(t *testing.T) {
	r := DefaultOutboxRules()
	r.Public = map[string]bool{"status": true}
	r.Traits = []Trait{{Channel: "log", Reach: Records}, {Channel: "chat", Reach: Waits}}
	down := ChannelState{Failures: 3, LastReason: notice.ReasonNetwork, Trouble: &Trouble{To: []string{"chat", "log"}, Paged: true}}
	books := func(chat ChannelState) []ChannelBook {
		return []ChannelBook{channelThat("chat", chat), channelThat("log", ChannelState{}), channelThat("status", ChannelState{}), channelThat("pager2", ChannelState{})}
	}
	require.True(t, r.Unheard(channelThat("pager", down), books(ChannelState{Failures: 2})))
	require.False(t, r.Unheard(channelThat("pager", down), books(ChannelState{Failures: 1})))
	works := down
	works.Failures = 0 // the trouble goes on for a while
	require.False(t, r.Unheard(channelThat("pager", works), books(ChannelState{Failures: 2})), "it can tell people itself again")
	require.False(t, r.Unheard(channelThat("pager", ChannelState{Failures: 1}), books(ChannelState{Failures: 2})), "no trouble yet")
}

func TestATroubleFromAJournalThatDoesNotNameWhoWasToldIsResolvedEverywhere(t *testing.T) {
	r := DefaultOutboxRules()
	r.Public = map[string]bool{"status": true}
	r.Traits = []Trait{{Channel: "chat", Reach: Waits}, {Channel: "pager2"}}
	b := channelThat("pager", ChannelState{LastFailure: t0, Trouble: &Trouble{Key: "channel/db1/pager/1-1", Since: t0, Paged: true}})
	_, e, _ := r.Tidy(b, t0.Add(time.Hour), books("chat", "pager2", "status"))
	var told []string
	for _, q := range e.New {
		require.Equal(t, notice.Resolve, q.Kind)
		told = append(told, q.Channel)
	}
	require.Equal(t, []string{"chat", "pager2"}, told)
}
