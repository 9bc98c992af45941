package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Sources is where the standing series are read from, at every scrape. All but Stalled are
// required. The functions are safe for concurrent use and must not wait.
type Sources struct {
	State   func() incident.State
	Policy  func() *incident.Policy
	Stalled func(time.Time) []string // targets that were not looked at for too long; nil = not known
	Now     func() time.Time         // nil = time.Now
}

// standing shows how things stand. It is read and not counted: what is no longer so is no longer
// there, after a reload as after a restart.
type standing struct {
	s                                            Sources
	info, wrong, hold, stalled                   *prometheus.Desc
	opened, paged, tier, acked, paused, impaired *prometheus.Desc
	recentActions                                *prometheus.Desc
	playing                                      playing
}

// Standing makes the collector of the standing series. Register it once.
func Standing(s Sources) prometheus.Collector {
	if s.Now == nil {
		s.Now = time.Now
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("recoveryd_"+name, help, labels, nil)
	}
	return &standing{
		s:             s,
		info:          desc("target_info", "1, with kind and unit of the configured target.", "target", "kind", "unit"),
		wrong:         desc("target_unhealthy", "1 while the last look at the target found it unhealthy, with the class of the failure and the target that is to blame.", "target", "class", "culprit"),
		hold:          desc("target_hold", "1 while a person holds the target.", "target"),
		stalled:       desc("target_stalled", "1 while the target has not been looked at for too long.", "target"),
		opened:        desc("incident_opened_timestamp_seconds", "When the open incident of the target was confirmed.", "target", "class", "severity"),
		paged:         desc("incident_paged", "1 when people were told about the open incident of the target, 0 when not.", "target", "class"),
		tier:          desc("incident_tier", "Highest tier that was told about the open incident of the target; absent when nobody was.", "target"),
		acked:         desc("incident_acknowledged", "1 while a person's acknowledgement of the open incident stands.", "target"),
		paused:        desc("paused", "1 while everything is paused, by a person or by the stop file."),
		impaired:      desc("impaired", "1 while recoveryd may only page, because its journal cannot be written."),
		recentActions: desc("recent_actions", "Actions that count against the budgets now, by whether they disrupt.", "disrupts"),
		playing:       newPlaying(),
	}
}

// Describe implements prometheus.Collector.
func (c *standing) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.info, c.wrong, c.hold, c.stalled, c.opened, c.paged, c.tier, c.acked, c.paused, c.impaired, c.recentActions} {
		ch <- d
	}
	for _, d := range c.playing.all() {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *standing) Collect(ch chan<- prometheus.Metric) {
	now, st, p := c.s.Now(), c.s.State(), c.s.Policy()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	stalled := map[string]bool{}
	if c.s.Stalled != nil {
		for _, n := range c.s.Stalled(now) {
			stalled[n] = true
		}
	}
	configured := map[string]bool{}
	for _, t := range p.Targets() {
		configured[t.Name] = true
		gauge(c.info, 1, t.Name, string(t.Kind), t.Object)
		gauge(c.stalled, one(stalled[t.Name]), t.Name)
		ts := st.Targets[t.Name]
		if ts == nil {
			gauge(c.hold, 0, t.Name)
			continue
		}
		gauge(c.hold, one(stands(ts.Hold, now)), t.Name)
		if d := ts.Diagnosis; d.Verdict == detect.Unhealthy {
			culprit := d.Culprit
			if culprit == "" {
				culprit = t.Name
			}
			gauge(c.wrong, 1, t.Name, string(d.Class), culprit)
		}
	}
	for _, i := range st.Incidents {
		if !configured[i.Target] {
			continue // its target is gone from the configuration: it ends with the action in flight
		}
		gauge(c.opened, float64(i.Opened.UnixMilli())/1000, i.Target, string(i.Class), i.Severity.String())
		gauge(c.paged, one(!i.Paged.IsZero()), i.Target, string(i.Class))
		if !i.Paged.IsZero() {
			gauge(c.tier, float64(i.Tier), i.Target)
		}
		gauge(c.acked, one(stands(i.Ack, now)), i.Target)
	}
	gauge(c.paused, one(stands(st.Host.Pause, now) || st.Host.Stop != nil))
	gauge(c.impaired, one(st.Host.Impaired != ""))
	disrupts := 0
	for _, a := range st.Host.Actions {
		if a.Disrupts {
			disrupts++
		}
	}
	gauge(c.recentActions, float64(disrupts), "yes")
	gauge(c.recentActions, float64(len(st.Host.Actions)-disrupts), "no")
	c.playing.collect(gauge, st.Host, p)
}

// stands reports whether a person's word still counts.
func stands(s *incident.Standing, now time.Time) bool {
	return s != nil && (s.Until.IsZero() || now.Before(s.Until))
}
