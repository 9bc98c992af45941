package drill

import (
	"fmt"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Verdict says in one word what came of a drill.
type Verdict string

// The verdicts.
const (
	Passed  Verdict = "passed"  // noticed, cured by recoveryd, proven and told
	Alone   Verdict = "alone"   // well again without recoveryd, such as by Restart= of the unit
	Failed  Verdict = "failed"  // Why says what was missing
	Aborted Verdict = "aborted" // ended before it was over; the fault was taken back
	Refused Verdict = "refused" // nothing was done to the target
)

// Order is what is to be drilled.
type Order struct {
	ID      string         `json:"id"`
	Fault   incident.Fault `json:"fault"`
	Target  string         `json:"target"`
	By      string         `json:"by"`
	Timeout time.Duration  `json:"timeout"` // from the fault until the target must be well
}

// Source is everything that was seen of a drill. Times are wall clock of one host.
type Source struct {
	Order
	Host, Unit  string
	Announced   time.Time
	Injected    time.Time // when the fault began; zero: it never did
	Injection   string    // what was done, in words
	Restored    time.Time // when the drill took back what was left of the fault
	Restoration string    // what that was, in words
	Refused     string    // why nothing was done
	Aborted     string    // why it ended early
	Trouble     []string  // what went wrong with the drill itself
	Incidents   []incident.Incident
	Records     []incident.Record // of the target's own incident, in order
	Notices     []queue.Queued    // about it
	WellAgain   bool              // the target was seen to serve from another run, without an incident
}

// Times are seconds since the fault; nil: it did not come to that.
type Times struct {
	Noticed   *float64 `json:"noticed_seconds"`   // first bad look
	Confirmed *float64 `json:"confirmed_seconds"` // incident opened
	Acted     *float64 `json:"acted_seconds"`     // first action decided
	Verified  *float64 `json:"verified_seconds"`  // proven clear, for the last time
	Closed    *float64 `json:"closed_seconds"`    // and it stayed so
	Told      *float64 `json:"told_seconds"`      // from the first notice's decision until the last channel accepted it
}

// Action is one thing that recoveryd did.
type Action struct {
	After  float64 `json:"after_seconds"` // since the fault
	What   string  `json:"what"`
	Result string  `json:"result"`
}

// Notice is what became of one notice on one channel.
type Notice struct {
	Channel string           `json:"channel"`
	Kind    notice.Kind      `json:"kind"`
	State   queue.QueueState `json:"state"`
	Took    float64          `json:"took_seconds,omitzero"` // until it was accepted
	Why     string           `json:"why,omitzero"`
}

// Report is what is printed and kept of a drill.
type Report struct {
	ID          string         `json:"id"`
	Host        string         `json:"host,omitzero"`
	Target      string         `json:"target"`
	Unit        string         `json:"unit,omitzero"`
	Fault       incident.Fault `json:"fault"`
	By          string         `json:"by"`
	Began       time.Time      `json:"began"`             // announced
	Injected    time.Time      `json:"injected,omitzero"` // when the fault began
	Injection   string         `json:"injection,omitzero"`
	Verdict     Verdict        `json:"verdict"`
	Why         string         `json:"why"`
	Incident    string         `json:"incident,omitzero"`
	Class       string         `json:"class,omitzero"`
	Because     string         `json:"because,omitzero"` // the diagnosis
	Times       Times          `json:"times"`
	Actions     []Action       `json:"actions,omitzero"`
	Notices     []Notice       `json:"notices,omitzero"`
	Restoration string         `json:"restoration,omitzero"` // what the drill itself had to put back
	Remarks     []string       `json:"remarks,omitzero"`
}

// Judge makes the report.
func Judge(s Source) Report {
	r := Report{ID: s.ID, Host: s.Host, Target: s.Target, Unit: s.Unit, Fault: s.Fault, By: s.By, Began: s.Announced,
		Injected: s.Injected, Injection: s.Injection, Restoration: s.Restoration, Remarks: slices.Clone(s.Trouble)}
	own, others := s.split()
	if own != nil && !s.Injected.IsZero() {
		r.Incident, r.Class, r.Because = own.ID, string(own.Class), own.Diagnosis.Because
		r.measure(s, *own)
	}
	r.Verdict, r.Why = s.verdict(r, own, others)
	for _, i := range others {
		if len(i.Attempts) == 0 {
			r.Remarks = append(r.Remarks, fmt.Sprintf("%s had an incident of its own (%s, %s), and nothing was done to it", i.Target, i.Class, i.ID))
		}
	}
	if own != nil && !own.Paged.IsZero() {
		r.Remarks = append(r.Remarks, fmt.Sprintf("people were paged (%s)", own.PagedWhy))
	}
	if own != nil && own.Relapses > 0 {
		r.Remarks = append(r.Remarks, fmt.Sprintf("it came back %d time(s) within its probation", own.Relapses))
	}
	return r
}

// split finds the incident of the drilled target among those of the drill.
func (s Source) split() (own *incident.Incident, others []incident.Incident) {
	for _, i := range s.Incidents {
		if i.Target == s.Target && own == nil {
			own = &i
			continue
		}
		others = append(others, i)
	}
	return own, others
}

func (r *Report) measure(s Source, own incident.Incident) {
	since := func(t time.Time) *float64 {
		if t.IsZero() {
			return nil
		}
		return new(max(t.Sub(s.Injected).Seconds(), 0))
	}
	r.Times.Noticed, r.Times.Confirmed, r.Times.Closed = since(own.Since), since(own.Opened), since(own.Closed)
	for _, a := range own.Attempts {
		result := string(a.Result)
		if a.Verdict != "" {
			result += "; " + string(a.Verdict)
		}
		r.Actions = append(r.Actions, Action{max(a.At.Sub(s.Injected).Seconds(), 0), a.Action, result})
	}
	if len(own.Attempts) > 0 {
		r.Times.Acted = since(own.Attempts[0].At)
	}
	r.Times.Verified = since(clearedAt(s.Records, s.Target))
	first := time.Time{}
	for _, q := range s.Notices {
		if q.Kind == notice.Update {
			continue
		}
		at := q.Notice.At
		n := Notice{Channel: q.Channel, Kind: q.Kind, State: q.State, Why: q.Why}
		if q.State == queue.Delivered {
			n.Took = q.Settled.Sub(at).Seconds()
		} else if n.Why == "" {
			n.Why = q.LastError
		}
		r.Notices = append(r.Notices, n)
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	for _, q := range s.Notices {
		if q.State == queue.Delivered && q.Kind != notice.Update && q.Notice.At.Equal(first) {
			took := q.Settled.Sub(first).Seconds()
			if r.Times.Told == nil || *r.Times.Told < took {
				r.Times.Told = &took
			}
		}
	}
}

// clearedAt is when the target was proven clear for the last time.
func clearedAt(recs []incident.Record, target string) (at time.Time) {
	for _, rec := range recs {
		if rec.Target != target || rec.From == rec.To {
			continue
		}
		switch {
		case rec.To == incident.Probation:
			at = rec.At
		case rec.From == incident.Probation && rec.To != incident.Watching:
			at = time.Time{}
		}
	}
	return at
}

// Cleared reports whether the latest record leaves the target proven clear.
func Cleared(recs []incident.Record, target string) bool { return !clearedAt(recs, target).IsZero() }

// verdict asks the questions in the order of the way from the fault to its end: the first that is
// not answered well says what was missing.
func (s Source) verdict(r Report, own *incident.Incident, others []incident.Incident) (Verdict, string) {
	switch {
	case s.Refused != "":
		return Refused, s.Refused
	case s.Aborted != "":
		return Aborted, s.Aborted
	case own == nil && len(others) > 0:
		return Failed, fmt.Sprintf("the culprit was missed: the incident is of %s (%s)", others[0].Target, others[0].Class)
	case own == nil && s.WellAgain:
		return Alone, "it served again from a new process before anything was confirmed"
	case own == nil:
		return Failed, "it was not noticed"
	}
	for _, i := range others {
		if len(i.Attempts) > 0 {
			return Failed, fmt.Sprintf("%s was acted on too (%s)", i.Target, i.Attempts[0].Action)
		}
	}
	cured := slices.ContainsFunc(own.Attempts, func(a incident.Attempt) bool { return a.Verdict == incident.Verified })
	switch {
	case !own.Exercise():
		return Failed, "it outlived the drill and was taken for a real problem"
	case len(own.Attempts) == 0 && r.Times.Verified != nil && s.Restored.After(s.Injected) && !s.Restored.After(s.Injected.Add(time.Duration(*r.Times.Verified*float64(time.Second)))):
		return Failed, "nothing was done about it" + heldWords(*own) + "; the drill put it back"
	case len(own.Attempts) == 0 && r.Times.Verified != nil:
		return Alone, "it was confirmed, and well again without an action of recoveryd"
	case len(own.Attempts) == 0:
		return Failed, "nothing was done about it" + heldWords(*own)
	case !cured:
		return Failed, fmt.Sprintf("%d action(s) did not cure it%s", len(own.Attempts), heldWords(*own))
	case own.Closed.IsZero():
		return Failed, "it was cured, and its incident did not close"
	}
	for _, n := range r.Notices {
		switch n.State {
		case queue.Refused, queue.Waiting:
			why := ""
			if n.Why != "" {
				why = ": " + n.Why
			}
			return Failed, fmt.Sprintf("it was cured, and %s did not take the notice%s", n.Channel, why)
		}
	}
	if len(r.Notices) == 0 {
		return Passed, "noticed, cured and proven; no channel is to be told of it"
	}
	return Passed, "noticed, cured, proven and told"
}

func heldWords(i incident.Incident) string {
	if i.Held == "" {
		return ""
	}
	return fmt.Sprintf(": held back (%s: %s)", i.Held, i.HeldWhy)
}
