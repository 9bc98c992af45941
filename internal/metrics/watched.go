package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// watched is the part about the watcher itself: the outbound heartbeat and the canary.
type watched struct {
	beats    *prometheus.CounterVec
	beatAt   prometheus.Gauge
	canaries *prometheus.CounterVec
	canaryAt *prometheus.GaugeVec
}

// Results of a heartbeat and of a canary.
const (
	BeatSent       = "sent"     // the dead-man service accepted it
	BeatFailed     = "failed"   // it could not be delivered
	BeatWithheld   = "withheld" // recoveryd does not work completely and says so by its silence
	CanaryAccepted = "accepted"
	CanaryFailed   = "failed"
)

func newWatched(r *prometheus.Registry) watched {
	w := watched{
		beats: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "recoveryd", Name: "heartbeats_total",
			Help: "Outbound heartbeats, by result: sent, failed (not delivered), withheld (recoveryd does not work completely)."}, []string{"result"}),
		beatAt: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "recoveryd", Name: "heartbeat_last_success_timestamp_seconds",
			Help: "When the dead-man service last accepted a heartbeat; 0 = never since the start, or none is configured."}),
		canaries: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "recoveryd", Name: "canaries_total",
			Help: "Canaries per channel, by result: accepted or failed."}, []string{"channel", "result"}),
		canaryAt: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "recoveryd", Name: "canary_last_accepted_timestamp_seconds",
			Help: "When the channel last accepted a canary; absent = never."}, []string{"channel"}),
	}
	r.MustRegister(w.beats, w.beatAt, w.canaries, w.canaryAt)
	for _, result := range []string{BeatSent, BeatFailed, BeatWithheld} {
		w.beats.WithLabelValues(result)
	}
	return w
}

// Beat counts one heartbeat that was due.
func (m *Metrics) Beat(result string, at time.Time) {
	m.watched.beats.WithLabelValues(result).Inc()
	if result == BeatSent {
		m.watched.beatAt.Set(float64(at.UnixMilli()) / 1000)
	}
}

// Canary counts the end of one canary on a channel; at is when it was accepted.
func (m *Metrics) Canary(channel, result string, at time.Time) {
	m.watched.canaries.WithLabelValues(channel, result).Inc()
	if result == CanaryAccepted {
		m.CanaryAccepted(channel, at)
	}
}

// CanaryAccepted shows when a channel last accepted a canary, also one of an earlier process.
func (m *Metrics) CanaryAccepted(channel string, at time.Time) {
	m.watched.canaryAt.WithLabelValues(channel).Set(float64(at.UnixMilli()) / 1000)
}
