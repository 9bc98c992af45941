package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// shown is what the series of one target say. Series are made of it when they are scraped: a look,
// which comes far more often, costs next to nothing, and so does the memory of a thousand targets.
type shown struct {
	phase   incident.Phase
	verdict detect.Verdict
	open    bool
	hold    incident.Reason   // "" = not held
	held    []incident.Reason // every reason there was, for the zeros
	facts   detect.Facts      // of the last look
	looked  time.Time         // zero = not yet
}

// targetSeries describes them.
type targetSeries struct{ phase, verdict, heldBy, reading, open, looked *prometheus.Desc }

func newTargetSeries() targetSeries {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("recoveryd_"+name, help, labels, nil)
	}
	return targetSeries{
		phase:   desc("target_phase", "1 for the phase that the target is in, 0 for the others.", "target", "phase"),
		verdict: desc("target_verdict", "1 for the verdict of the target's last look, 0 for the others.", "target", "verdict"),
		heldBy:  desc("target_held", "1 while a confirmed problem of the target is held back, by reason.", "target", "reason"),
		reading: desc("target_reading", readingHelp, "target", "fact"),
		open:    desc("incidents_open", "Open incidents of the target, 0 or 1.", "target"),
		looked:  desc("target_last_look_timestamp_seconds", "When the target was last looked at completely.", "target"),
	}
}

// ofTargets is the collector of the series of targets.
type ofTargets struct{ m *Metrics }

// Describe implements prometheus.Collector.
func (c ofTargets) Describe(ch chan<- *prometheus.Desc) {
	d := c.m.series
	for _, x := range []*prometheus.Desc{d.phase, d.verdict, d.heldBy, d.reading, d.open, d.looked} {
		ch <- x
	}
}

// Collect implements prometheus.Collector.
func (c ofTargets) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	// The scrape reads a copy: the decision loop must not wait for who collects.
	c.m.mu.Lock()
	targets, limits := make(map[string]shown, len(c.m.targets)), c.m.limits
	for name, t := range c.m.targets {
		targets[name] = *t
	}
	c.m.mu.Unlock()
	d := c.m.series
	for name, t := range targets {
		for _, p := range incident.Phases() {
			gauge(d.phase, one(p == t.phase), name, p.String())
		}
		for _, v := range verdicts {
			gauge(d.verdict, one(v == t.verdict), name, v.String())
		}
		for _, r := range t.held {
			gauge(d.heldBy, one(r == t.hold), name, string(r))
		}
		gauge(d.open, one(t.open), name)
		if !t.looked.IsZero() {
			gauge(d.looked, float64(t.looked.UnixMicro())/1e6, name)
		}
		readings(t.facts, limits[name], func(fact string, v float64) { gauge(d.reading, v, name, fact) })
	}
}

// target is what is shown of one target; the lock is held.
func (m *Metrics) target(name string) *shown {
	t := m.targets[name]
	if t == nil {
		t = &shown{phase: incident.Watching, verdict: detect.Unknown}
		m.targets[name] = t
	}
	return t
}

// show brings what is shown of one target up to date. It returns the reason that began to hold it
// back, or "".
func (m *Metrics) show(rec incident.Record) (began incident.Reason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, s := rec.After, m.targets[rec.After.Name]
	if s == nil { // not configured any more: its incident may still have to be ended
		return ""
	}
	s.phase, s.verdict = t.Phase, t.Diagnosis.Verdict
	hold := incident.Reason("")
	if t.Phase == incident.Held {
		hold = t.Reason
	}
	if s.hold != hold {
		if began = hold; hold != "" && !slices.Contains(s.held, hold) {
			s.held = append(s.held, hold)
		}
		s.hold = hold
	}
	if rec.Event.Kind == incident.Observed {
		s.facts = t.Last.Facts
	}
	if i := rec.Incident; i != nil && i.Target == t.Name {
		switch {
		case !i.Open():
			s.open = false
		case i.Opened.Equal(rec.At):
			s.open = true
		}
	}
	return began
}
