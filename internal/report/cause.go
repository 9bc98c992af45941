package report

import (
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Cause is the root cause as far as the evidence goes. What is behind it is for people.
type Cause struct {
	Culprit    string           `json:"culprit"`
	Kind       string           `json:"kind"`       // the failure class in words
	Because    string           `json:"because"`    // the evidence that confirmed it, in one sentence
	Witnesses  []detect.Witness `json:"witnesses"`  // kinds of evidence that agreed
	Agreement  string           `json:"agreement"`  // why they are enough to act on, or that they are not
	Faces      []Face           `json:"faces"`      // other forms that it took later, or the last words about it
	Considered []string         `json:"considered"` // what was looked at and ruled out, or explained by the culprit
	Advice     string           `json:"advice,omitzero"`
}

// Face is one form that the problem took.
type Face struct {
	At      time.Time    `json:"at"`
	Class   detect.Class `json:"class"`
	Because string       `json:"because"`
}

func cause(i incident.Incident, recs []incident.Record) Cause {
	first := i.Diagnosis
	for _, r := range recs {
		if r.Incident != nil && r.Incident.ID == i.ID {
			first = r.Incident.Diagnosis
			break
		}
	}
	c := Cause{Culprit: i.Target, Kind: classWords(first.Class), Because: sentence(first.Because), Witnesses: first.Witnesses, Advice: sentence(i.Diagnosis.Advice)}
	switch p, ok := detect.Agree(first.Class, first.Witnesses); {
	case ok:
		c.Agreement = "two independent kinds of evidence agree, " + string(p.A) + " and " + string(p.B) + ": " + p.Why
	case len(first.Witnesses) == 0:
		c.Agreement = "no kind of evidence was complete: nothing disruptive may be done on it"
	default:
		c.Agreement = "only one independent kind of evidence: nothing disruptive may be done on it"
	}
	class := first.Class
	for _, r := range recs {
		if r.Incident == nil || r.Incident.ID != i.ID || r.Incident.Class == class {
			continue
		}
		class = r.Incident.Class
		c.Faces = append(c.Faces, Face{r.At, class, sentence(r.Incident.Diagnosis.Because)})
	}
	for _, x := range first.Considered {
		c.Considered = append(c.Considered, notice.OneLine(string(x.Class)+" ("+x.Verdict.String()+"): "+x.Because))
	}
	return c
}

// sentence is evidence on one line. Evidence quotes what servers say, and they may say anything.
func sentence(s string) string { return strings.TrimSpace(notice.OneLine(s)) }

// Try is one action and what came of it.
type Try struct {
	At       time.Time     `json:"at"`
	Strategy string        `json:"strategy"`
	Undo     bool          `json:"undo,omitzero"` // it took a change back
	Action   string        `json:"action"`
	Took     time.Duration `json:"took_ns"` // 0 while it is in flight
	Result   string        `json:"result"`
	Verdict  string        `json:"verdict"`
}

func tried(i incident.Incident) (out []Try) {
	for _, a := range i.Attempts {
		t := Try{At: a.At, Strategy: a.Strategy, Undo: a.Undo, Action: sentence(a.Action), Result: string(a.Result), Verdict: verdictWords(a)}
		if a.Result == "" {
			t.Result = "in flight"
		}
		if a.Detail != "" {
			t.Result += ", " + sentence(a.Detail)
		}
		if !a.Ended.IsZero() {
			t.Took = a.Ended.Sub(a.At)
		}
		out = append(out, t)
	}
	return out
}
