// Package toy is what somebody might add to recoveryd: a failure class, a strategy against it and a
// channel, a platform. It imports only what is exported, and its tests tell incidents with all four. The
// code in docs/extending.md is this code; a test compares them.
//
// It decides nothing for the daemon, which does not know it. Start reading at [Condition].
package toy

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Descriptors is the class of a service that has nearly used up its file descriptors.
const Descriptors detect.Class = "descriptors"

// Condition declares the class: what it looks like, how often it must be seen, what is tried.
func Condition() detect.Condition {
	return detect.Condition{
		Class: Descriptors, Kinds: []detect.Kind{detect.KindService}, Severity: detect.P2,
		Looks: 3, For: 10 * time.Second, Clear: 10 * time.Second,
		Ladder:  []string{"renew"},
		Summary: "nearly all file descriptors are in use",
		Match:   match,
	}
}

// full is the share from which on a service is expected to fail soon, slow what its clients notice.
const (
	full = 0.95
	slow = time.Second
)

// match says what the facts of one look come to. What was not measured is no verdict.
func match(o detect.Observation, _ detect.Background) detect.Finding {
	used, okUsed := o.Facts.Num(detect.ProcessFDs)
	limit, okLimit := o.Facts.Num(detect.ProcessFDLimit)
	switch {
	case !okUsed || !okLimit || limit <= 0:
		return detect.Finding{Verdict: detect.Unknown, Because: "file descriptors are not measured"}
	case used < full*limit:
		return detect.Finding{Verdict: detect.Healthy}
	}
	f := detect.Finding{Verdict: detect.Unhealthy, Because: fmt.Sprintf("%.0f of %.0f file descriptors in use", used, limit),
		Witnesses: []detect.Witness{detect.ByProcess}}
	if wait, ok := o.Facts.Num(detect.HTTPLatency); ok && wait > slow.Seconds() {
		f.Because += fmt.Sprintf(", and it took %.1f s to answer", wait)
		f.Witnesses = append(f.Witnesses, detect.ByHTTP) // a second kind of evidence: it may be disrupted for this
	}
	return f
}

// Renew plans a restart, for this class only.
func Renew() strategy.Strategy {
	return strategy.New("renew", func(in strategy.Input) (strategy.Plan, error) {
		if in.Diagnosis.Class != Descriptors {
			return strategy.Plan{}, fmt.Errorf("%w: it only helps against %s", strategy.ErrNotApplicable, Descriptors)
		}
		return strategy.Plan{
			Why:     "a new process begins without open files",
			Actions: []strategy.Action{{Verb: strategy.Restart, Object: in.Target.Object, Timeout: 30 * time.Second, Disrupts: true}},
			NewRun:  true, Verify: 30 * time.Second,
		}, nil
	})
}

// Bell is a channel that writes a line for whoever sits at the console.
type Bell struct {
	out io.Writer
	c   BellConfig
}

// BellConfig is its section of the configuration, below name and type.
type BellConfig struct {
	Prefix string `yaml:"prefix"`
}

var _ notice.Notifier = (*Bell)(nil)

// NewBell returns the constructor that builtin.All lists.
func NewBell(out io.Writer) func(decode func(any) error) (notice.Notifier, error) {
	return func(decode func(any) error) (notice.Notifier, error) {
		b := &Bell{out: out}
		if err := decode(&b.c); err != nil {
			return nil, err
		}
		return b, nil
	}
}

// Notify makes one attempt. That it may be tried again is said by the error.
func (b *Bell) Notify(_ context.Context, d notice.Delivery) (notice.Receipt, error) {
	if _, err := fmt.Fprintf(b.out, "%s%s: %s\n", b.c.Prefix, d.Notice.Kind, d.Notice.Summary); err != nil {
		return nil, &notice.RetryError{Reason: notice.ReasonNetwork, Err: err}
	}
	return nil, nil
}
