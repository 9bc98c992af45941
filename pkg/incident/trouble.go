package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// ClassPlaybook is the class under which people are told of a playbook's run. It belongs to no
// target and has no ladder.
const ClassPlaybook detect.Class = "playbook"

// Trouble is the run of a playbook that a person began and that failed. People are told of it by
// the rules for incidents, tier by tier, until it is over: a halted one by a person's word alone,
// any other also by a later run of the same playbook that succeeds, or when everything that it had in
// hand has been well for the time of a probation.
type Trouble struct {
	Run      string   `json:"run"`
	Playbook string   `json:"playbook"`
	Targets  []string `json:"targets,omitzero"`
	Halted   bool     `json:"halted,omitzero"` // it keeps its targets as they are
	// Case is what people are told, in the shape of an incident, so that routing, keys and
	// acknowledgements are the same. It is none of State.Incidents.
	Case Incident `json:"case"`
}

// caseOf puts a run into the shape of an incident.
func caseOf(r *Run, now time.Time, because string) Incident {
	sev := r.Severity
	if sev == detect.SeverityUnset {
		sev = detect.P2 // of a run that an older version has begun
	}
	c := Incident{ID: r.ID, Target: strategy.PlaybookPrefix + r.Playbook, Class: ClassPlaybook, Severity: sev, Since: r.Began, Opened: now, Clock: now,
		Affected: r.Targets, Diagnosis: detect.Diagnosis{Target: strategy.PlaybookPrefix + r.Playbook, Class: ClassPlaybook, Because: because}}
	for i, l := range r.Log {
		c.Attempts = append(c.Attempts, Attempt{ID: fmt.Sprintf("%s/s%d", r.ID, i+1), Strategy: c.Target, Rung: i, Action: l.Name, At: l.Began, Ended: l.Ended,
			Result: stepResults[l.Result], Detail: l.Detail, ApprovedBy: l.Approved})
	}
	return c
}

var stepResults = map[StepResult]Result{StepDone: ResultDone, StepFailed: ResultFailed, StepNone: ResultDone}

// tellCase asks for a notice about a run.
func (tn *turn) tellCase(kind NoticeKind, tier int, why Reason, c Incident, next, because string, to []Address) {
	if len(to) > 0 {
		tn.effect(Effect{Kind: Notify, Notice: &Notice{Kind: kind, Tier: tier, Why: why, Next: next, Because: because, To: to, Case: &c}})
	}
}

// tellRun tells what became of a run that a person began: its failure to whoever must know, its
// success and its questions for the record. Of one that is a rung its incident tells.
func (pl *player) tellRun(h *Host) {
	r, tn := pl.r, pl.tn
	if r.CallID != "" {
		return
	}
	c := caseOf(r, tn.now, r.Because)
	switch {
	case pl.failed:
		t := Trouble{Run: r.ID, Playbook: r.Playbook, Targets: r.Targets, Halted: r.Stage == StageHalted, Case: c}
		h.Troubles = append(slices.Clone(h.Troubles), t)
	case r.Outcome == PlaybookDone:
		c.Closed, c.Outcome = tn.now, PlaybookDone
		tn.tellCase(NoticeChange, 0, PlaybookDone, c, "nothing: it is over", "", tn.p.o.Escalation.Cured(&c, tn.now))
		tn.overcome(h, func(t Trouble) bool { return t.Playbook == r.Playbook }, "run "+r.ID+" of the same playbook succeeded")
	case r.Outcome == PlaybookEnded:
		tn.overcome(h, func(t Trouble) bool { return t.Run == r.ID }, r.Because)
	case pl.asked:
		c.Diagnosis.Because = stepWords(r) + " waits for a person's approval"
		tn.tellCase(NoticeChange, 0, PlaybookWaits, c, "it waits until "+r.Until.UTC().Format("15:04 MST")+", then it fails", "", tn.p.o.Escalation.Cured(&c, tn.now))
	}
}

// overcome ends troubles, and everything that was told of them.
func (tn *turn) overcome(h *Host, which func(Trouble) bool, because string) (n int) {
	h.Troubles = slices.Clone(h.Troubles)
	h.Troubles = slices.DeleteFunc(h.Troubles, func(t Trouble) bool {
		if !which(t) {
			return false
		}
		n++
		c := t.Case
		c.Closed, c.Outcome, c.Diagnosis.Because = tn.now, Mended, because
		var ended []Address
		for _, group := range byOrdinal(c.Told) {
			var to []Address
			for _, a := range addresses(group) {
				if !slices.ContainsFunc(ended, a.same) {
					to, ended = append(to, a), append(ended, a)
				}
			}
			tn.tellCase(NoticeResolve, group[0].N, Mended, c, "nothing: it is over", "", to)
		}
		return true
	})
	return n
}

// review looks after the troubles with every event of the host: who is to be told by now, and which
// are over.
func (p *Policy) review(tn *turn, rec *Record) {
	h := tn.s.Host
	if tn.host != nil {
		h = *tn.host
	}
	if len(h.Troubles) == 0 {
		return
	}
	var say []string
	tell := func(why Reason, format string, args ...any) {
		if rec.Reason == NoChange || rec.Reason == "" {
			rec.Reason, rec.Sentence = why, ""
		}
		say = append(say, fmt.Sprintf(format, args...))
	}
	for _, t := range slices.Clone(h.Troubles) {
		at, well := tn.wellSince(t)
		if at = at.Add(p.o.Probation); well && !tn.now.Before(at) {
			tn.overcome(&h, func(x Trouble) bool { return x.Run == t.Run }, "everything that it had in hand is well: "+strings.Join(tn.p.present(t.Targets), ", "))
			tell(Mended, "run %s failed, and everything that it had in hand is well again", t.Run)
		} else if why := p.outlived(t); why != "" {
			tn.overcome(&h, func(x Trouble) bool { return x.Run == t.Run }, why)
			tell(Mended, "run %s failed, and %s", t.Run, why)
		} else if well {
			tn.hostWake(at)
		}
	}
	h.Troubles = slices.Clone(h.Troubles)
	for i := range h.Troubles {
		t := &h.Troubles[i]
		if due := p.o.Escalation.Due(&t.Case, true, tn.now); len(due) > 0 {
			why := TierDue
			if t.Case.Paged.IsZero() {
				why, t.Case.Paged, t.Case.PagedWhy = PlaybookFailed, tn.now, PlaybookFailed
			}
			t.Case.Told = append(slices.Clone(t.Case.Told), due...)
			for _, group := range byOrdinal(due) {
				t.Case.Tier = max(t.Case.Tier, group[0].N)
				tn.tellCase(NoticeTrigger, group[0].N, why, t.Case, t.next(), group[0].Why, addresses(group))
			}
			tell(why, "people are told that run %s failed", t.Run)
		}
		if at, ok := p.o.Escalation.Next(&t.Case, tn.now); ok {
			tn.hostWake(at)
		}
	}
	if len(say) > 0 {
		rec.Sentence = strings.Join(append(nonEmpty(rec.Sentence), say...), "; ")
		tn.host = &h
	}
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// next says what will be done about a trouble.
func (t Trouble) next() string {
	list := strings.Join(t.Targets, ", ")
	switch {
	case t.Halted:
		return "nothing is done to " + list + " until a person ends the run: recoveryd playbook stop " + t.Run
	case list == "":
		return "nothing: run it again, or say that it is seen to: recoveryd playbook stop " + t.Run
	}
	return list + " are treated as always; run the playbook again, or say that it is seen to: recoveryd playbook stop " + t.Run
}

// wellSince says since when everything that a failed run had in hand has been well, and since when it
// failed at the earliest; false while something is not, or when it had nothing in hand.
func (tn *turn) wellSince(t Trouble) (since time.Time, well bool) {
	left := tn.p.present(t.Targets)
	if t.Halted || len(left) == 0 {
		return time.Time{}, false
	}
	since = t.Case.Opened
	for _, name := range left {
		ts := tn.s.Targets[name]
		if ts == nil || ts.Phase != Watching || !ts.Diagnosis.Good() || !ts.Last.At.After(t.Case.Opened) {
			return time.Time{}, false
		}
		if ts.GoodSince.After(since) {
			since = ts.GoodSince
		}
	}
	return since, true
}

// present lists those of some targets that the configuration still has.
func (p *Policy) present(names []string) (out []string) {
	for _, name := range names {
		if _, known := p.targets[name]; known {
			out = append(out, name)
		}
	}
	return out
}

// outlived says why the failure of a run is nobody's business any more, since the configuration has
// nothing left of it; "" when it is. A halted run is ended by a person alone.
func (p *Policy) outlived(t Trouble) string {
	_, known := p.Playbook(t.Playbook)
	switch {
	case t.Halted:
	case len(t.Targets) > 0 && len(p.present(t.Targets)) == 0:
		return "every target that it had in hand was removed from the configuration"
	case len(t.Targets) == 0 && !known:
		return "the playbook was removed from the configuration"
	}
	return ""
}

// ackTrouble takes a person's word that a failed run is being looked after.
func (tn *turn) ackTrouble(h *Host, c *Command) bool {
	i := slices.IndexFunc(h.Troubles, func(t Trouble) bool { return t.Run == c.Incident })
	if i < 0 {
		return false
	}
	h.Troubles = slices.Clone(h.Troubles)
	h.Troubles[i].Case.Ack = &Standing{By: c.By, Why: c.Why, Since: tn.now, Until: c.Until}
	return true
}

// nudgeTroubles lets the host see that a target which a failed run had in hand is well again.
func (tn *turn) nudgeTroubles(from Phase) {
	t := tn.t
	if t.Phase != Watching || !t.Diagnosis.Good() || from == t.Phase && (tn.ev.Kind != Observed || t.GoodLooks != 1) {
		return
	}
	for _, x := range tn.s.Host.Troubles {
		if !x.Halted && slices.Contains(x.Targets, t.Name) {
			tn.effect(Effect{Kind: Wake, At: tn.now})
			return
		}
	}
}

// toldOfHalt reports whether people were told that the run which keeps this target has failed: then
// the target's own incident tells them nothing new.
func (tn *turn) toldOfHalt() bool {
	r := tn.s.Host.Run
	return r != nil && r.Stage == StageHalted && r.has(tn.t.Name) &&
		slices.ContainsFunc(tn.s.Host.Troubles, func(t Trouble) bool { return t.Run == r.ID && !t.Case.Paged.IsZero() })
}

// hostWake asks for a turn of the host at a time; the earliest counts.
func (tn *turn) hostWake(at time.Time) {
	for i, e := range tn.effects {
		if e.Kind == Wake && e.Target == "" {
			if at.Before(e.At) {
				tn.effects[i].At = at
			}
			return
		}
	}
	tn.effect(Effect{Kind: Wake, At: at})
}
