package outbox

import (
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// Stats is what metrics and status show.
type Stats struct {
	Channels   []ChannelStats // in order of name
	StoreError string         // why the last step could not be stored, "" when it was
	Unstored   int            // rows that only this process knows of
}

// ChannelStats is one channel. Times are zero for never or none.
type ChannelStats struct {
	Channel      string
	Configured   bool
	Queued       int       // notices that wait
	Pages        int       // triggers among them
	Oldest       time.Time // when the oldest of them was queued
	NextAt       time.Time // when the channel will be looked at again
	Sending      bool      // a call is under way
	FailingSince time.Time
	LastError    string // of the last failure, also when it is over
	LastReason   notice.Reason
	LastFailure  time.Time
	LastSuccess  time.Time
	Trouble      string   // why other channels were told of this one, "" when they were not
	Missing      string   `json:",omitempty"` // who behind the channel still waits for a notice that others have, and why
	Told         []string `json:",omitempty"` // the channels that were told of it
	Unheard      bool     `json:",omitempty"` // none of those works: nobody learns of anything from here
	Backup       []string `json:"-"`          // the channels that would be told now, if this one failed
}

func (s *scheduler) publish() {
	out := Stats{Unstored: len(s.unstored)}
	if s.storeErr != nil {
		out.StoreError = s.storeErr.Error()
	}
	for _, name := range s.names() {
		ch := s.channels[name]
		c := ch.book.State
		st := ChannelStats{
			Channel: name, Configured: s.notifiers[name] != nil, Queued: len(ch.book.Rows),
			NextAt: ch.wake, Sending: ch.call != nil, FailingSince: c.FailingSince,
			LastError: c.LastError, LastReason: c.LastReason, LastFailure: c.LastFailure, LastSuccess: c.LastSuccess,
		}
		if c.Trouble != nil {
			st.Trouble, st.Told = c.Trouble.Why, c.Trouble.To
		}
		others := s.others(name)
		st.Unheard, st.Backup = s.rules.Unheard(ch.book, others), s.rules.Backup(ch.book, nil, others, false)
		for i := range ch.book.Rows {
			q := &ch.book.Rows[i] // many rows are not copied at each turn
			if len(q.Left) > 0 && st.Missing == "" {
				st.Missing = strings.Join(q.Left, ", ") + " waits (" + q.LastError + ")"
			}
			if q.Kind == notice.Trigger {
				st.Pages++
			}
			if i == 0 || q.Enqueued.Before(st.Oldest) {
				st.Oldest = q.Enqueued
			}
		}
		out.Channels = append(out.Channels, st)
	}
	s.stats.Store(&out)
}
