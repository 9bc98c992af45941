package report

import (
	"fmt"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Source is everything that is known of one incident. Only Incident and At are required.
type Source struct {
	Incident incident.Incident
	Records  []incident.Record // its decisions and those of its dependents, in order
	Notices  []queue.Queued    // who was to be told, and what became of it, in order
	Evidence []Piece           // what was collected before a cure changed it
	Host     string            // "" = taken from the notices
	Runbook  string            // where the runbook of its class is; "" = it has none
	Unit     string            // the culprit's unit, for the commands; "" = none known
	At       time.Time         // when the report is made
	Version  string            // of recoveryd
}

// Piece is one piece of collected evidence.
type Piece struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Report is one incident in the order of the runbook's template. Times are zero when the thing
// has not happened. It holds no secret: nothing that it is made from does.
type Report struct {
	ID       string          `json:"id"`
	Host     string          `json:"host"`
	Target   string          `json:"target"`
	Unit     string          `json:"unit,omitzero"`
	Class    detect.Class    `json:"class"`
	Runbook  string          `json:"runbook,omitzero"` // of the class: a web address, or the command that prints it
	Severity detect.Severity `json:"severity"`
	State    State           `json:"state"`
	Headline string          `json:"headline"` // one sentence: what happened and how it ended

	Since     time.Time     `json:"since"`            // first bad look
	Confirmed time.Time     `json:"confirmed"`        //
	Acted     time.Time     `json:"acted,omitzero"`   // first action
	Paged     time.Time     `json:"paged,omitzero"`   // first decision to tell somebody
	Acked     time.Time     `json:"acked,omitzero"`   // first acknowledgement
	Cleared   time.Time     `json:"cleared,omitzero"` // proven clear, for the last time
	Closed    time.Time     `json:"closed,omitzero"`  // stayed clear through probation
	Duration  time.Duration `json:"duration_ns"`      // from Since to Cleared; to Made while it is not
	Made      time.Time     `json:"made"`
	Version   string        `json:"version,omitzero"`

	Affected   []string `json:"affected,omitzero"` // besides the target
	Impact     []Fact   `json:"impact"`
	Timeline   []Moment `json:"timeline"`
	Course     []Stage  `json:"course"` // the phases of the target, for a picture
	Cause      Cause    `json:"cause"`
	Resolution string   `json:"resolution"`
	Tried      []Try    `json:"tried,omitzero"`
	Drill      string   `json:"drill,omitzero"`     // in words, when it began as a drill
	NotTried   []string `json:"not_tried,omitzero"` // rungs passed over, and why
	Told       []Told   `json:"told,omitzero"`
	People     []Word   `json:"people,omitzero"` // what people said to recoveryd
	Well       []string `json:"well,omitzero"`   // went well, by the figures
	Better     []string `json:"better,omitzero"` // could go better, by the figures
	Open       []Item   `json:"open"`            // for people
	Evidence   []Piece  `json:"evidence,omitzero"`
}

// State is where the incident stands when the report is made.
type State string

// The states.
const (
	Ongoing  State = "open"
	Watched  State = "cleared, watched for a relapse"
	Finished State = "closed"
)

// Fact is one labelled line.
type Fact struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Item is one open point for people.
type Item struct {
	Text    string `json:"text"`
	Command string `json:"command,omitzero"` // what to type, when that is known
}

// Build fills the template. It is total: an incident of which little is left still gives a report
// that says so.
func Build(s Source) Report {
	i := s.Incident
	r := Report{
		ID: i.ID, Host: s.Host, Target: i.Target, Unit: s.Unit, Class: i.Class, Runbook: s.Runbook, Severity: i.Severity,
		Since: i.Since, Confirmed: i.Opened, Paged: i.Paged, Closed: i.Closed, Made: s.At, Version: s.Version,
		Affected: i.Affected, NotTried: i.NotTried(), Evidence: s.Evidence,
	}
	if r.Host == "" && len(s.Notices) > 0 {
		r.Host = s.Notices[0].Notice.Host
	}
	if d := i.Drill; d != nil {
		r.Drill = notice.OneLine(fmt.Sprintf("%s, %s of %s, by %s: brought about on purpose", d.ID, d.Fault, d.Target, d.By))
		if !d.Real.IsZero() {
			r.Drill += "; taken for real at " + stamp(d.Real) + ", since the drill did not explain it any more"
		}
	}
	if len(i.Attempts) > 0 {
		r.Acted = i.Attempts[0].At
	}
	how := ending(i, s.Records)
	r.Cleared = how.at
	switch {
	case !i.Open():
		r.State = Finished
	case !r.Cleared.IsZero():
		r.State = Watched
	default:
		r.State = Ongoing
	}
	end := r.Cleared
	if end.IsZero() {
		end = s.At
	}
	r.Duration = max(end.Sub(r.Since), 0)
	r.Told = told(s.Notices)
	r.People = words(s.Records)
	for _, w := range r.People {
		if w.Verb == incident.CmdAck && r.Acked.IsZero() {
			r.Acked = w.At
		}
	}
	r.Tried = tried(i)
	r.Cause = cause(i, s.Records)
	r.Timeline = timeline(s, r)
	r.Course = course(s, end)
	r.Resolution = resolution(i, how, r)
	r.Headline = headline(i, how, r)
	r.Impact = impact(i, r)
	r.Well, r.Better = lessons(i, r)
	r.Open = open(i, how, r)
	return r
}

// outcome says how the trouble ended, as far as it has.
type outcome struct {
	at  time.Time
	why incident.Reason // verified, cleared-by-itself, mended, dependency-cured, or why it ended without being clear; "" = it goes on
}

// ending finds the last time at which the target was proven clear. A relapse takes it back.
func ending(i incident.Incident, recs []incident.Record) (o outcome) {
	for _, r := range recs {
		if r.Target != i.Target {
			continue
		}
		switch {
		case r.To == incident.Probation && r.From != incident.Probation:
			o = outcome{r.At, r.Reason}
		case r.From == incident.Probation && r.To != incident.Probation && r.Reason != incident.Closed:
			o = outcome{}
		}
	}
	if i.EndWhy != "" {
		return outcome{i.Closed, i.Outcome}
	}
	if o.at.IsZero() && !i.Open() { // its records are gone, or it is of a kind that has none
		o = outcome{i.Closed, incident.Closed}
	}
	return o
}
