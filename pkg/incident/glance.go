package incident

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Glimpse is what one look at one target came to, and what would be done about it.
type Glimpse struct {
	Target    string           `json:"target"`
	Diagnosis detect.Diagnosis `json:"diagnosis"`
	Would     string           `json:"would"`
}

// Glance judges one round of looks without history: what `recoveryd check` prints. It decides
// nothing; a problem that one look shows would first be confirmed.
func (p *Policy) Glance(looks []detect.Observation, now time.Time) []Glimpse {
	s := NewState()
	for _, o := range looks {
		s.Targets[o.Target] = &TargetState{Name: o.Target, Last: o}
	}
	for range 2 { // the second round sees its neighbours' diagnoses
		for _, o := range looks {
			t := *s.Targets[o.Target]
			t.Diagnosis = p.Diagnose(s, o)
			s.Targets[o.Target] = &t
		}
	}
	var out []Glimpse
	for _, o := range looks {
		tn := p.newTurn(s, now, Event{Kind: Woke, Target: o.Target})
		f := tn.view()
		out = append(out, Glimpse{Target: o.Target, Diagnosis: tn.t.Diagnosis, Would: tn.would(f)})
	}
	return out
}

func (tn *turn) would(f flags) string {
	d := tn.t.Diagnosis
	switch {
	case d.Verdict == detect.Healthy:
		return "nothing"
	case d.Verdict == detect.Degraded:
		return "nothing: it serves; watch"
	case d.Verdict == detect.Unknown && d.Class == detect.ClassMisconfigured:
		return "nothing but page: restarting cannot help"
	case d.Verdict == detect.Unknown:
		return "nothing: it does not act on a guess; page if it lasts"
	case f&masked != 0:
		return "wait for " + d.Culprit
	case f&held != 0:
		return "hold back (" + string(tn.h.reason) + "): " + tn.h.why
	case f&pageFirst != 0:
		return "nothing but page: no action can cure this"
	case f&rung != 0:
		return tn.plan.Strategy + ": " + firstAction(tn.plan)
	}
	return "nothing but page: no rung of the ladder applies"
}
