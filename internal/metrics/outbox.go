package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
)

// delivery is the part that the outbox fills.
type delivery struct {
	attempts *prometheus.CounterVec
	took     *prometheus.HistogramVec
	settled  *prometheus.CounterVec
}

func newDelivery(r *prometheus.Registry) delivery {
	d := delivery{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "recoveryd", Name: "notify_attempts_total",
			Help: "Calls of a notifier, by result: ok, or the reason of the failure."}, []string{"channel", "kind", "result"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "recoveryd", Name: "notify_duration_seconds",
			Help: "How long calls of a notifier took.", Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 15}}, []string{"channel"}),
		settled: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "recoveryd", Name: "outbox_settled_total",
			Help: "Notices that left the outbox: delivered, collapsed (a later one made it pointless) or refused."}, []string{"channel", "kind", "state"}),
	}
	r.MustRegister(d.attempts, d.took, d.settled)
	return d
}

// Attempted counts one call of a notifier.
func (m *Metrics) Attempted(channel string, kind notice.Kind, result string, took time.Duration) {
	m.delivery.attempts.WithLabelValues(channel, string(kind), result).Inc()
	m.delivery.took.WithLabelValues(channel).Observe(took.Seconds())
}

// Settled counts a notice that left the outbox.
func (m *Metrics) Settled(channel string, kind notice.Kind, state queue.QueueState) {
	m.delivery.settled.WithLabelValues(channel, string(kind), string(state)).Inc()
}
