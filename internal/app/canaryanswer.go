package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// answer is what a channel has done with the page of a canary.
type answer struct {
	channel string
	settled bool
	at      time.Time // when it was settled
	why     string    // why it was not accepted; "" when it was
}

func (c *canary) answers(ctx context.Context, id string) (out []answer, err error) {
	rows, err := c.journal.Notices(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, q := range rows {
		if q.Key != id+"/t0" || q.Notice.Kind != notice.Trigger {
			continue
		}
		a := answer{channel: q.Channel, settled: q.State != queue.Waiting, at: q.Settled}
		if q.State != queue.Delivered {
			a.why = string(q.State) + ": " + notice.OneLine(q.LastError)
			if q.LastError == "" {
				a.why = string(q.State) + ", without an answer"
			}
		}
		out = append(out, a)
	}
	return out, nil
}

// failureKey is the dedup key of the page about a channel that does not accept canaries: it stays
// the same until the channel works again, so that one failure is one alert.
func (c *canary) failureKey(channel string) string {
	return "canary/" + c.config().Host + "/" + channel
}

// judge makes the page about a channel that failed, unless the outbox has told people already, and
// takes an earlier one back when the channel works again.
func (c *canary) judge(ctx context.Context, now time.Time, i incident.Incident, a answer) ([]queue.Queued, error) {
	open, err := c.reported(ctx, a.channel)
	if err != nil {
		return nil, err
	}
	switch {
	case a.why == "" && len(open) > 0:
		return queue.NewQueued(now, c.failure(i, a, notice.Resolve, now), open...), nil
	case a.why == "":
		return nil, nil
	}
	var backup []string
	for _, ch := range c.outbox().Channels {
		switch {
		case ch.Channel != a.channel:
		case ch.Trouble != "":
			return nil, nil
		default:
			backup = ch.Backup
		}
	}
	return queue.NewQueued(now, c.failure(i, a, notice.Trigger, now), backup...), nil
}

// reported returns the channels at which a page about this channel is open: the last canary before
// that it accepted ends the search.
func (c *canary) reported(ctx context.Context, channel string) ([]string, error) {
	for _, i := range slices.Backward(c.past[:len(c.past)-1]) {
		rows, err := c.journal.Notices(ctx, i.ID)
		if err != nil {
			return nil, err
		}
		var told []string
		accepted := false
		for _, q := range rows {
			if q.Key == c.failureKey(channel) && q.Notice.Kind == notice.Trigger {
				told = append(told, q.Channel)
			}
			accepted = accepted || q.Channel == channel && q.Key == i.ID+"/t0" && q.Notice.Kind == notice.Trigger && q.State == queue.Delivered
		}
		if len(told) > 0 || accepted {
			return told, nil
		}
	}
	return nil, nil
}

// failure is the page about a channel. It belongs to the canary's incident, and is no test.
func (c *canary) failure(i incident.Incident, a answer, kind notice.Kind, now time.Time) notice.Notice {
	n := notice.Notice{ID: fmt.Sprintf("%s#%s-%s", c.failureKey(a.channel), i.ID, kind), Key: c.failureKey(a.channel), Kind: kind, At: now, Incident: i.ID,
		Priority: "P2", Severity: notice.Error, Status: notice.Identified, Host: c.config().Host, Target: a.channel, Class: "channel", Event: notice.EventChannel, Since: i.Since,
		Summary:  fmt.Sprintf("a test page through %s did not arrive: a real one would not either", a.channel),
		Evidence: []string{a.why}, Next: "recoveryd tries again with the next canary; real pages go through the other channels too",
		Commands: []string{"recoveryd notify test --channel " + a.channel, "recoveryd report " + i.ID, "recoveryd status"}}
	if kind == notice.Resolve {
		n.Status, n.Next, n.Evidence = notice.Resolved, "nothing", nil
		n.Summary = fmt.Sprintf("a test page through %s arrived again", a.channel)
	}
	return n
}
