package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/internal/journal"
	"github.com/recoveryd/recoveryd/internal/outbox"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/builtin"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// everyNotice is one of each event that the product tells of, as it is made.
func everyNotice(t *testing.T) map[string]notice.Notice {
	at := time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)
	r := engine.Renderer{Host: "web-1", Link: "http://web-1:9465", Runbook: func(c detect.Class) string { return Runbook(nil, c) }, Unit: func(string) string { return "mcp.service" }}
	base := func() incident.Incident {
		return incident.Incident{ID: "mcp-20261122-031000", Target: "mcp", Class: detect.ClassDown, Severity: detect.P1, Since: at.Add(-2 * time.Minute), Opened: at.Add(-time.Minute),
			Diagnosis: detect.Diagnosis{Class: detect.ClassDown, Because: "connection refused, unit failed", Witnesses: []detect.Witness{detect.ByPlatform, detect.BySocket}}}
	}
	tried := incident.Attempt{Strategy: "start", Action: "start mcp.service", At: at.Add(-50 * time.Second), Ended: at.Add(-49 * time.Second), Result: incident.ResultDone, Verdict: incident.Verified}
	tell := func(kind incident.NoticeKind, why incident.Reason, next string, change func(*incident.Notice, *incident.Incident)) notice.Notice {
		i, n := base(), incident.Notice{Kind: kind, Why: why, Next: next}
		if change != nil {
			change(&n, &i)
		}
		out := r.Render(n, i, at)
		out.ID = out.Key + "#1"
		return out
	}
	over := func(end string, a ...incident.Attempt) func(*incident.Notice, *incident.Incident) {
		return func(_ *incident.Notice, i *incident.Incident) { i.Closed, i.EndWhy, i.Attempts = at, end, a }
	}
	run := func(change func(*incident.Incident)) func(*incident.Notice, *incident.Incident) {
		return func(n *incident.Notice, i *incident.Incident) {
			*i = incident.Incident{ID: "full-recovery-20261122-030900", Target: "playbook:full-recovery", Class: incident.ClassPlaybook, Severity: detect.P2, Since: at.Add(-3 * time.Minute),
				Opened: at, Diagnosis: detect.Diagnosis{Because: "step 2 of 3, restart mcp: its unit is failed"}}
			if change != nil {
				change(i)
			}
		}
	}
	const nothing = "nothing: it is over"
	failing := incident.Attempt{Strategy: "start", Action: "start mcp.service", At: at.Add(-50 * time.Second), Ended: at.Add(-49 * time.Second), Result: incident.ResultFailed, Verdict: incident.ActionFailed}
	out := map[string]notice.Notice{
		"page": tell(incident.NoticeTrigger, incident.LadderEnded, "recoveryd will do nothing more by itself: everything it may try was tried. It keeps watching and resolves this page when the target has recovered.",
			func(_ *incident.Notice, i *incident.Incident) { i.Attempts = []incident.Attempt{failing} }),
		"page-only-watched": tell(incident.NoticeTrigger, incident.LadderEnded, "recoveryd does nothing by itself: it is only watched: the configuration names no unit of it. It keeps watching and resolves this page when the target has recovered.",
			func(_ *incident.Notice, i *incident.Incident) { i.Skipped = []string{"start: it has no unit"} }),
		"update": tell(incident.NoticeUpdate, incident.Mended, "recovered; watched for a relapse until 03:13:00 UTC", nil),
		"acknowledged": tell(incident.NoticeUpdate, incident.OperatorSaid, "an action is in flight",
			func(_ *incident.Notice, i *incident.Incident) {
				i.Ack = &incident.Standing{By: "ann", Since: at, Until: at.Add(time.Hour)}
			}),
		"tier": tell(incident.NoticeTrigger, incident.TierDue, "an action is in flight", func(n *incident.Notice, _ *incident.Incident) { n.Tier, n.Because = 1, "secondary is told after 15m" }),
		"reminder": tell(incident.NoticeTrigger, incident.TierDue, "an action is in flight",
			func(n *incident.Notice, _ *incident.Incident) {
				n.Tier, n.Again, n.Because = 2, true, "still unresolved, told again each 1h"
			}),
		"all-clear":         tell(incident.NoticeResolve, incident.Closed, nothing, over("", tried)),
		"closed-by-person":  tell(incident.NoticeResolve, incident.ClosedByPerson, nothing, over("closed by ann: false alarm", failing)),
		"target-removed":    tell(incident.NoticeResolve, incident.TargetLeft, nothing, over("target removed from the configuration")),
		"cure":              tell(incident.NoticeChange, incident.Closed, nothing, over("", tried)),
		"over-by-itself":    tell(incident.NoticeChange, incident.Closed, nothing, over("", failing)),
		"approval":          tell(incident.NoticeChange, incident.HoldApproval, "recoveryd holds back (needs-approval): waits for approval of: start mcp.service. Allow it with: recoveryd approve mcp-20261122-031000", waits(at)),
		"approval-reworded": tell(incident.NoticeUpdate, incident.HoldApproval, "recoveryd holds back (needs-approval): waits for approval of: start mcp.service", waits(at)),
		"drill": tell(incident.NoticeTrigger, incident.LadderEnded, "an action is in flight",
			func(_ *incident.Notice, i *incident.Incident) {
				i.Drill = &incident.Drilled{ID: "20261122-kill-mcp", Fault: incident.FaultKill, Target: "mcp", By: "ann"}
			}),
		"drill-all-clear": tell(incident.NoticeResolve, incident.Closed, nothing, func(n *incident.Notice, i *incident.Incident) {
			over("", tried)(n, i)
			i.Drill = &incident.Drilled{ID: "20261122-kill-mcp", Fault: incident.FaultKill, Target: "mcp", By: "ann"}
		}),
		"playbook-done": tell(incident.NoticeChange, incident.PlaybookDone, nothing, run(func(i *incident.Incident) { i.Closed, i.Diagnosis.Because = at, "every step was done" })),
		"playbook-approval": tell(incident.NoticeChange, incident.PlaybookWaits, "it waits until 04:00 UTC, then it fails", run(func(i *incident.Incident) {
			i.Diagnosis.Because = "step 2 of 3, restart mcp waits for a person's approval"
		})),
		"playbook-failed": tell(incident.NoticeTrigger, incident.PlaybookFailed, "mcp is treated as always", run(nil)),
		"playbook-over":   tell(incident.NoticeResolve, incident.Mended, nothing, run(func(i *incident.Incident) { i.Closed, i.Diagnosis.Because = at, "seen to by ann" })),
	}
	maps.Copy(out, aboutChannels(t, at, out["page"]))
	maps.Copy(out, aboutRecoveryd(t, at))
	return out
}

// aboutChannels are the notices that the outbox makes by its rules: of a channel that does not deliver, and
// of a storm.
func aboutChannels(t *testing.T, at time.Time, page notice.Notice) map[string]notice.Notice {
	t.Helper()
	rules := rulesOf(&config.Config{Host: "web-1", Notifiers: []config.Notifier{{Name: "pd", Type: "pagerduty"}, {Name: "mail", Type: "email"}}})
	mail := []queue.ChannelBook{{State: queue.ChannelState{Channel: "mail"}}}
	queued := func(n int, when time.Time) queue.Queued {
		x := page
		x.ID, x.Key, x.Target = fmt.Sprintf("m%d-20261122-031000/t0#1", n), fmt.Sprintf("m%d-20261122-031000/t0", n), fmt.Sprintf("m%d", n)
		q := queue.NewQueued(when, x, "pd")[0]
		q.Seq = uint64(n)
		return q
	}
	made := func(b queue.ChannelBook, when time.Time) (queue.ChannelBook, notice.Notice) {
		b, e, _ := rules.Tidy(b, when, mail)
		require.Len(t, e.New, 1)
		return b, e.New[0].Notice
	}
	out := map[string]notice.Notice{}
	began := at.Add(-4 * time.Minute)
	b := queue.ChannelBook{State: queue.ChannelState{Channel: "pd"}, Rows: []queue.Queued{queued(1, began)}}
	try := func(d queue.DeliveryResult, when time.Time) {
		b, _ = rules.Begin(b, 1, when)
		b, _ = rules.Settle(b, 1, d, 0, when)
	}
	try(queue.DeliveryResult{Reason: notice.ReasonNetwork, Error: "network: connection refused", Unsent: true}, began)
	b, out["channel-outage"] = made(b, at)
	try(queue.DeliveryResult{OK: true}, at.Add(time.Minute))
	_, out["channel-works"] = made(b, at.Add(10*time.Minute))

	b = queue.ChannelBook{State: queue.ChannelState{Channel: "pd"}}
	for n := range 12 {
		b.Rows = append(b.Rows, queued(n+1, at))
	}
	_, out["storm"] = made(b, at)
	return out
}

// aboutRecoveryd are the notices about recoveryd itself, and those of its canary.
func aboutRecoveryd(t *testing.T, at time.Time) map[string]notice.Notice {
	t.Helper()
	impaired := onHost(engine.BrokenJournal(at, "the journal cannot be written: no space left on device"), "web-1")
	out := map[string]notice.Notice{
		"recoveryd-impaired": impaired, "recoveryd-mended": engine.Mended(impaired, at.Add(time.Minute)),
		"journal-salvaged": salvaged(&config.Config{Host: "web-1", StateDir: "/var/lib/recoveryd"}, &journal.Salvage{Cause: errors.New("database disk image is malformed"),
			MovedTo: "recoveryd.db.corrupt-20261122-031200", Kept: map[string]int{"entries": 120}}, at),
	}
	j := &keptRows{}
	c := &canary{config: func() *config.Config {
		return &config.Config{Host: "web-1", Notifiers: []config.Notifier{{Name: "pd", Type: "pagerduty"}, {Name: "mail", Type: "email"}}}
	}, journal: j, wake: func() {}, loaded: true, meter: &cage{counted: map[string]int{}, accepted: map[string]time.Time{}}, log: zap.NewNop(),
		outbox: func() outbox.Stats {
			return outbox.Stats{Channels: []outbox.ChannelStats{{Channel: "mail", Backup: []string{"pd"}}}}
		}}
	require.NoError(t, c.begin(t.Context(), at))
	out["canary"] = j.rows[0].Notice
	for i := range j.rows { // pd has accepted it, and the mail never comes
		j.rows[i].State, j.rows[i].Settled = queue.Delivered, at.Add(time.Second)
		if j.rows[i].Channel == "mail" {
			j.rows[i].State, j.rows[i].LastError = queue.Waiting, "connection refused"
		}
	}
	begun := len(j.rows)
	over, err := c.attend(t.Context(), at.Add(canaryPatience))
	require.NoError(t, err)
	require.True(t, over)
	for _, q := range j.rows[begun:] {
		if q.Notice.Class == "channel" {
			out["canary-channel"] = q.Notice
		} else {
			out["canary-over"] = q.Notice
		}
	}
	return out
}

// keptRows keeps what a canary writes.
type keptRows struct{ rows []queue.Queued }

func (k *keptRows) Append(_ context.Context, c journal.Commit) error {
	k.rows = append(k.rows, c.Queue...)
	return nil
}
func (k *keptRows) Incidents(context.Context, journal.Filter) ([]journal.IncidentRow, error) {
	return nil, nil
}
func (k *keptRows) Notices(context.Context, string) ([]queue.Queued, error) { return k.rows, nil }

func waits(at time.Time) func(*incident.Notice, *incident.Incident) {
	return func(_ *incident.Notice, i *incident.Incident) {
		i.Held, i.HeldWhy = incident.HoldApproval, "waits for approval of: start mcp.service"
		i.Proposal = &incident.Proposal{Strategy: "start", Plan: "start: start mcp.service", Until: at.Add(5 * time.Minute)}
	}
}

// TestEveryNoticeAsEachVendorGetsIt keeps testdata/notices in step: one file for each thing that is told.
func TestEveryNoticeAsEachVendorGetsIt(t *testing.T) {
	channels := map[string]string{
		"email":     "{server: 'smtp.example.org:587', from: 'a@example.org', to: ['b@example.org']}",
		"log":       "{}",
		"pagerduty": "{routing_key: 0123456789abcdef0123456789abcdef, changes: true}",
		"slack":     "{webhook_url: 'https://hooks.slack.example/services/T/B/x'}",
		"webhook":   "{url: 'https://hook.example.org/'}",
	}
	firsts := map[string]string{}
	for name, n := range everyNotice(t) {
		var b strings.Builder
		m, err := notice.NewMessages(notice.Templates{})
		require.NoError(t, err)
		fmt.Fprintf(&b, "title: %s\n\n%s\nstep: %s\n", m.Title(n), m.Text(n), m.Step(n))
		for _, kind := range []string{"email", "log", "pagerduty", "slack", "webhook"} {
			section := channels[kind]
			notifier, err := builtin.All(zap.NewNop())[kind](func(into any) error { return yaml.Unmarshal([]byte(section), into) })
			require.NoError(t, err, kind)
			shown, err := notifier.(notice.Previewer).Preview(notice.Delivery{Notice: n, Attempt: 1})
			require.NoError(t, err, "%s of %s", name, kind)
			text := strings.TrimSpace(strings.ReplaceAll(string(shown), "\r\n", "\n"))
			if _, rest, ok := strings.Cut(text, "boundary="); ok { // drawn anew for each mail
				random, _, _ := strings.Cut(rest, "\n")
				text = strings.ReplaceAll(text, random, "BOUNDARY")
			}
			fmt.Fprintf(&b, "\n---- %s\n%s\n", kind, text)
			if !strings.HasPrefix(string(shown), "(nothing") {
				require.Contains(t, string(shown), n.First()+": ", "%s through %s", name, kind)
			}
		}
		path := filepath.Join("testdata", "notices", name+".txt")
		if *updatePage {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), b.String(), "stale: go test ./internal/app -run TestEveryNotice -update")
		firsts[name] = n.First()
		if n.Event != notice.EventCure {
			require.NotContains(t, b.String(), "Done: ", name)
			require.NotContains(t, strings.ReplaceAll(b.String(), "not cured by", ""), "cured by", name)
		}
	}
	told, words := map[notice.Event]bool{}, map[string]notice.Event{}
	for name, n := range everyNotice(t) {
		require.NotEmpty(t, n.Event, name)
		told[n.Event] = true
		if n.Kind == notice.Resolve && n.Event != notice.EventClosed {
			continue // an end begins with one word, whatever it ends
		}
		if other, taken := words[n.First()]; taken {
			require.Equal(t, other, n.Event, "%q is the first word of two events", n.First())
		}
		words[n.First()] = n.Event
	}
	for _, e := range notice.Events() {
		require.True(t, told[e], "no example of the event %s", e)
	}
	require.Equal(t, "Approval wanted", firsts["approval"])
	require.Equal(t, "Playbook done", firsts["playbook-done"])
	require.Equal(t, "Closed", firsts["target-removed"])
	require.Equal(t, "Resolved", firsts["channel-works"])
	require.Equal(t, "Problem", firsts["page"])
	require.Equal(t, "Update", firsts["update"])
	require.Equal(t, "Acknowledged", firsts["acknowledged"])
}
