// Package metrics holds everything that recoveryd exposes to Prometheus.
//
// It counts and never decides. Every label comes from a closed set (targets of the
// configuration, classes, phases, reasons, results): never a URL, an error text or a number.
// Start reading at [Metrics]; the list of all series is the code of New.
package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Metrics is the set of series of one daemon. Safe for concurrent use.
type Metrics struct {
	Registry *prometheus.Registry

	phase       *prometheus.GaugeVec
	verdict     *prometheus.GaugeVec
	heldBy      *prometheus.GaugeVec
	reading     *prometheus.GaugeVec
	incidents   *prometheus.CounterVec
	open        *prometheus.GaugeVec
	closed      *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	actions     *prometheus.CounterVec
	actionTime  *prometheus.HistogramVec
	holds       *prometheus.CounterVec
	decisions   *prometheus.CounterVec
	probeTime   *prometheus.HistogramVec
	notices     *prometheus.CounterVec
	journalErrs prometheus.Counter
	cycle       prometheus.Gauge
	looked      *prometheus.GaugeVec
	reloads     *prometheus.GaugeVec
	reloadTime  prometheus.Gauge
	info        *prometheus.GaugeVec

	delivery delivery
	watched  watched
	plays    plays

	mu     sync.Mutex // guards what follows
	last   map[string]labels
	limits map[string]float64 // configured memory limits, bytes
}

// labels remembers what a target's series show now, so that only changes are written.
type labels struct {
	phase   incident.Phase
	verdict detect.Verdict
	class   detect.Class
	hold    incident.Reason
	seen    bool
}

// New registers all series in a registry of their own.
func New(version, commit string) *Metrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "recoveryd", Name: name, Help: help}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "recoveryd", Name: name, Help: help}, labels)
	}
	m := &Metrics{
		Registry:  prometheus.NewRegistry(),
		last:      map[string]labels{},
		phase:     gauge("target_phase", "1 for the phase that the target is in, 0 for the others.", "target", "phase"),
		verdict:   gauge("target_verdict", "1 for the verdict of the target's last look, 0 for the others.", "target", "verdict"),
		heldBy:    gauge("target_held", "1 while a confirmed problem of the target is held back, by reason.", "target", "reason"),
		reading:   gauge("target_reading", readingHelp, "target", "fact"),
		incidents: counter("incidents_total", "Incidents that were opened, each after its problem was confirmed.", "target", "class"),
		open:      gauge("incidents_open", "Open incidents of the target, 0 or 1.", "target"),
		closed:    counter("incidents_closed_total", "Incidents closed, by whether people had been paged.", "target", "class", "paged"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "recoveryd", Name: "incident_duration_seconds",
			Help: "From the first bad look to the end of the incident, probation included.", Buckets: []float64{1, 5, 15, 60, 120, 300, 900, 3600, 14400}}, []string{"class"}),
		actions: counter("actions_total", "Actions performed, by result.", "target", "verb", "result"),
		actionTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "recoveryd", Name: "action_duration_seconds",
			Help: "How long actions took.", Buckets: []float64{.01, .05, .1, .5, 1, 2.5, 5, 10, 30, 60}}, []string{"verb"}),
		holds:     counter("holds_total", "Times that a confirmed problem began to be held back, by reason.", "target", "reason"),
		decisions: counter("decisions_total", "Decisions of the core that changed something, by reason.", "reason"),
		probeTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "recoveryd", Name: "look_duration_seconds",
			Help: "How long complete looks at a target took.", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .5, 1, 2.5, 5, 10}}, []string{"target"}),
		notices: counter("notices_total", "Notices decided, by kind.", "kind"),
		journalErrs: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "recoveryd", Name: "journal_errors_total",
			Help: "Decisions that could not be made durable. While it grows, recoveryd only pages."}),
		cycle: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "recoveryd", Name: "last_cycle_timestamp_seconds",
			Help: "When the decision loop last completed a turn."}),
		looked:  gauge("target_last_look_timestamp_seconds", "When the target was last looked at completely.", "target"),
		reloads: gauge("config_last_reload_successful", "1 when the last load of the configuration succeeded."),
		reloadTime: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "recoveryd", Name: "config_last_reload_success_timestamp_seconds",
			Help: "When a configuration was last loaded successfully."}),
		info: gauge("build_info", "1, with version and commit of the running binary.", "version", "commit"),
	}
	m.Registry.MustRegister(m.phase, m.verdict, m.heldBy, m.reading, m.incidents, m.open, m.closed, m.duration, m.actions, m.actionTime,
		m.holds, m.decisions, m.probeTime, m.notices, m.journalErrs, m.cycle, m.looked, m.reloads, m.reloadTime, m.info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.delivery = newDelivery(m.Registry)
	m.watched = newWatched(m.Registry)
	m.plays = newPlays(m.Registry)
	m.info.WithLabelValues(version, commit).Set(1)
	for _, k := range []incident.NoticeKind{incident.NoticeTrigger, incident.NoticeUpdate, incident.NoticeResolve, incident.NoticeChange} {
		m.notices.WithLabelValues(string(k))
	}
	return m
}

// Targets makes the series of the configured targets exist before anything happens to them, and
// removes those of targets that are gone.
func (m *Metrics) Targets(names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	keep := map[string]bool{}
	for _, n := range names {
		keep[n] = true
		if _, ok := m.last[n]; ok {
			continue
		}
		m.last[n] = labels{}
		for _, p := range incident.Phases() {
			m.phase.WithLabelValues(n, p.String()).Set(0)
		}
		for _, v := range verdicts {
			m.verdict.WithLabelValues(n, v.String()).Set(0)
		}
		m.phase.WithLabelValues(n, incident.Watching.String()).Set(1)
		m.verdict.WithLabelValues(n, detect.Unknown.String()).Set(1)
		m.open.WithLabelValues(n).Set(0)
	}
	for n := range m.last {
		if !keep[n] {
			delete(m.last, n)
			for _, v := range []*prometheus.GaugeVec{m.phase, m.verdict, m.heldBy, m.reading, m.open, m.looked} {
				v.DeletePartialMatch(prometheus.Labels{"target": n})
			}
		}
	}
}

var verdicts = []detect.Verdict{detect.Unknown, detect.Healthy, detect.Degraded, detect.Unhealthy}

// Looked counts one complete look.
func (m *Metrics) Looked(target string, _ detect.Verdict, took time.Duration) {
	m.probeTime.WithLabelValues(target).Observe(took.Seconds())
	m.looked.WithLabelValues(target).SetToCurrentTime()
}

// Decided counts one record of the core, whether or not it changed anything.
func (m *Metrics) Decided(rec incident.Record) {
	if rec.After != nil {
		m.show(rec)
	}
	if rec.From != rec.To || rec.Reason != incident.NoChange {
		m.decisions.WithLabelValues(string(rec.Reason)).Inc()
	}
	m.plays.decided(rec)
	for _, e := range rec.Effects {
		if e.Kind == incident.Notify {
			m.notices.WithLabelValues(string(e.Notice.Kind)).Inc()
		}
	}
}

// show brings the gauges of one target up to date.
func (m *Metrics) show(rec incident.Record) {
	t, inc := rec.After, rec.Incident
	m.mu.Lock()
	was := m.last[t.Name]
	now := labels{phase: t.Phase, verdict: t.Diagnosis.Verdict, class: t.Diagnosis.Class, seen: true}
	if t.Phase == incident.Held {
		now.hold = t.Reason
	}
	m.last[t.Name] = now
	m.mu.Unlock()
	if !was.seen || was.phase != now.phase {
		for _, p := range incident.Phases() {
			m.phase.WithLabelValues(t.Name, p.String()).Set(one(p == now.phase))
		}
	}
	if !was.seen || was.verdict != now.verdict {
		for _, v := range verdicts {
			m.verdict.WithLabelValues(t.Name, v.String()).Set(one(v == now.verdict))
		}
	}
	if was.hold != now.hold {
		if was.hold != "" {
			m.heldBy.WithLabelValues(t.Name, string(was.hold)).Set(0)
		}
		if now.hold != "" {
			m.heldBy.WithLabelValues(t.Name, string(now.hold)).Set(1)
			m.holds.WithLabelValues(t.Name, string(now.hold)).Inc()
		}
	}
	if rec.Event.Kind == incident.Observed {
		m.readings(t.Name, t.Last.Facts)
	}
	if inc == nil || inc.Target != t.Name {
		return
	}
	switch {
	case !inc.Open():
		m.open.WithLabelValues(t.Name).Set(0)
		m.closed.WithLabelValues(t.Name, string(inc.Class), yes(!inc.Paged.IsZero())).Inc()
		m.duration.WithLabelValues(string(inc.Class)).Observe(inc.Closed.Sub(inc.Since).Seconds())
	case inc.Opened.Equal(rec.At):
		m.open.WithLabelValues(t.Name).Set(1)
		m.incidents.WithLabelValues(t.Name, string(inc.Class)).Inc()
	}
}

// Restore shows the open incidents and phases found in the journal at start.
func (m *Metrics) Restore(s incident.State) {
	for _, i := range s.Incidents {
		m.open.WithLabelValues(i.Target).Set(1)
	}
	for _, t := range s.Targets {
		m.show(incident.Record{After: t})
	}
}

// Acted counts one performed action.
func (m *Metrics) Acted(a strategy.Action, r incident.Result, took time.Duration) {
	m.actions.WithLabelValues(a.Target, string(a.Verb), string(r)).Inc()
	m.actionTime.WithLabelValues(string(a.Verb)).Observe(took.Seconds())
}

// JournalFailed counts a decision that could not be made durable.
func (m *Metrics) JournalFailed() { m.journalErrs.Inc() }

// Cycle records a completed turn of the loop.
func (m *Metrics) Cycle(at time.Time) { m.cycle.Set(float64(at.UnixMilli()) / 1000) }

// Reloaded records the outcome of loading a configuration.
func (m *Metrics) Reloaded(ok bool, at time.Time) {
	m.reloads.WithLabelValues().Set(one(ok))
	if ok {
		m.reloadTime.Set(float64(at.Unix()))
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
