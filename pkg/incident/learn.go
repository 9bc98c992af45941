package incident

import (
	"fmt"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Memory says how long failures are remembered from one incident to the next.
type Memory struct {
	// SkipAfter so many times in a row that a strategy did not help against a class on a target, it
	// is passed over; 0 = never.
	SkipAfter int
	// Forget is how long after the last of them it is tried again.
	Forget time.Duration
}

// Effort is how often in a row a strategy did not help against a class on a target.
type Effort struct {
	Class    detect.Class `json:"class"`
	Strategy string       `json:"strategy"`
	Failed   int          `json:"failed"`
	Last     time.Time    `json:"last"`
}

// Trust is what experience says about letting a strategy act by itself on a target.
type Trust struct {
	Strategy string    `json:"strategy"`
	Right    int       `json:"right,omitzero"` // approved and helped, in a row
	Wrong    int       `json:"wrong,omitzero"` // did not help, in a row
	From     Mode      `json:"from"`           // as configured when this was learned
	Mode     Mode      `json:"mode,omitzero"`  // promoted or demoted to; "" = as configured
	Since    time.Time `json:"since,omitzero"` // of the promotion or demotion
}

func (t *TargetState) trust(strategy string) *Trust {
	if i := slices.IndexFunc(t.Trust, func(x Trust) bool { return x.Strategy == strategy }); i >= 0 {
		return &t.Trust[i]
	}
	return nil
}

// passed says why a rung is passed over although it would apply; "" = it is not.
func (tn *turn) passed(name string) string {
	p, t := tn.p, tn.t
	if tn.asked() {
		return "" // a person wants it tried, whatever was learned
	}
	if p.mode(t.Name) != Observe && p.modeOf(t, name) == Observe {
		return "it is only observed on this target (mode observe)"
	}
	if e, ok := p.spent(t, tn.t.Diagnosis.Class, name, tn.now); ok {
		return fmt.Sprintf("it has not helped the last %d times, last on %s (forget that: recoveryd forget %s)", e.Failed, e.Last.UTC().Format("2006-01-02 15:04 MST"), t.Name)
	}
	return ""
}

// spent reports whether a strategy has not helped so often that it is not tried any more.
func (p *Policy) spent(t *TargetState, c detect.Class, strategy string, now time.Time) (Effort, bool) {
	m := p.o.Memory
	i := slices.IndexFunc(t.Efforts, func(e Effort) bool { return e.Class == c && e.Strategy == strategy })
	if m.SkipAfter <= 0 || i < 0 {
		return Effort{}, false
	}
	e := t.Efforts[i]
	return e, e.Failed >= m.SkipAfter && now.Sub(e.Last) < m.Forget
}

// learn draws the lessons from an attempt whose fate is sealed: it helped and held through
// probation, or it did not. An attempt whose outcome was lost, or that the host refused, teaches
// nothing about the strategy.
func (tn *turn) learn(a Attempt, helped bool) {
	t, i := tn.t, tn.inc
	if a.Undo || !helped && (a.Verdict == ActionUnknown || a.Verdict == NotBegun || a.Verdict == HoldOperator || a.Result == ResultDenied) {
		return
	}
	isIt := func(e Effort) bool { return e.Class == i.Class && e.Strategy == a.Strategy }
	efforts := slices.DeleteFunc(slices.Clone(t.Efforts), func(e Effort) bool { return helped && isIt(e) || tn.forgotten(e) })
	if !helped {
		at := slices.IndexFunc(efforts, isIt)
		if at < 0 {
			at, efforts = len(efforts), append(efforts, Effort{Class: i.Class, Strategy: a.Strategy})
		}
		efforts[at].Failed, efforts[at].Last = efforts[at].Failed+1, tn.now
		if efforts[at].Failed == tn.p.o.Memory.SkipAfter {
			tn.lesson("%s has not helped against %s %d times: it is not tried again before %s", a.Strategy, i.Class, efforts[at].Failed,
				tn.now.Add(tn.p.o.Memory.Forget).UTC().Format("2006-01-02 15:04 MST"))
		}
	}
	t.Efforts = efforts
	tn.judgeTrust(a, helped)
}

// forgotten reports whether a failure is so old that it does not count any more.
func (tn *turn) forgotten(e Effort) bool { return tn.now.Sub(e.Last) >= tn.p.o.Memory.Forget }

// judgeTrust promotes a strategy whose proposals were right, and demotes one that does not help.
func (tn *turn) judgeTrust(a Attempt, helped bool) {
	ap, t := tn.p.o.Approval, tn.t
	if ap.PromoteAfter <= 0 && ap.DemoteAfter <= 0 {
		return
	}
	configured, now := tn.p.configured(t.Name, a.Strategy), tn.p.modeOf(t, a.Strategy)
	tr := Trust{Strategy: a.Strategy, From: configured}
	if old := t.trust(a.Strategy); old != nil && old.From == configured {
		tr = *old
	}
	become := func(m Mode, format string, args ...any) {
		tr.Right, tr.Wrong, tr.Since, tr.Mode = 0, 0, tn.now, m
		if m == configured {
			tr.Mode = ""
		}
		tn.lesson("%s on %s is now %s: %s", a.Strategy, t.Name, m, fmt.Sprintf(format, args...))
	}
	switch {
	case helped:
		tr.Wrong = 0
		if a.ApprovedBy != "" {
			tr.Right++
		}
		if now == Propose && ap.PromoteAfter > 0 && tr.Right >= ap.PromoteAfter {
			become(Auto, "%d proposals in a row were approved and helped", tr.Right)
		}
	default:
		tr.Right, tr.Wrong = 0, tr.Wrong+1
		if now == Auto && ap.DemoteAfter > 0 && tr.Wrong >= ap.DemoteAfter {
			become(Propose, "it did not help %d times in a row, and needs approval from now on", tr.Wrong)
		}
	}
	t.Trust = append(slices.DeleteFunc(slices.Clone(t.Trust), func(x Trust) bool { return x.Strategy == a.Strategy }), tr)
}

// lesson notes what was learned with this step: in the record's sentence, and in the incident, so
// that the page says it.
func (tn *turn) lesson(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	tn.lessons = append(tn.lessons, s)
	i := tn.change()
	i.Lessons = append(slices.Clone(i.Lessons), s)
}

// forgetLessons forgets what was learned about a strategy on the target, or about all ("").
func (tn *turn) forgetLessons(strategy string) (n int) {
	t := tn.t
	mine := func(name string) bool { return strategy == "" || name == strategy }
	before := len(t.Efforts) + len(t.Trust)
	t.Efforts = slices.DeleteFunc(slices.Clone(t.Efforts), func(e Effort) bool { return mine(e.Strategy) })
	t.Trust = slices.DeleteFunc(slices.Clone(t.Trust), func(x Trust) bool { return mine(x.Strategy) })
	return before - len(t.Efforts) - len(t.Trust)
}

// Learned says in sentences what recoveryd has learned about a target and goes by now: promotions,
// demotions, and strategies that are not tried any more.
func (p *Policy) Learned(t *TargetState, now time.Time) (out []string) {
	for _, tr := range t.Trust {
		if m := p.modeOf(t, tr.Strategy); m == tr.Mode {
			out = append(out, fmt.Sprintf("%s: %s since %s by experience, the configuration says %s (undo: recoveryd forget %s)", tr.Strategy, m, tr.Since.UTC().Format("2006-01-02 15:04 MST"), tr.From, t.Name))
		}
	}
	for _, e := range t.Efforts {
		if _, skip := p.spent(t, e.Class, e.Strategy, now); skip {
			out = append(out, fmt.Sprintf("%s is not tried against %s until %s: it has not helped the last %d times (undo: recoveryd forget %s)", e.Strategy, e.Class,
				e.Last.Add(p.o.Memory.Forget).UTC().Format("2006-01-02 15:04 MST"), e.Failed, t.Name))
		}
	}
	return append(out, p.keptWords(t)...)
}
