package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Queue is how the delivery of notices stands.
type Queue struct {
	Channels []Channel
	Unstored int // notices that only this process knows of, because the journal did not take them
}

// Channel is one notifier. Times are zero for never or none.
type Channel struct {
	Name         string
	Queued       int // notices that wait
	Pages        int // those among them that are to wake somebody
	Oldest       time.Time
	FailingSince time.Time
	LastSuccess  time.Time
}

// scraped reads the outbox at every scrape: an age that is written when something happens would
// stand still when nothing does.
type scraped struct {
	stats                                             func() Queue
	now                                               func() time.Time
	queued, pages, oldest, failing, success, unstored *prometheus.Desc
}

// Outbox makes the collector of the outbox's series from a function that is safe for concurrent
// use and does not wait. Register it once.
func Outbox(stats func() Queue, now func() time.Time) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("recoveryd_outbox_"+name, help, labels, nil)
	}
	return &scraped{
		stats: stats, now: now,
		queued:   desc("queued", "Notices that wait for delivery.", "channel"),
		pages:    desc("queued_pages", "Pages among the notices that wait.", "channel"),
		oldest:   desc("oldest_age_seconds", "How long the oldest notice has been waiting; 0 when none does.", "channel"),
		failing:  desc("failing_seconds", "For how long no delivery has succeeded although it was tried; 0 while the channel works.", "channel"),
		success:  desc("last_success_timestamp_seconds", "When the channel last took a notice; absent when it never did.", "channel"),
		unstored: desc("unstored", "Notices that only this process knows of, because the journal did not take them."),
	}
}

// Describe implements prometheus.Collector.
func (c *scraped) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.queued, c.pages, c.oldest, c.failing, c.success, c.unstored} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *scraped) Collect(ch chan<- prometheus.Metric) {
	q, now := c.stats(), c.now()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, x := range q.Channels {
		gauge(c.queued, float64(x.Queued), x.Name)
		gauge(c.pages, float64(x.Pages), x.Name)
		gauge(c.oldest, since(now, x.Oldest), x.Name)
		gauge(c.failing, since(now, x.FailingSince), x.Name)
		if !x.LastSuccess.IsZero() {
			gauge(c.success, float64(x.LastSuccess.UnixMilli())/1000, x.Name)
		}
	}
	gauge(c.unstored, float64(q.Unstored))
}

// since is the age of a time in seconds; 0 for none, and for one that a corrected clock put into
// the future.
func since(now, t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, now.Sub(t).Seconds())
}
