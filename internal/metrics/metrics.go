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

	incidents   *prometheus.CounterVec
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
	reloads     *prometheus.GaugeVec
	reloadTime  prometheus.Gauge
	info        *prometheus.GaugeVec

	delivery delivery
	watched  watched
	plays    plays

	series targetSeries

	mu      sync.Mutex // guards what follows
	targets map[string]*shown
	limits  map[string]float64 // configured memory limits, bytes
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
		series:    newTargetSeries(),
		targets:   map[string]*shown{},
		incidents: counter("incidents_total", "Incidents that were opened, each after its problem was confirmed.", "target", "class"),
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
		reloads: gauge("config_last_reload_successful", "1 when the last load of the configuration succeeded."),
		reloadTime: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "recoveryd", Name: "config_last_reload_success_timestamp_seconds",
			Help: "When a configuration was last loaded successfully."}),
		info: gauge("build_info", "1, with version and commit of the running binary.", "version", "commit"),
	}
	m.Registry.MustRegister(ofTargets{m}, m.incidents, m.closed, m.duration, m.actions, m.actionTime,
		m.holds, m.decisions, m.probeTime, m.notices, m.journalErrs, m.cycle, m.reloads, m.reloadTime, m.info,
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
	before := m.targets
	m.targets = make(map[string]*shown, len(names))
	for _, n := range names {
		if t := before[n]; t != nil {
			m.targets[n] = t
		}
		m.target(n)
	}
}

var verdicts = []detect.Verdict{detect.Unknown, detect.Healthy, detect.Degraded, detect.Unhealthy}

// Looked counts one complete look.
func (m *Metrics) Looked(target string, _ detect.Verdict, took time.Duration) {
	m.probeTime.WithLabelValues(target).Observe(took.Seconds())
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.targets[target]; t != nil { // a reload may just have removed it
		t.looked = time.Now()
	}
}

// Decided counts one record of the core, whether or not it changed anything.
func (m *Metrics) Decided(rec incident.Record) {
	if rec.After != nil {
		m.changed(rec)
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

// changed counts what a record changed about its target.
func (m *Metrics) changed(rec incident.Record) {
	t, inc := rec.After, rec.Incident
	if began := m.show(rec); began != "" {
		m.holds.WithLabelValues(t.Name, string(began)).Inc()
	}
	if inc == nil || inc.Target != t.Name {
		return
	}
	switch {
	case !inc.Open():
		m.closed.WithLabelValues(t.Name, string(inc.Class), yes(!inc.Paged.IsZero())).Inc()
		if inc.EndWhy == "" { // how long the others would have lasted nobody knows
			m.duration.WithLabelValues(string(inc.Class)).Observe(inc.Closed.Sub(inc.Since).Seconds())
		}
	case inc.Opened.Equal(rec.At):
		m.incidents.WithLabelValues(t.Name, string(inc.Class)).Inc()
	}
}

// Restore shows the open incidents and phases found in the journal at start.
func (m *Metrics) Restore(s incident.State) {
	for _, t := range s.Targets {
		m.changed(incident.Record{After: t})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range s.Incidents {
		if t := m.targets[i.Target]; t != nil {
			t.open = true
		}
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

// ConfigFile says whether the file and the configuration in force differ, by asking at each scrape.
func ConfigFile(differs func() bool) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "recoveryd", Name: "config_file_differs",
		Help: "1 while the configuration in force is not that of the file: it was changed and not reloaded, or refused."},
		func() float64 { return one(differs()) })
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
