package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// trialTimeout bounds one call of a notifier in a trial. It is longer than any notifier's own
// timeout (mail: 30 s), so that the notifier's own words about a timeout are what people read.
const trialTimeout = 45 * time.Second

// Trial is what became of a test that was sent through one channel, directly and without a daemon.
type Trial struct {
	Channel  string        `json:"channel"`
	Type     string        `json:"type"`
	Accepted bool          `json:"accepted"`
	Took     float64       `json:"took_seconds"`
	Reason   notice.Reason `json:"reason,omitzero"`  // of the refusal
	Error    string        `json:"error,omitzero"`   // in the notifier's words, without secrets
	Advice   string        `json:"advice,omitzero"`  // what to do about it
	Left     string        `json:"left,omitzero"`    // why the test alert is still open, "" when it was taken back
	Missing  string        `json:"missing,omitzero"` // who behind the channel did not take it, "" when everybody did
	Skipped  string        `json:"skipped,omitzero"` // why nothing was sent
}

// OK reports whether nothing is left for a person to do.
func (t Trial) OK() bool { return t.Skipped != "" || t.Accepted && t.Left == "" && t.Missing == "" }

// TryChannels sends a marked test through each named channel and takes it back again, one channel
// after the other, and reports each through told as soon as it is known. No names stand for every
// channel but the public ones, where a test would be read by outsiders.
func TryChannels(ctx context.Context, c *config.Config, names []string, now time.Time, told func(Trial)) error {
	notifiers, err := notifiersOf(c, zap.NewNop())
	if err != nil {
		return &ConfigError{err}
	}
	list, err := channelsNamed(c, names)
	if err != nil {
		return &ConfigError{err}
	}
	id := "recoveryd-test-" + now.UTC().Format("20060102-150405")
	for _, n := range list {
		t := Trial{Channel: n.Name, Type: n.Type}
		if len(names) == 0 && public(n.Type) {
			t.Skipped = "it is public: outsiders would read the test (name it to send one all the same)"
			told(t)
			continue
		}
		try(ctx, notifiers[n.Name], id, c.Host, &t)
		told(t)
	}
	return nil
}

// try sends the test and takes it back.
func try(ctx context.Context, n notice.Notifier, id, host string, t *Trial) {
	trigger := notice.Delivery{Notice: testNotice(notice.Trigger, id, host), Attempt: 1}
	if why := leftOut(n, trigger); why != "" {
		t.Reason, t.Error = notice.ReasonConfig, "nothing was sent: "+why
		t.Advice = "this channel's settings leave out pages, so it wakes nobody: correct its kinds, if that is not meant"
		return
	}
	began := time.Now()
	receipt, err := call(ctx, n, trigger)
	t.Took = time.Since(began).Seconds()
	if some, ok := errors.AsType[*notice.PartialError](err); ok && len(some.Took) > 0 {
		t.Missing = notAll(some)
	} else if err != nil {
		t.Reason, t.Error = reasonOf(err), err.Error()
		t.Advice = advice(t.Reason)
		return
	}
	t.Accepted = true
	resolve := notice.Delivery{Notice: testNotice(notice.Resolve, id, host), Prior: receipt, Attempt: 1}
	if why := leftOut(n, resolve); why != "" {
		t.Left = "its settings leave out all-clears: " + why
		return
	}
	if _, err := call(ctx, n, resolve); err != nil {
		t.Left = "the all-clear was refused: " + err.Error()
	}
}

// notAll names who did not take a test, and why.
func notAll(some *notice.PartialError) string {
	var out []string
	for _, no := range some.Refused {
		out = append(out, no.Receiver+" refuses it for good: "+no.Error)
	}
	if len(some.Left) > 0 {
		out = append(out, strings.Join(some.Left, ", ")+" cannot take it now: "+some.Err.Error())
	}
	return strings.Join(out, "; ")
}

// testNotice is the sample. Its summary says that it is a test, since an operator's own template
// may show nothing else.
func testNotice(kind notice.Kind, id, host string) notice.Notice {
	n := notice.Sample(kind, id, host, time.Now())
	n.Summary = "test, nothing is wrong: " + n.Summary
	return n
}

func call(ctx context.Context, n notice.Notifier, d notice.Delivery) (notice.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, trialTimeout)
	defer cancel()
	return n.Notify(ctx, d)
}

// leftOut says why a notifier would send nothing for a delivery; "" when it would. A notifier
// says so in its preview, in brackets.
func leftOut(n notice.Notifier, d notice.Delivery) string {
	p, ok := n.(notice.Previewer)
	if !ok {
		return ""
	}
	b, err := p.Preview(d)
	if err != nil {
		return "" // sending will say so
	}
	why, ok := strings.CutPrefix(string(bytes.TrimSpace(b)), "(nothing: ")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(why, ")")
}

// channelsNamed finds the notifiers of the configuration by name; no names are all.
func channelsNamed(c *config.Config, names []string) ([]config.Notifier, error) {
	if len(c.Notifiers) == 0 {
		return nil, errors.New("the configuration has no notifier: nobody is told of anything")
	}
	if len(names) == 0 {
		return c.Notifiers, nil
	}
	var out []config.Notifier
	for _, name := range names {
		found := false
		for _, n := range c.Notifiers {
			if n.Name == name {
				out, found = append(out, n), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no channel %q (there are: %s)", name, strings.Join(channelNames(c), ", "))
		}
	}
	return out, nil
}

func channelNames(c *config.Config) (out []string) {
	for _, n := range c.Notifiers {
		out = append(out, n.Name)
	}
	return out
}

// public reports whether outsiders read what a type of channel is told.
func public(typ string) bool { return typ == "statuspage" }

func reasonOf(err error) notice.Reason {
	if e, ok := errors.AsType[*notice.RetryError](err); ok {
		return e.Reason
	}
	if e, ok := errors.AsType[*notice.FinalError](err); ok {
		return e.Reason
	}
	return notice.ReasonRejected
}

// advice says what a person can do about a refusal.
func advice(r notice.Reason) string {
	switch r {
	case notice.ReasonNetwork:
		return "the vendor cannot be reached from here: check name resolution, firewall and proxy (http.proxy of the channel)"
	case notice.ReasonTimeout:
		return "no answer in time: check firewall and proxy, and the vendor's own status; the daemon would go on trying"
	case notice.ReasonRateLimited:
		return "too many requests with this key: wait and try again, and look for other senders that use it; the daemon would wait as asked"
	case notice.ReasonServer:
		return "the vendor, or something between us and it, is in trouble: check its status; the daemon would go on trying"
	case notice.ReasonAuth:
		return "the key, token or password is wrong, expired or not allowed to do this: replace the secret of this channel, then: systemctl reload recoveryd"
	case notice.ReasonConfig:
		return "the address or a setting of this channel is wrong: correct it, then: recoveryd validate && systemctl reload recoveryd"
	case notice.ReasonRejected:
		return "the vendor refuses this very message: compare its reason with what recoveryd notify preview shows"
	}
	return "see the reason"
}

// Preview is what would be sent through one channel.
type Preview struct {
	Channel string      `json:"channel"`
	Type    string      `json:"type"`
	Kind    notice.Kind `json:"kind"`
	Body    string      `json:"body"` // exactly, but for secrets
}

// PreviewChannels renders a notice as each named channel (all, without names) would send it. The
// notice is what make gives for a channel. Nothing is sent.
func PreviewChannels(c *config.Config, names []string, make func(channel string) (notice.Notice, error)) ([]Preview, error) {
	notifiers, err := notifiersOf(c, zap.NewNop())
	if err != nil {
		return nil, &ConfigError{err}
	}
	list, err := channelsNamed(c, names)
	if err != nil {
		return nil, &ConfigError{err}
	}
	var out []Preview
	for _, n := range list {
		msg, err := make(n.Name)
		if err != nil {
			return nil, err
		}
		b, err := preview(notifiers[n.Name], notice.Delivery{Notice: msg, Attempt: 1})
		if err != nil {
			return nil, fmt.Errorf("preview of %s: %w", n.Name, err)
		}
		out = append(out, Preview{Channel: n.Name, Type: n.Type, Kind: msg.Kind, Body: string(b)})
	}
	return out, nil
}

func preview(n notice.Notifier, d notice.Delivery) ([]byte, error) {
	if p, ok := n.(notice.Previewer); ok {
		return p.Preview(d)
	}
	// A notifier from outside that shows nothing itself: the notice that it is given.
	return json.MarshalIndent(d.Notice, "", "  ")
}

// NoticeOf returns the latest notice of a kind that an incident had for a channel. An incident of
// which that channel was never told in this way is rendered as it would be told now.
func (h *History) NoticeOf(ctx context.Context, c *config.Config, id string, kind notice.Kind, channel string, now time.Time) (notice.Notice, error) {
	i, _, err := h.Incident(ctx, id)
	if err != nil {
		return notice.Notice{}, err
	}
	rows, err := h.j.Notices(ctx, id)
	if err != nil {
		return notice.Notice{}, err
	}
	var found *notice.Notice
	for _, q := range rows {
		if q.Channel == channel && q.Kind == kind {
			found = new(q.Outgoing())
		}
	}
	if found != nil {
		return *found, nil
	}
	at := now
	if !i.Closed.IsZero() && i.Closed.Before(now) {
		at = i.Closed
	}
	n := rendererOf(c).Render(incident.Notice{Kind: incident.NoticeKind(kind), Why: i.PagedWhy, Next: "(what recoveryd would do next)"}, i, at)
	n.ID = n.Key + "#preview"
	return n, nil
}

// rendererOf makes messages by a configuration.
func rendererOf(c *config.Config) engine.Renderer {
	return engine.Renderer{Host: c.Host, Link: c.HTTP.ExternalURL, Runbook: func(class detect.Class) string { return Runbook(c, class) }, Unit: func(target string) string {
		if t, ok := c.Target(target); ok {
			return t.Object
		}
		return ""
	}}
}
