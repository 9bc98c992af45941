package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

// plays counts the runs of playbooks and their steps.
type plays struct {
	runs  *prometheus.CounterVec
	steps *prometheus.CounterVec
}

func newPlays(r prometheus.Registerer) plays {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "recoveryd", Name: name, Help: help}, labels)
	}
	p := plays{
		runs:  counter("playbook_runs_total", "Runs of playbooks that ended, by outcome; a halted one has failed and keeps its targets until a person ends it.", "playbook", "outcome"),
		steps: counter("playbook_steps_total", "Steps of playbooks that ended, by result.", "playbook", "result"),
	}
	r.MustRegister(p.runs, p.steps)
	return p
}

// decided counts what a record says of a run: the steps that ended with it, and its end.
func (p plays) decided(rec incident.Record) {
	r := rec.Run
	if r == nil {
		return
	}
	for _, l := range r.Log {
		if l.Result != "" && l.Ended.Equal(rec.At) {
			p.steps.WithLabelValues(r.Playbook, string(l.Result)).Inc()
		}
	}
	halted := r.Stage == incident.StageHalted
	switch {
	case halted && r.Ended.IsZero() && rec.Reason == incident.PlaybookFailed:
		p.runs.WithLabelValues(r.Playbook, "halted").Inc()
	case !halted && r.Ended.Equal(rec.At):
		p.runs.WithLabelValues(r.Playbook, strings.TrimPrefix(string(r.Outcome), "playbook-")).Inc()
	}
}

// playing are the standing series of playbooks.
type playing struct {
	run, began, failed, lastOK, lastEnd *prometheus.Desc
}

func newPlaying() playing {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("recoveryd_"+name, help, labels, nil)
	}
	return playing{
		run:     desc("playbook_run", "1 for the stage that the playbook's run under way is in, 0 for the others; absent while none is.", "playbook", "stage"),
		began:   desc("playbook_run_began_timestamp_seconds", "When the playbook's run under way began.", "playbook"),
		failed:  desc("playbook_run_failed", "1 while a run of the playbook that a person began has failed and is not over.", "playbook"),
		lastOK:  desc("playbook_last_run_success", "1 when the latest run of the playbook was done, 0 when not.", "playbook"),
		lastEnd: desc("playbook_last_run_timestamp_seconds", "When the latest run of the playbook ended.", "playbook"),
	}
}

func (p playing) all() []*prometheus.Desc {
	return []*prometheus.Desc{p.run, p.began, p.failed, p.lastOK, p.lastEnd}
}

// collect shows the playbooks of the configuration: what is gone from it is not shown.
func (p playing) collect(gauge func(*prometheus.Desc, float64, ...string), h incident.Host, policy *incident.Policy) {
	for _, b := range policy.Playbooks() {
		if r := h.Run; r != nil && r.Playbook == b.Name {
			for _, s := range incident.Stages() {
				gauge(p.run, one(r.Stage == s), b.Name, string(s))
			}
			gauge(p.began, float64(r.Began.UnixMilli())/1000, b.Name)
		}
		failed := false
		for _, t := range h.Troubles {
			failed = failed || t.Playbook == b.Name
		}
		gauge(p.failed, one(failed), b.Name)
		for i := len(h.Runs) - 1; i >= 0; i-- {
			if r := h.Runs[i]; r.Playbook == b.Name {
				gauge(p.lastOK, one(r.Outcome == incident.PlaybookDone), b.Name)
				gauge(p.lastEnd, float64(r.Ended.UnixMilli())/1000, b.Name)
				break
			}
		}
	}
}
