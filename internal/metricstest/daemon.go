// Package metricstest fills every series that recoveryd exposes, for tests of what is built on
// them: the reference in docs/metrics.md, the alert rules and the dashboard.
//
// What is decided comes from the real core (hosttest). A series that is added to the metrics and
// not filled here fails [Daemon], so that it cannot be left out of the reference.
package metricstest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/internal/metrics"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Daemon returns the metrics of a daemon after a bad night: several incidents, one of them open,
// people told, a channel that fails, a hold and a pause.
func Daemon(tb testing.TB) *metrics.Metrics {
	tb.Helper()
	now := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	m := metrics.New("v1.2.3", "0123abc")
	var targets []string
	for _, t := range hosttest.Options(tb).Targets {
		targets = append(targets, t.Name)
	}
	m.Targets(targets)
	m.Reloaded(true, now)
	h := hosttest.DatabaseDead(tb, now, func(rec incident.Record) {
		m.Decided(rec)
		if rec.Event.Kind == incident.Observed {
			m.Looked(rec.Target, rec.After.Diagnosis.Verdict, 12*time.Millisecond)
		}
		for _, e := range rec.Effects {
			if e.Kind == incident.Perform {
				m.Acted(*e.Action, incident.ResultDone, 800*time.Millisecond)
			}
		}
	})
	m.Acted(strategy.Action{Target: "redis", Verb: strategy.Restart}, incident.ResultDenied, time.Millisecond)
	m.Cycle(now)
	m.JournalFailed()
	open, err := h.Incidents(tb.Context(), true, 1)
	require.NoError(tb, err)
	h.Say("redis", incident.Command{Verb: incident.CmdHold, By: "ann"})
	h.Say("postgres", incident.Command{Verb: incident.CmdAck, By: "ann", Incident: open[0].ID})
	h.Do = func(strategy.Action) incident.Result { return incident.ResultFailed }
	h.Say("", incident.Command{Verb: incident.CmdPlay, By: "ann", Playbook: "clear-caches"})
	h.Run(5 * time.Second)
	h.Say("", incident.Command{Verb: incident.CmdPlay, By: "ann", Playbook: "restore"})
	m.Attempted("pagerduty", notice.Trigger, "ok", 120*time.Millisecond)
	m.Attempted("slack", notice.Trigger, string(notice.ReasonNetwork), time.Second)
	m.Settled("pagerduty", notice.Trigger, queue.Delivered)
	m.Settled("slack", notice.Update, queue.Refused)
	m.Beat(metrics.BeatSent, now)
	m.Canary("pagerduty", metrics.CanaryAccepted, now)
	m.Registry.MustRegister(metrics.ConfigFile(func() bool { return false }))
	m.Registry.MustRegister(metrics.Standing(metrics.Sources{State: h.State, Policy: h.Policy, Stalled: func(time.Time) []string { return []string{"ollama"} },
		Now: func() time.Time { return now }}))
	m.Registry.MustRegister(metrics.Outbox(func() metrics.Queue {
		return metrics.Queue{Channels: []metrics.Channel{{Name: "pagerduty", LastSuccess: now},
			{Name: "slack", Queued: 2, Pages: 1, Oldest: now.Add(-10 * time.Minute), FailingSince: now.Add(-9 * time.Minute), LastSuccess: now.Add(-time.Hour)}}}
	}, func() time.Time { return now }))
	empty := slices.DeleteFunc(described(tb, m.Registry), func(name string) bool {
		return slices.ContainsFunc(Gather(tb, m.Registry), func(f *dto.MetricFamily) bool { return f.GetName() == name })
	})
	require.Empty(tb, empty, "these series are registered, and metricstest.Daemon does not fill them: add a line there")
	return m
}

// Gather returns recoveryd's own families, in order of name, without those of the Go runtime and
// of the process.
func Gather(tb testing.TB, g prometheus.Gatherer) []*dto.MetricFamily {
	tb.Helper()
	all, err := g.Gather()
	require.NoError(tb, err)
	return slices.DeleteFunc(all, func(f *dto.MetricFamily) bool { return !own(f.GetName()) })
}

func own(name string) bool { return len(name) > 10 && name[:10] == "recoveryd_" }

// Text is what a scrape would get.
func Text(tb testing.TB, g prometheus.Gatherer) []byte {
	tb.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(g, promhttp.HandlerOpts{ErrorHandling: promhttp.PanicOnError}).ServeHTTP(w, httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/metrics", nil))
	return w.Body.Bytes()
}
