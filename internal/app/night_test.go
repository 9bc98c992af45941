package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/internal/outbox"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// company is a configuration in which every role of the runbooks is somebody.
const company = `version: 1
host: h1
targets: [{name: svc, kind: service, unit: svc.service, health: [{url: "http://127.0.0.1:1/health"}]}]
notifiers:
  - {name: alice, type: pagerduty, routing_key: "0123456789abcdef0123456789abcdef"}
  - {name: bob, type: pagerduty, routing_key: "0123456789abcdef0123456789abcdef"}
  - {name: team-lead, type: pagerduty, routing_key: "0123456789abcdef0123456789abcdef"}
  - {name: engineering-lead, type: pagerduty, routing_key: "0123456789abcdef0123456789abcdef"}
  - {name: engineering-manager, type: pagerduty, routing_key: "0123456789abcdef0123456789abcdef"}
  - {name: incident-command, type: pagerduty, routing_key: "0123456789abcdef0123456789abcdef"}
  - {name: chat, type: slack, token: xoxb-1, channel: C1}
  - {name: status-page, type: statuspage, page_id: p1, api_key: k1}
roles: [{name: primary, notify: [alice]}, {name: secondary, notify: [bob]}]
`

// night is one host in simulated time: the rules, the engine, the journal, the outbox and the
// router as the daemon has them, around a service that crashed and vendors that may be away.
type night struct {
	t     *testing.T
	dir   string // of the journal
	run   string // the runtime directory; "" = there is none
	c     *config.Config
	begun time.Time

	mu    sync.Mutex
	facts detect.Facts
	away  bool            // no vendor answers
	got   []notice.Notice // accepted, in order
	via   []string        // by which channel
	at    []time.Time
	acted []string

	app  *App
	stop func()
}

// Look implements engine.Looker.
func (n *night) Look(_ context.Context, cause string) detect.Observation {
	n.mu.Lock()
	defer n.mu.Unlock()
	return detect.Observation{Target: "svc", At: time.Now(), Cause: cause, Facts: n.facts}
}

// Do implements engine.Actuator: nothing helps.
func (n *night) Do(_ context.Context, a strategy.Action) (incident.Result, string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.acted = append(n.acted, string(a.Verb))
	return incident.ResultFailed, "exit code 1"
}

func (*night) Looked(string, detect.Verdict, time.Duration)          {}
func (*night) Decided(incident.Record)                               {}
func (*night) Acted(strategy.Action, incident.Result, time.Duration) {}
func (*night) JournalFailed()                                        {}
func (*night) Cycle(time.Time)                                       {}

// line is one channel of the night.
type line struct {
	n    *night
	name string
}

func (l line) Notify(_ context.Context, d notice.Delivery) (notice.Receipt, error) {
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	if l.n.away {
		return nil, &notice.RetryError{Reason: notice.ReasonServer, Err: errors.New("503")}
	}
	l.n.got, l.n.via, l.n.at = append(l.n.got, d.Notice), append(l.n.via, l.name), append(l.n.at, time.Now())
	return notice.Receipt{"last": d.Notice.ID}, nil
}

func (n *night) set(do func()) { n.mu.Lock(); do(); n.mu.Unlock() }

// begin starts a daemon on the journal that an earlier one left.
func (n *night) begin() {
	t := n.t
	j, err := journal.Open(context.Background(), journal.Options{Dir: n.dir, BallastBytes: -1})
	require.NoError(t, err)
	state, err := restore(context.Background(), j, time.Now(), zap.NewNop())
	require.NoError(t, err)
	policy, err := PolicyOf(n.c)
	require.NoError(t, err)
	routed, err := routingOf(n.c)
	require.NoError(t, err)
	notifiers := map[string]notice.Notifier{}
	for _, x := range n.c.Notifiers {
		notifiers[x.Name] = line{n, x.Name}
	}
	a := &App{journal: j, log: zap.NewNop()}
	a.inForce.Store(&generation{config: n.c, route: routed})
	a.outbox, err = outbox.New(outbox.Options{Store: j, Notifiers: notifiers, Rules: rulesOf(n.c), Jitter: func() float64 { return 0.5 }})
	require.NoError(t, err)
	if n.run != "" {
		a.unwritten = unwritten{path: filepath.Join(n.run, unwrittenName), log: zap.NewNop()}
	}
	a.outbox.Submit(a.unwritten.takeBack(time.Now())...)
	a.engine, err = engine.New(engine.Options{Policy: policy, State: state, Actuator: n, Meter: n, Logger: zap.NewNop(),
		Subjects: []engine.Subject{{Name: "svc", Looker: n, Interval: 5 * time.Second}},
		Journal:  ledger{j, func(error) {}}, Courier: courier{a}, Broken: j.Broken(), Render: a.render, Own: a.own})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.engine.Run(ctx) })
	wg.Go(func() { _ = a.outbox.Run(ctx) })
	n.app, n.stop = a, func() {
		cancel()
		wg.Wait()
		require.NoError(t, j.Close())
	}
}

// until lets the time pass to an age of the night.
func (n *night) until(age time.Duration) {
	time.Sleep(time.Until(n.begun.Add(age)))
	synctest.Wait()
}

// restart ends the daemon at an age and begins the next one half a minute later.
func (n *night) restart(age time.Duration) {
	n.until(age)
	n.stop()
	time.Sleep(30 * time.Second)
	n.begin()
}

// heard lists what a channel accepted about the incident: "trigger t2 at 15m".
func (n *night) heard(channel string) (out []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, x := range n.got {
		if n.via[i] == channel && x.Target == "svc" && x.Kind != notice.Update {
			_, tier, _ := strings.Cut(x.Key, "/")
			out = append(out, fmt.Sprintf("%s %s at %s", x.Kind, tier, n.at[i].Sub(n.begun).Round(time.Minute)))
		}
	}
	return out
}

// all lists every notice that was accepted, and through which channel.
func (n *night) all() (got []notice.Notice, via []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.got), slices.Clone(n.via)
}

// actions lists what was done to the service.
func (n *night) actions() []string { n.mu.Lock(); defer n.mu.Unlock(); return slices.Clone(n.acted) }

func inTheNight(t *testing.T, story func(*night)) {
	t.Helper()
	c, err := config.Parse("night.yaml", []byte(company), Known())
	require.NoError(t, err)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		n := &night{t: t, dir: dir, c: c, begun: time.Now(), facts: gone("run1")}
		n.begin()
		story(n)
		n.stop()
	})
}

// gone is a service that died and has no restart policy; served is one that is well.
func gone(run string) detect.Facts {
	return detect.Facts{detect.WorkloadState: detect.Word(detect.StateFailed), detect.WorkloadRun: detect.Word(run),
		detect.WorkloadDeparture: detect.Word(detect.DepartureCrash), detect.WorkloadPolicy: detect.Word("no"), detect.HTTPOutcome: detect.Word(detect.OutcomeRefused)}
}

func served(run string) detect.Facts {
	return detect.Facts{detect.WorkloadState: detect.Word(detect.StateRunning), detect.WorkloadRun: detect.Word(run),
		detect.HTTPOutcome: detect.Word(detect.OutcomeReply), detect.HealthStatus: detect.Word("healthy")}
}

func TestThreeRestartsOfTheDaemonNeitherResetNorRepeatNorLoseATier(t *testing.T) {
	inTheNight(t, func(n *night) {
		// Each daemon dies a minute before a tier is due, and the next one begins when it is overdue or just ahead.
		n.restart(4*time.Minute + 40*time.Second)
		n.restart(14 * time.Minute)
		n.restart(29*time.Minute + 45*time.Second)
		n.until(90 * time.Minute)
		n.set(func() { n.facts = served("run2") })
		n.until(100 * time.Minute)
		want := map[string][]string{
			"alice":               {"trigger t0 at 0s", "resolve t0 at 1h31m0s"},
			"engineering-lead":    {"trigger t0 at 0s", "resolve t0 at 1h31m0s"}, // two starts did not help
			"status-page":         {"trigger t1 at 5m0s", "resolve t1 at 1h31m0s"},
			"bob":                 {"trigger t2 at 15m0s", "resolve t2 at 1h31m0s"},
			"team-lead":           {"trigger t3 at 30m0s", "resolve t3 at 1h31m0s"},
			"engineering-manager": {"trigger t3 at 30m0s", "resolve t3 at 1h31m0s"},
			"incident-command":    {"trigger t4 at 1h0m0s", "resolve t4 at 1h31m0s"},
		}
		for _, channel := range slices.Sorted(maps.Keys(want)) {
			require.Equal(t, want[channel], n.heard(channel), channel)
		}
		require.Equal(t, []string{"trigger t0 at 0s", "trigger t0 at 15m0s", "trigger t0 at 30m0s", "trigger t0 at 1h0m0s", "resolve t0 at 1h31m0s"},
			n.heard("chat"), "one conversation")
		require.LessOrEqual(t, len(n.actions()), 4, "the budget holds across restarts")
		require.Empty(t, n.app.engine.State().Incidents)
	})
}

func TestTwoHoursWithoutVendorsAndThreeRestartsEndWithEveryPageDeliveredOnceAndTakenBack(t *testing.T) {
	inTheNight(t, func(n *night) {
		n.set(func() { n.away = true })
		n.restart(10 * time.Minute)
		n.restart(50 * time.Minute)
		n.restart(110 * time.Minute)
		n.until(2 * time.Hour)
		require.Empty(t, n.heard("alice"))
		n.set(func() { n.away = false })
		n.until(2*time.Hour + 20*time.Minute)

		for channel, key := range map[string]string{"alice": "t0", "engineering-lead": "t0", "status-page": "t1", "bob": "t2", "team-lead": "t3", "engineering-manager": "t3", "incident-command": "t4"} {
			got := n.heard(channel)
			require.Len(t, got, 1, "%s: %v", channel, got)
			require.True(t, strings.HasPrefix(got[0], "trigger "+key+" at 2h"), "%s: %v", channel, got)
		}
		n.set(func() { n.facts = served("run2") })
		n.until(3 * time.Hour)
		opened, ended := map[string]int{}, map[string]int{}
		got, via := n.all()
		for i, x := range got {
			at := via[i] + " " + x.Key
			switch {
			case x.Target != "svc":
			case x.Kind == notice.Trigger:
				opened[at]++
			case x.Kind == notice.Resolve:
				ended[at]++
			}
		}
		for at, times := range opened {
			require.Equal(t, 1, ended[at], "%s was opened %d times", at, times)
		}
		require.Len(t, ended, len(opened))
		for _, ch := range n.app.outbox.Stats().Channels {
			require.Zero(t, ch.Queued, ch.Channel)
			require.Empty(t, ch.Trouble, ch.Channel)
		}
	})
}

func TestAnIncidentThatIsAcknowledgedTellsNobodyElseUntilThatRunsOut(t *testing.T) {
	inTheNight(t, func(n *night) {
		n.until(3 * time.Minute)
		_, err := n.app.engine.Ask(context.Background(), incident.Event{Kind: incident.Operator, Target: "svc",
			Command: &incident.Command{Verb: incident.CmdAck, By: "alice", Why: "on it", Until: time.Now().Add(time.Hour)}})
		require.NoError(t, err)
		n.restart(20 * time.Minute)
		n.until(62 * time.Minute)
		require.Empty(t, n.heard("bob"))
		require.Empty(t, n.heard("team-lead"))
		require.Equal(t, []string{"trigger t1 at 5m0s"}, n.heard("status-page"), "the public is told in spite of it")
		got, _ := n.all()
		seen := slices.ContainsFunc(got, func(x notice.Notice) bool {
			return x.Kind == notice.Update && slices.ContainsFunc(x.Evidence, func(s string) bool { return strings.HasPrefix(s, "acknowledged by alice (on it)") })
		})
		require.True(t, seen, "the others see it")
		n.until(70 * time.Minute)
		require.Equal(t, []string{"trigger t2 at 1h3m0s"}, n.heard("bob"))
		require.Equal(t, []string{"trigger t0 at 0s", "trigger t2 at 1h3m0s"}, n.heard("alice"), "and alice again, under a key that she has not acknowledged")
	})
}
