package app

import (
	"context"
	"slices"
	"time"
)

// CanaryStatus is where the canaries stand.
type CanaryStatus struct {
	Every    string          `json:"every"`
	Last     time.Time       `json:"last,omitzero"`    // when the last one began
	Next     time.Time       `json:"next,omitzero"`    // when the next one is due
	Running  string          `json:"running,omitzero"` // incident id of the one under way
	Channels []CanaryChannel `json:"channels,omitzero"`
}

// CanaryChannel is what one channel did with its canaries.
type CanaryChannel struct {
	Channel  string    `json:"channel"`
	Accepted time.Time `json:"accepted,omitzero"` // when it last accepted one
	Failed   string    `json:"failed,omitzero"`   // why it did not accept the last one
}

// show publishes the status, for every channel what its latest answers were.
func (c *canary) show(ctx context.Context, next time.Time, running string) error {
	st := CanaryStatus{Every: Brief(c.config().Canary.Every), Next: next, Running: running}
	if n := len(c.past); n > 0 {
		st.Last = c.past[n-1].Opened
	}
	names := func(s *CanaryStatus) (out []string) {
		for _, ch := range s.Channels {
			out = append(out, ch.Channel)
		}
		return out
	}
	if was := c.status.Load(); was != nil && was.Last.Equal(st.Last) && was.Running == running && slices.Equal(names(was), c.channels()) {
		st.Channels = was.Channels // nothing has been answered since
		c.status.Store(&st)
		return nil
	}
	known := map[string]*CanaryChannel{}
	for _, name := range c.channels() {
		st.Channels = append(st.Channels, CanaryChannel{Channel: name})
	}
	for n := range st.Channels {
		known[st.Channels[n].Channel] = &st.Channels[n]
	}
	missing := len(known)
	for at, i := range slices.Backward(c.past) {
		if missing == 0 {
			break
		}
		if i.Open() {
			continue
		}
		answers, err := c.answers(ctx, i.ID)
		if err != nil {
			return err
		}
		for _, a := range answers {
			ch := known[a.channel]
			switch {
			case ch == nil || !ch.Accepted.IsZero():
			case a.why == "":
				ch.Accepted = a.at
				c.meter.CanaryAccepted(a.channel, a.at)
				missing--
			case at == len(c.past)-1 || at == len(c.past)-2 && running != "":
				ch.Failed = a.why
			}
		}
	}
	c.status.Store(&st)
	return nil
}
