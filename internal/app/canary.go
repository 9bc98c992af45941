package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/internal/metrics"
	"github.com/recoveryd/recoveryd/internal/outbox"
	"github.com/recoveryd/recoveryd/internal/report"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

const (
	// canaryTarget is whom a canary is about: recoveryd itself.
	canaryTarget = "recoveryd"
	// canaryPatience is how long a channel may take to accept a canary. The outbox reports a channel
	// that fails after two minutes and a page that waits after ten (queue.DefaultOutboxRules).
	canaryPatience = 5 * time.Minute
	// canaryLook is how often the journal is asked while a canary is under way.
	canaryLook = time.Second
	// reloadCheck is how soon a reload that turns canaries on or changes them is noticed.
	reloadCheck = time.Minute
	// canaryHistory is how many canaries are looked back at, for what a channel last accepted.
	canaryHistory = 50
)

// canary proves on a schedule that people can be told: a marked incident goes into the journal,
// through the outbox and the notifiers, and is taken back. Everything that it must remember is in
// the journal, so that a restart neither repeats a canary nor leaves one open.
type canary struct {
	config  func() *config.Config
	journal canaryJournal
	wake    func()              // tells the outbox of new rows
	ready   func() bool         // every target was looked at once
	busy    func() bool         // a real incident is open: the channels are being used in earnest
	outbox  func() outbox.Stats // what the outbox has told of a channel, and whom it would tell
	meter   canaryMeter
	log     *zap.Logger

	status  atomic.Pointer[CanaryStatus] // nil: none is configured
	last    string                       // what was logged last about the journal
	started time.Time                    // of this process
	past    []incident.Incident          // the latest canaries, oldest first, as the journal has them
	loaded  bool
}

// canaryJournal is what a canary needs of the journal.
type canaryJournal interface {
	Append(context.Context, journal.Commit) error
	Incidents(context.Context, journal.Filter) ([]journal.IncidentRow, error)
	Notices(ctx context.Context, incident string) ([]queue.Queued, error)
}

// canaryMeter counts.
type canaryMeter interface {
	Canary(channel, result string, at time.Time)
	CanaryAccepted(channel string, at time.Time)
}

// run sends canaries until ctx ends.
func (c *canary) run(ctx context.Context) error {
	c.started = time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		wait, err := c.turn(ctx, time.Now())
		if err != nil && ctx.Err() == nil {
			wait = max(wait, 10*time.Second)
			if err.Error() != c.last {
				c.log.Error("canary: the journal does not do its part", zap.Error(err))
			}
			c.last = err.Error()
		} else if err == nil {
			c.last = ""
		}
		timer.Reset(wait)
	}
}

// turn does what is due now and returns when to look again.
func (c *canary) turn(ctx context.Context, now time.Time) (time.Duration, error) {
	if err := c.load(ctx); err != nil {
		return canaryLook, err
	}
	if n := len(c.past); n > 0 && c.past[n-1].Open() { // also one that an earlier process began
		if over, err := c.attend(ctx, now); err != nil || !over {
			return canaryLook, err
		}
	}
	every := c.config().Canary.Every
	if every <= 0 {
		c.status.Store(nil)
		return reloadCheck, nil
	}
	due := now
	if n := len(c.past); n > 0 {
		due = c.past[n-1].Opened.Add(every)
	}
	if err := c.show(ctx, due, ""); err != nil {
		return canaryLook, err
	}
	switch {
	case now.Before(due):
		return min(due.Sub(now), reloadCheck), nil
	case !c.ready():
		return canaryLook, nil
	case c.busy() && now.Before(due.Add(every)):
		return reloadCheck, nil // put off, but by one interval at most
	}
	return canaryLook, c.begin(ctx, now)
}

// load reads the latest canaries, once: nobody else writes any.
func (c *canary) load(ctx context.Context) error {
	if c.loaded {
		return nil
	}
	rows, err := c.journal.Incidents(ctx, journal.Filter{Target: canaryTarget, Limit: canaryHistory})
	if err != nil {
		return err
	}
	for _, r := range slices.Backward(rows) {
		var i incident.Incident
		if r.Class == string(report.ClassCanary) && json.Unmarshal(r.Body, &i) == nil {
			c.past = append(c.past, i)
		}
	}
	c.loaded = true
	return nil
}

// channels are those that a canary goes through.
func (c *canary) channels() []string {
	cfg := c.config()
	if len(cfg.Canary.Channels) > 0 {
		return cfg.Canary.Channels
	}
	return privateChannels(cfg)
}

// privateChannels are those that outsiders do not read.
func privateChannels(cfg *config.Config) (out []string) {
	for _, n := range cfg.Notifiers {
		if !public(n.Type) {
			out = append(out, n.Name)
		}
	}
	return out
}

// begin opens a canary.
func (c *canary) begin(ctx context.Context, now time.Time) error {
	channels := c.channels()
	if len(channels) == 0 {
		return nil
	}
	i := incident.Incident{ID: "canary-" + now.UTC().Format("20060102-150405"), Target: canaryTarget, Class: report.ClassCanary, Severity: detect.P4,
		Since: now, Opened: now, Diagnosis: detect.Diagnosis{Target: canaryTarget, At: now, Class: report.ClassCanary, Because: "a scheduled test of the channels; nothing is wrong"}}
	n := c.notice(i, notice.Trigger, now)
	if err := c.store(ctx, i, queue.NewQueued(now, n, channels...)); err != nil {
		return err
	}
	c.past = append(c.past[max(len(c.past)-canaryHistory+1, 0):], i)
	return c.show(ctx, time.Time{}, i.ID)
}

// store writes an incident and its notices in one transaction and wakes the outbox.
func (c *canary) store(ctx context.Context, i incident.Incident, rows []queue.Queued) error {
	body, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("encode canary %s: %w", i.ID, err)
	}
	phase := incident.Escalated
	if !i.Open() {
		phase = incident.Watching
	}
	row := journal.IncidentRow{ID: i.ID, Target: i.Target, Class: string(i.Class), Severity: i.Severity.String(), Phase: phase.String(),
		Summary: i.Diagnosis.Because, Opened: i.Opened, Closed: i.Closed, Body: body}
	if err := c.journal.Append(ctx, journal.Commit{Incidents: []journal.IncidentRow{row}, Queue: rows}); err != nil {
		return fmt.Errorf("canary %s: %w", i.ID, err)
	}
	c.wake()
	return nil
}

// notice is what the channels are told. Its severity is the lowest, and its words say that it is a
// test whatever an operator's template shows.
func (c *canary) notice(i incident.Incident, kind notice.Kind, now time.Time) notice.Notice {
	n := notice.Notice{ID: fmt.Sprintf("%s/t0#%s", i.ID, kind), Key: i.ID + "/t0", Kind: kind, At: now, Incident: i.ID, Priority: i.Severity.String(),
		Severity: notice.Info, Status: notice.Identified, Host: c.config().Host, Target: i.Target, Class: string(i.Class), Event: notice.EventCanary, Since: i.Since, Test: true,
		Summary:  "scheduled test of the channels, nothing is wrong",
		Evidence: []string{"this message came through the journal, the outbox and this channel, as a page does"},
		Next:     "recoveryd takes this back by itself as soon as every channel has accepted it", Commands: []string{"recoveryd status", "recoveryd report " + i.ID}}
	if kind == notice.Resolve {
		n.Status, n.Next, n.Summary = notice.Resolved, "nothing", "scheduled test of the channels is over, nothing was wrong"
	}
	return n
}

// attend looks after the canary under way: it ends when every channel has answered, or when the
// patience with them is over.
func (c *canary) attend(ctx context.Context, now time.Time) (over bool, err error) {
	i := c.past[len(c.past)-1]
	answers, err := c.answers(ctx, i.ID)
	if err != nil {
		return false, err
	}
	waiting := slices.ContainsFunc(answers, func(a answer) bool { return !a.settled })
	since := i.Opened
	if c.started.After(since) {
		since = c.started // the outbox could deliver nothing while there was no daemon
	}
	if waiting && now.Sub(since) < canaryPatience {
		return false, c.show(ctx, time.Time{}, i.ID)
	}
	i.Closed, i.Outcome = now, incident.Closed
	var through []string
	for _, a := range answers {
		through = append(through, a.channel)
	}
	rows := queue.NewQueued(now, c.notice(i, notice.Resolve, now), through...)
	for _, a := range answers {
		more, err := c.judge(ctx, now, i, a)
		if err != nil {
			return false, err
		}
		rows = append(rows, more...)
	}
	if err := c.store(ctx, i, rows); err != nil {
		return false, err
	}
	c.past[len(c.past)-1] = i
	for _, a := range answers { // counted once it is certain that this is not done again
		if a.why == "" {
			c.meter.Canary(a.channel, metrics.CanaryAccepted, a.at)
			continue
		}
		c.meter.Canary(a.channel, metrics.CanaryFailed, now)
		c.log.Error("canary was not accepted", zap.String("channel", a.channel), zap.String("incident", i.ID), zap.String("why", a.why))
	}
	return true, nil
}

// newCanary connects the canary to the daemon.
func newCanary(a *App) *canary {
	return &canary{config: a.Config, journal: a.journal, wake: func() { a.outbox.Wake() }, ready: a.lookedEverywhere,
		busy:   func() bool { return len(a.engine.State().Incidents) > 0 },
		outbox: a.outbox.Stats, meter: a.metrics, log: a.log.Named("canary")}
}
