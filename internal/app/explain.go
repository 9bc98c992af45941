package app

import (
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/evidence"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Explanation is everything that is known about why an incident went as it did.
type Explanation struct {
	Incident  incident.Incident `json:"incident"`
	Runbook   string            `json:"runbook,omitzero"` // of its class
	Decisions []Decision        `json:"decisions"`
	Evidence  []Kept            `json:"evidence"`
	Records   []incident.Record `json:"records"`
}

// Decision is one record that changed something, with what it rested on.
type Decision struct {
	Seq      uint64          `json:"seq"`
	At       time.Time       `json:"at"`
	Target   string          `json:"target"`
	From     incident.Phase  `json:"from"`
	To       incident.Phase  `json:"to"`
	Reason   incident.Reason `json:"reason"`
	Sentence string          `json:"sentence"`
	// Rule is the row of the decision table that decided, Seen the truths that it was asked with, and
	// NearRows the rows before it that one truth more or less would have made to decide.
	Rule     string           `json:"rule,omitzero"`
	Seen     string           `json:"seen,omitzero"`
	NearRows []incident.Near  `json:"near_rows,omitzero"`
	Holds    []incident.Asked `json:"holds,omitzero"` // reasons not to act that were asked
	// Look is what the target looked like then, and Diagnosis what was made of it.
	Look      detect.Observation `json:"look"`
	Diagnosis detect.Diagnosis   `json:"diagnosis"`
	Pair      *detect.Pair       `json:"pair,omitzero"` // the two kinds of evidence that agreed
	// NearRules are the operator's own classes of which all parts but one held. They are judged by
	// the configuration of today.
	NearRules []detect.Nearness `json:"near_rules,omitzero"`
	Actions   []string          `json:"actions,omitzero"`
	Notices   []incident.Notice `json:"notices,omitzero"`
}

// Kept is one piece of evidence that is stored with the incident.
type Kept struct {
	Name  string    `json:"name"`
	At    time.Time `json:"at"`
	Bytes int       `json:"bytes"`
}

// Weighs reports whether the decision was about what is wrong, so that what was seen matters: it
// confirmed, acted, held back or gave up.
func (d Decision) Weighs() bool {
	return len(d.Actions) > 0 || d.From != d.To && slices.Contains([]incident.Phase{incident.Suspect, incident.Held, incident.Acting, incident.Escalated}, d.To)
}

// Explain puts together what explains an incident. The configuration may be nil; it is asked for
// the operator's own classes only.
func Explain(i incident.Incident, recs []incident.Record, pieces []evidence.Piece, c *config.Config) Explanation {
	x := Explanation{Incident: i, Runbook: Runbook(c, i.Class), Records: recs, Decisions: []Decision{}, Evidence: []Kept{}}
	for _, p := range pieces {
		x.Evidence = append(x.Evidence, Kept{p.Name, p.At, len(p.Body)})
	}
	for _, r := range recs {
		if r.From == r.To && r.Reason == incident.NoChange && len(r.Effects) == 0 {
			continue
		}
		x.Decisions = append(x.Decisions, decisionOf(r, c))
	}
	return x
}

func decisionOf(r incident.Record, c *config.Config) Decision {
	d := Decision{Seq: r.Seq, At: r.At, Target: r.Target, From: r.From, To: r.To, Reason: r.Reason, Sentence: r.Sentence,
		Rule: r.Rule, Seen: r.Seen, NearRows: incident.Nearly(r), Holds: incident.HoldsAsked(r)}
	if r.After != nil {
		d.Look, d.Diagnosis = r.After.Last, r.After.Diagnosis
	}
	if p, ok := detect.Agree(d.Diagnosis.Class, d.Diagnosis.Witnesses); ok {
		d.Pair = &p
	}
	for _, e := range r.Effects {
		switch e.Kind {
		case incident.Perform:
			d.Actions = append(d.Actions, e.Action.String())
		case incident.Notify:
			d.Notices = append(d.Notices, *e.Notice)
		}
	}
	if c == nil || !d.Weighs() {
		return d
	}
	t, _ := c.Target(d.Look.Target)
	for _, rule := range c.Rules {
		if len(rule.Kinds) > 0 && !slices.Contains(rule.Kinds, t.Kind) {
			continue
		}
		if n, err := detect.NearRule(ruleOf(rule), d.Look); err == nil && n.Nearly() {
			d.NearRules = append(d.NearRules, n)
		}
	}
	return d
}
