package incident

import (
	"maps"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// State is everything the core knows. It is a value: Step returns a new one and leaves the old
// one as it was. What the maps point to is never modified.
type State struct {
	Targets   map[string]*TargetState
	Incidents map[string]*Incident // open ones
	Host      Host
	Seq       uint64 // of the last record
}

// Host is what is known about recoveryd and the host as a whole.
type Host struct {
	Pause    *Standing     `json:"pause,omitzero"`
	Stop     *Standing     `json:"stop,omitzero"`     // the stop file exists: By is the file, Why what it says
	Impaired string        `json:"impaired,omitzero"` // what recoveryd itself lacks; it may only page
	Actions  []ActionStamp `json:"actions,omitzero"`  // within the longest budget window, oldest first
	Run      *Run          `json:"run,omitzero"`      // the playbook under way, or halted
	Runs     []RunSummary  `json:"runs,omitzero"`     // the latest that are over, oldest first
	Troubles []Trouble     `json:"troubles,omitzero"` // failed runs that people were told of, and that are not over
}

// ActionStamp is one performed action, for the budgets.
type ActionStamp struct {
	At       time.Time    `json:"at"`
	Target   string       `json:"target"`
	Disrupts bool         `json:"disrupts"`
	Class    detect.Class `json:"class,omitzero"` // that it was to cure
}

// Standing is a person's standing word: a hold, a pause, an acknowledgement.
type Standing struct {
	By    string    `json:"by"`
	Why   string    `json:"why,omitzero"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"` // zero = until taken back
}

// active reports whether the word still stands.
func (s *Standing) active(now time.Time) bool {
	return s != nil && (s.Until.IsZero() || now.Before(s.Until))
}

// TargetState is where one target stands.
type TargetState struct {
	Name     string    `json:"name"`
	Thing    string    `json:"thing,omitzero"` // what the configuration said that it is: kind, platform, name there
	Phase    Phase     `json:"phase"`
	Since    time.Time `json:"since"`             // when this phase began
	Reason   Reason    `json:"reason,omitzero"`   // why it is in this phase; the hold reason when held
	Hold     *Standing `json:"hold,omitzero"`     // a person's hold on this target
	Incident string    `json:"incident,omitzero"` // its own incident, or the one it joined as a dependent
	Drill    *Drill    `json:"drill,omitzero"`    // announced, and not long over

	Last      detect.Observation `json:"last,omitzero"`
	Diagnosis detect.Diagnosis   `json:"diagnosis,omitzero"` // of Last

	// The present run of looks that agree. A run of one kind ends the others.
	BadSince     time.Time    `json:"bad_since,omitzero"` // first look that was not good, of whatever class
	BadClass     detect.Class `json:"bad_class,omitzero"`
	BadCulprit   string       `json:"bad_culprit,omitzero"`
	BadLooks     int          `json:"bad_looks,omitzero"`
	ClassSince   time.Time    `json:"class_since,omitzero"` // first look of BadClass
	GoodSince    time.Time    `json:"good_since,omitzero"`
	GoodLooks    int          `json:"good_looks,omitzero"`
	UnknownSince time.Time    `json:"unknown_since,omitzero"` // first unknown look, of whatever class
	UnknownClass detect.Class `json:"unknown_class,omitzero"`
	UnknownLooks int          `json:"unknown_looks,omitzero"` // of UnknownClass
	// DegradedSince is the first look of a row in which the target calls itself degraded or contradicts itself.
	DegradedSince time.Time `json:"degraded_since,omitzero"`

	Run      string      `json:"invocation,omitzero"` // last seen run of it
	Answered string      `json:"answered,omitzero"`   // the run that has given a health reply
	Ended    time.Time   `json:"ended,omitzero"`      // when its last run was first seen to have ended; zero while it runs
	Starts   []time.Time `json:"starts,omitzero"`     // when new runs were seen, for its platform's start limit
	Intent   string      `json:"intent,omitzero"`     // what a person did to it when its platform could last be asked, in words; "" nothing
	IntentOf Intent      `json:"intent_of,omitzero"`  // and of what kind that is

	// The plan in progress.
	Plan         *strategy.Plan `json:"plan,omitzero"`
	Step         int            `json:"step,omitzero"`
	ActionID     string         `json:"action_id,omitzero"`
	Deadline     time.Time      `json:"deadline,omitzero"`   // of the action in flight
	RunBefore    string         `json:"run_before,omitzero"` // workload.run when the plan began
	Undoing      bool           `json:"undoing,omitzero"`
	SettleUntil  time.Time      `json:"settle_until,omitzero"`
	VerifyUntil  time.Time      `json:"verify_until,omitzero"`
	ActionEnded  time.Time      `json:"action_ended,omitzero"`
	ProbationEnd time.Time      `json:"probation_end,omitzero"`
	BackoffUntil time.Time      `json:"backoff_until,omitzero"`
	Asked        *Ask           `json:"asked,omitzero"` // a person asked for what is being done
	Wish         *Ask           `json:"wish,omitzero"`  // a person asks for it; the next look answers

	// What was learned, see learn.go. The slices are never modified in place.
	Efforts []Effort `json:"efforts,omitzero"`
	Trust   []Trust  `json:"trust,omitzero"`

	// What cures have changed for good, see back.go.
	Kept   []strategy.Change `json:"kept,omitzero"`
	Easing *Easing           `json:"easing,omitzero"`

	Flaps *Flaps `json:"flaps,omitzero"` // how often it went to and fro, nil = it did not
	Churn *Churn `json:"churn,omitzero"` // how often it was started anew lately, nil = it was not
	// Wishes: how often somebody asked for a recovery lately and got none, each question and each answer.
	Wishes *Churn `json:"wishes,omitzero"`

	// Unsaved: decisions about the target were taken while the journal was broken. They are written
	// with its first step after that.
	Unsaved bool `json:"unsaved,omitzero"`
}

// Incident is one problem from its confirmation to its end.
type Incident struct {
	ID        string           `json:"id"`
	Target    string           `json:"target"` // the culprit
	Class     detect.Class     `json:"class"`
	Severity  detect.Severity  `json:"severity"`
	Milder    time.Time        `json:"milder,omitzero"` // since when the problem is milder than Severity says
	Since     time.Time        `json:"since"`           // first bad look
	Opened    time.Time        `json:"opened"`          // confirmed
	Closed    time.Time        `json:"closed,omitzero"`
	Outcome   Reason           `json:"outcome,omitzero"`
	EndWhy    string           `json:"end_why,omitzero"` // of one that did not end by a recovery: who or what ended it
	Diagnosis detect.Diagnosis `json:"diagnosis"`        // latest that was bad
	Affected  []string         `json:"affected,omitzero"`
	// Rungs is the next rung to try of each class's ladder: a problem that changes its face and
	// back goes on where it was.
	Rungs   map[detect.Class]int `json:"rungs,omitzero"`
	Skipped []string             `json:"skipped,omitzero"` // rungs passed over, and why
	// NoMeans is why nothing may be done about it at all, whatever its ladder; "" = something may.
	NoMeans string `json:"no_means,omitzero"`
	// Left is why the rung that is left is not taken while people are to look; "" = none is left.
	Left      Reason        `json:"left,omitzero"`
	Attempts  []Attempt     `json:"attempts,omitzero"`
	Held      Reason        `json:"held,omitzero"` // present reason not to act
	HeldWhy   string        `json:"held_why,omitzero"`
	HeldSince time.Time     `json:"held_since,omitzero"`
	Stood     time.Time     `json:"stood,omitzero"`  // since when it is a person's business; zero = it is not
	Aside     time.Duration `json:"aside,omitzero"`  // how long it was, until then: no clock of it counts that time
	Willed    bool          `json:"willed,omitzero"` // until now it was nothing but a person's doing
	Paged     time.Time     `json:"paged,omitzero"`  // when the first tier was told
	PagedWhy  Reason        `json:"paged_why,omitzero"`
	Tier      int           `json:"tier"`           // ordinal of the last escalation
	Told      []Told        `json:"told,omitzero"`  // everything that people were told by
	Clock     time.Time     `json:"clock,omitzero"` // since when the escalation counts; set when it begins
	Ack       *Standing     `json:"ack,omitzero"`
	Relapses  int           `json:"relapses,omitzero"`
	Drill     *Drilled      `json:"drill,omitzero"`    // it began as a drill
	Proposal  *Proposal     `json:"proposal,omitzero"` // what waits for a yes, or has got it and is not begun
	Lessons   []string      `json:"lessons,omitzero"`  // what was learned for the next incidents
}

// Attempt is one action that was decided, and what came of it.
type Attempt struct {
	ID       string        `json:"id"`
	Strategy string        `json:"strategy"`
	Rung     int           `json:"rung"`
	Undo     bool          `json:"undo,omitzero"`
	Action   string        `json:"action"`
	Verb     strategy.Verb `json:"verb"`
	At       time.Time     `json:"at"`
	Ended    time.Time     `json:"ended,omitzero"`
	Result   Result        `json:"result,omitzero"` // "" while in flight
	Detail   string        `json:"detail,omitzero"`
	// ApprovedBy is who allowed it; "" when nobody needed to.
	ApprovedBy string `json:"approved_by,omitzero"`
	Verdict    Reason `json:"verdict,omitzero"` // verified, or why it did not help; "" while being proven
}

// NewState returns the state of a daemon that has seen nothing yet.
func NewState() State {
	return State{Targets: map[string]*TargetState{}, Incidents: map[string]*Incident{}}
}

// clone copies the maps; what they point to is shared and immutable.
func (s State) clone() State {
	s.Targets = maps.Clone(s.Targets)
	s.Incidents = maps.Clone(s.Incidents)
	return s
}

// target returns a copy of a target's state that the caller may modify.
func (s State) target(name string) TargetState {
	if t, ok := s.Targets[name]; ok {
		return *t
	}
	return TargetState{Name: name}
}

// copyIncident returns a copy that shares no slice with the original.
func copyIncident(i *Incident) *Incident {
	c := *i
	c.Affected, c.Attempts = slices.Clone(i.Affected), slices.Clone(i.Attempts)
	c.Rungs, c.Skipped = maps.Clone(i.Rungs), slices.Clone(i.Skipped)
	c.Told = slices.Clone(i.Told)
	return &c
}

// Open reports whether the incident has not ended.
func (i *Incident) Open() bool { return i.Closed.IsZero() }

// Record is one decision: one journal entry, one line of history. After, Incident and Host are
// the complete state that it leaves behind, so that replay needs no decision to be taken again.
type Record struct {
	// Seq numbers the durable records without a gap, from 1; 0 when the record is not durable.
	Seq      uint64       `json:"seq"`
	At       time.Time    `json:"at"`
	Target   string       `json:"target,omitzero"`
	From     Phase        `json:"from"`
	To       Phase        `json:"to"`
	Reason   Reason       `json:"reason"`
	Sentence string       `json:"sentence"` // what was decided and why, for a tired reader
	Event    Event        `json:"event"`
	Effects  []Effect     `json:"effects,omitzero"`
	After    *TargetState `json:"after,omitzero"`
	Incident *Incident    `json:"incident,omitzero"` // as it stands after this record
	Host     *Host        `json:"host,omitzero"`     // when it changed
	// Refused: it is a person's word that led to nothing. Sentence says why.
	Refused bool `json:"refused,omitzero"`
	Run     *Run `json:"run,omitzero"` // of a playbook, as it stands after this record
	// Eased is what became of taking a kept change back; "" = no such action ended.
	Eased string `json:"eased,omitzero"`
	// Answered says that a person's wish to recover the target, which waited for a look, is answered.
	Answered bool `json:"answered,omitzero"`
	// Rule is the row of the decision table that decided, and Seen the truths that it was asked with
	// (see explain.go); of durable records only.
	Rule string `json:"rule,omitzero"`
	Seen string `json:"seen,omitzero"`

	passing bool // one of many that lead nowhere: not written
}

// Durable reports whether the record must be journaled before its effects: it changed a phase,
// a hold or an incident, was a person's word, or asks for an action or a notice.
func (r Record) Durable() bool {
	if r.passing {
		return false
	}
	if r.From != r.To || r.Incident != nil || r.Host != nil || r.Event.Kind == Operator || r.Reason == TargetLeft || r.Eased != "" || r.Answered {
		return true
	}
	return slices.ContainsFunc(r.Effects, func(e Effect) bool { return e.Kind == Perform || e.Kind == Notify })
}

// Waits reports whether the record takes a person's wish that the next look at the target answers.
func (r Record) Waits() bool {
	return r.Event.Kind == Operator && r.After != nil && r.After.Wish != nil && r.Event.Command.Verb == CmdRecover
}

// Fold applies a journaled record to a state: the whole of replay.
func Fold(s State, r Record) State {
	s = s.clone()
	s.Seq = r.Seq
	if r.After != nil {
		s.Targets[r.After.Name] = r.After
		// A target has one incident of its own. Another one ended while the journal was broken.
		for id, i := range s.Incidents {
			if i.Target == r.After.Name && id != r.After.Incident {
				delete(s.Incidents, id)
			}
		}
	}
	if r.Incident != nil {
		if r.Incident.Open() {
			s.Incidents[r.Incident.ID] = r.Incident
		} else {
			delete(s.Incidents, r.Incident.ID)
		}
	}
	if r.Host != nil {
		s.Host = *r.Host
	}
	return s
}
