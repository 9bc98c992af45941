package queue

import (
	"time"
)

// OutboxRules holds every number of the outbox. The zero value is not usable: start from
// [DefaultOutboxRules]. All methods are pure and safe for concurrent use.
type OutboxRules struct {
	Host          string              // named in the notices that the outbox itself makes
	Rates         map[string]SendRate // by channel; absent: no limit
	BackoffBase   time.Duration       // wait after the first failure; doubles with each further one
	BackoffCap    time.Duration       // longest wait of our own
	RetryAfterCap time.Duration       // longest wait that a vendor can impose
	TroubleAfter  time.Duration       // a channel failing this long is reported through others
	TroubleHold   time.Duration       // quiet after the last failure before a trouble is over: flapping is one episode
	MaxAge        time.Duration       // a page waiting this long is a trouble even if nothing fails; it is never dropped
	StormOver     int                 // more triggers than this within StormWindow are told as one; 0: no grouping
	StormWindow   time.Duration
	Public        map[string]bool // channels that outsiders read, such as a status page: no storm summary and no trouble notice goes there
	Traits        []Trait         // what the channels do to people, in the order in which they are told of the trouble of one; see [OutboxRules.Backup]
	OrphanAfter   time.Duration   // how long the rows of a channel that is not configured any more wait for its return
}

// SendRate allows at most N attempts in any window of Per. The zero value is no limit.
type SendRate struct {
	N   int
	Per time.Duration
}

// DefaultOutboxRules returns the built-in numbers.
func DefaultOutboxRules() OutboxRules {
	return OutboxRules{
		BackoffBase: time.Second,
		// PagerDuty's overview asks to back off for "a few minutes"; longer would hold a page
		// back after the vendor has recovered.
		BackoffCap:    5 * time.Minute,
		RetryAfterCap: time.Hour,
		TroubleAfter:  2 * time.Minute,
		TroubleHold:   5 * time.Minute,
		MaxAge:        10 * time.Minute,
		// A person can still read five pages in a minute; PagerDuty takes about 120.
		StormOver:   5,
		StormWindow: time.Minute,
		// Long enough for a person to undo a mistaken change of the configuration.
		OrphanAfter: 24 * time.Hour,
	}
}

// DefaultRate is the rate that the documentation of a vendor allows, by notifier type, with
// some room: PagerDuty takes about 120 a minute, Slack and Statuspage one a second. Other types
// have no limit.
func DefaultRate(notifier string) SendRate {
	switch notifier {
	case "pagerduty":
		return SendRate{N: 100, Per: time.Minute}
	case "slack", "statuspage":
		return SendRate{N: 1, Per: time.Second}
	default:
		return SendRate{}
	}
}

// Backoff is the wait after a number of failed attempts, 1 or more. Jitter is in [0, 1); the
// wait lies between half and all of base * 2^(attempts-1), and never over the cap.
func (r OutboxRules) Backoff(attempts int, jitter float64) time.Duration {
	d := r.BackoffBase
	for i := 1; i < attempts && d < r.BackoffCap; i++ {
		d *= 2
	}
	d = min(d, r.BackoffCap)
	return d/2 + time.Duration(jitter*float64(d/2))
}

// freeAt is when the rate allows the next attempt: now or later. Attempts that seem to lie in
// the future are from before a step of the clock and do not count.
func (s SendRate) freeAt(now time.Time, sends []int64) time.Time {
	if s.N <= 0 {
		return now
	}
	recent := s.trim(now, sends)
	if len(recent) < s.N {
		return now
	}
	return time.Unix(0, recent[len(recent)-s.N]).Add(s.Per)
}

// trim drops the attempts which the window has passed.
func (s SendRate) trim(now time.Time, sends []int64) []int64 {
	if s.N <= 0 {
		return nil
	}
	return within(sends, now, s.Per)
}
