package tracing

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Names of the spans below the incident. Docs and dashboards use them.
const (
	SpanIncident  = "incident"
	SpanDetect    = "detect"    // from the first bad look until it was confirmed
	SpanHold      = "hold"      // confirmed, with a stated reason not to act
	SpanAct       = "act"       // one action
	SpanVerify    = "verify"    // proving by observation that it helped
	SpanProbation = "probation" // clear, and watched for a relapse
	SpanPeople    = "people"    // left to people
	SpanNotify    = "notify"    // one notice on one channel, until it was accepted
)

// Span is one part of an incident. The first of a trace is the incident itself, the others are its
// children.
type Span struct {
	Name       string
	Start, End time.Time
	Attributes []attribute.KeyValue
	Moments    []Moment
	Failed     string // why it did not do what it was for; "" = it did
}

// Moment is something that happened within a span.
type Moment struct {
	At         time.Time
	Name       string
	Attributes []attribute.KeyValue
}

// phaseSpans are the phases that are spans. Suspicion is part of detect, and actions have spans of
// their own.
var phaseSpans = map[incident.Phase]string{incident.Held: SpanHold, incident.Verifying: SpanVerify,
	incident.Probation: SpanProbation, incident.Escalated: SpanPeople}

// Build makes the spans of one incident from its records and its notices. What has not ended yet ends
// with the last thing that is known.
func Build(i incident.Incident, recs []incident.Record, told []queue.Queued) []Span {
	end := i.Closed
	if end.IsZero() {
		end = i.Opened
		for _, r := range recs {
			end = later(end, r.At)
		}
	}
	root := Span{Name: SpanIncident, Start: i.Since, End: end, Attributes: []attribute.KeyValue{
		attribute.String("recoveryd.incident", i.ID), attribute.String("recoveryd.target", i.Target),
		attribute.String("recoveryd.class", string(i.Class)), attribute.String("recoveryd.severity", i.Severity.String()),
		attribute.String("recoveryd.because", i.Diagnosis.Because), attribute.String("recoveryd.outcome", string(i.Outcome)),
		attribute.Int("recoveryd.attempts", len(i.Attempts)), attribute.Int("recoveryd.relapses", i.Relapses),
		attribute.Bool("recoveryd.paged", !i.Paged.IsZero()), attribute.StringSlice("recoveryd.affected", i.Affected)}}
	if !i.Paged.IsZero() {
		root.Failed = "people were told: " + string(i.PagedWhy)
	}
	for _, r := range recs {
		if r.Reason == incident.NoChange && len(r.Effects) == 0 {
			continue
		}
		root.Moments = append(root.Moments, Moment{r.At, string(r.Reason), []attribute.KeyValue{attribute.String("recoveryd.target", r.Target),
			attribute.String("recoveryd.phase", r.To.String()), attribute.String("recoveryd.sentence", r.Sentence)}})
	}
	out := []Span{root, {Name: SpanDetect, Start: i.Since, End: i.Opened,
		Attributes: []attribute.KeyValue{attribute.StringSlice("recoveryd.witnesses", witnesses(i))}}}
	out = append(out, phases(i, recs, end)...)
	for _, a := range i.Attempts {
		out = append(out, act(a, end))
	}
	for _, q := range told {
		out = append(out, notify(q, end))
	}
	for n := range out { // the root lasts until its last delivery
		out[n].End = later(out[n].Start, out[n].End)
		out[0].End = later(out[0].End, out[n].End)
	}
	slices.SortStableFunc(out[1:], func(a, b Span) int { return a.Start.Compare(b.Start) })
	return out
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func witnesses(i incident.Incident) []string {
	out := make([]string, len(i.Diagnosis.Witnesses))
	for n, w := range i.Diagnosis.Witnesses {
		out[n] = string(w)
	}
	return out
}

// phases makes a span of every stay of the culprit in a phase that is one.
func phases(i incident.Incident, recs []incident.Record, end time.Time) (out []Span) {
	var in *Span
	leave := func(at time.Time, why incident.Reason) {
		if in == nil {
			return
		}
		in.End = at
		in.Attributes = append(in.Attributes, attribute.String("recoveryd.then", string(why)))
		out, in = append(out, *in), nil
	}
	for _, r := range recs {
		if r.Target != i.Target || r.From == r.To {
			continue
		}
		leave(r.At, r.Reason)
		if name := phaseSpans[r.To]; name != "" {
			in = &Span{Name: name, Start: r.At, Attributes: []attribute.KeyValue{
				attribute.String("recoveryd.reason", string(r.Reason)), attribute.String("recoveryd.sentence", r.Sentence)}}
		}
	}
	leave(end, "")
	return out
}

func act(a incident.Attempt, end time.Time) Span {
	s := Span{Name: SpanAct, Start: a.At, End: a.Ended, Attributes: []attribute.KeyValue{
		attribute.String("recoveryd.action.id", a.ID), attribute.String("recoveryd.strategy", a.Strategy), attribute.Int("recoveryd.rung", a.Rung),
		attribute.String("recoveryd.verb", string(a.Verb)), attribute.String("recoveryd.action", a.Action), attribute.Bool("recoveryd.undo", a.Undo),
		attribute.String("recoveryd.result", string(a.Result)), attribute.String("recoveryd.verdict", string(a.Verdict))}}
	if a.Ended.IsZero() {
		s.End = end
	}
	if a.Result != incident.ResultDone {
		s.Failed = "the action ended as " + string(a.Result)
		if a.Detail != "" {
			s.Failed += ": " + a.Detail
		}
	}
	return s
}

func notify(q queue.Queued, end time.Time) Span {
	s := Span{Name: SpanNotify, Start: q.Enqueued, End: q.Settled, Attributes: []attribute.KeyValue{
		attribute.String("recoveryd.channel", q.Channel), attribute.String("recoveryd.notice", string(q.Kind)),
		attribute.String("recoveryd.key", q.Key), attribute.String("recoveryd.state", string(q.State)), attribute.Int("recoveryd.tries", q.Attempts)}}
	if q.Settled.IsZero() {
		s.End = end
	}
	switch q.State {
	case queue.Waiting:
		s.Failed = "not accepted yet"
		if q.LastError != "" {
			s.Failed += ": " + q.LastError
		}
	case queue.Refused:
		s.Failed = "refused: " + q.Why
	}
	return s
}
