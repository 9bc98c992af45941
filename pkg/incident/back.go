package incident

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Easing is a step back of a change that is in flight, while nothing is wrong with the target.
type Easing struct {
	ActionID string          `json:"action_id"`
	Action   strategy.Action `json:"action"`
	Deadline time.Time       `json:"deadline"` // then its end is taken for lost
}

// keepChange remembers what an action of a cure has changed for good, so that it is taken back when
// it is not needed any more. When its outcome was lost, it is taken for changed.
func (tn *turn) keepChange(a strategy.Action, r Result) {
	t := tn.t
	value, ok := strategy.Setting(a)
	if !ok || r == ResultFailed || r == ResultDenied || r == ResultVoid {
		return
	}
	i := slices.IndexFunc(t.Kept, func(c strategy.Change) bool { return c.Set.Verb == a.Verb })
	if t.Undoing && (i < 0 || r != ResultDone) {
		return
	}
	kept := slices.Clone(t.Kept)
	if i < 0 {
		c := strategy.Change{Strategy: t.Plan.Strategy}
		for _, u := range t.Plan.Undo {
			if u.Verb == a.Verb {
				c.Before, _ = strategy.Setting(u)
			}
		}
		i, kept = len(kept), append(kept, c)
	}
	kept[i].Set, kept[i].Now, kept[i].At, kept[i].Quiet = a, value, tn.now, time.Time{}
	if kept[i].Now == kept[i].Before {
		kept = slices.Delete(kept, i, i+1)
	}
	t.Kept = kept
}

// watchKept judges with a new look whether what was changed is still needed. Trouble of any kind,
// and a time in which nobody looked, begin the quiet time anew.
func (tn *turn) watchKept(before time.Time) {
	t := tn.t
	if len(t.Kept) == 0 {
		return
	}
	in := strategy.Input{Diagnosis: t.Diagnosis, Target: tn.p.targets[t.Name], Facts: t.Last.Facts}
	kept := t.Kept[:0:0]
	for _, c := range t.Kept {
		calm := t.Phase == Watching && t.Easing == nil && t.Diagnosis.Verdict == detect.Healthy
		_, err := strategy.Back(in, c)
		switch {
		case calm && errors.Is(err, strategy.ErrGone):
			continue
		case !calm || err != nil:
			c.Quiet = time.Time{}
		case c.Quiet.IsZero() || t.Last.At.Sub(before) > strategy.QuietTime(in.Target, c)/2:
			c.Quiet = t.Last.At
		}
		kept = append(kept, c)
	}
	t.Kept = kept
}

// nextBack is the change that is to be taken a step back now; nil = none is.
func (tn *turn) nextBack() *strategy.Action {
	t := tn.t
	if len(t.Kept) == 0 || t.Easing != nil || t.Phase != Watching || t.Diagnosis.Verdict != detect.Healthy || !tn.fresh() {
		return nil
	}
	if _, held := tn.p.standing(tn); held {
		return nil
	}
	in := strategy.Input{Diagnosis: t.Diagnosis, Target: tn.p.targets[t.Name], Facts: t.Last.Facts}
	for _, c := range t.Kept {
		quiet := strategy.QuietTime(in.Target, c)
		if quiet <= 0 || c.Quiet.IsZero() || tn.now.Sub(c.Quiet) < quiet || tn.p.modeOf(t, c.Strategy) != Auto {
			continue
		}
		if a, err := strategy.Back(in, c); err == nil {
			return &a
		}
	}
	return nil
}

// takeBack begins a step back. It belongs to no incident and counts against no budget: it disrupts
// nothing, and must not use up what a cure may need.
func (tn *turn) takeBack() {
	t, a := tn.t, *tn.nextBack()
	t.Easing = &Easing{ActionID: fmt.Sprintf("%s/back-%d", t.Name, tn.s.Seq+1), Action: a, Deadline: tn.now.Add(a.Timeout + actionMargin)}
	tn.effect(Effect{Kind: Perform, Target: t.Name, ActionID: t.Easing.ActionID, Action: &a})
	tn.note = a.String()
}

// backEnded takes the end of a step back, or that its end is overdue.
func (tn *turn) backEnded() {
	t, e := tn.t, tn.t.Easing
	if e == nil {
		return
	}
	r := tn.ev.Result
	switch {
	case tn.ev.Kind == Ended && tn.ev.ActionID == e.ActionID:
	case tn.now.After(e.Deadline):
		r = ResultUnknown
	default:
		return
	}
	t.Easing = nil
	kept := slices.Clone(t.Kept)
	for i := range kept {
		// Each step is watched for its whole quiet time before the next, also before one of another
		// setting: if it was one too many, it must be seen which.
		kept[i].Quiet = time.Time{}
		if r == ResultDone && kept[i].Set.Verb == e.Action.Verb {
			kept[i].Set, kept[i].At = e.Action, tn.now
			kept[i].Now, _ = strategy.Setting(e.Action)
		}
	}
	t.Kept = slices.DeleteFunc(kept, func(c strategy.Change) bool { return c.Now == c.Before })
	tn.eased = fmt.Sprintf("taken back: %s: %s", e.Action, r)
	if tn.ev.Kind == Ended && tn.ev.Detail != "" {
		tn.eased += ", " + tn.ev.Detail
	}
}

// backTimes are when a step back may become due, or its end overdue.
func (tn *turn) backTimes() (out []time.Time) {
	t := tn.t
	if t.Easing != nil {
		out = append(out, t.Easing.Deadline.Add(time.Millisecond))
	}
	for _, c := range t.Kept {
		if quiet := strategy.QuietTime(tn.p.targets[t.Name], c); quiet > 0 && !c.Quiet.IsZero() {
			out = append(out, c.Quiet.Add(quiet))
		}
	}
	return out
}

// keptWords says what is changed on a target, and when that ends.
func (p *Policy) keptWords(t *TargetState) (out []string) {
	for _, c := range t.Kept {
		was := c.Before
		if was == "" {
			was = "unset"
		}
		s := fmt.Sprintf("%s since %s (before: %s)", c.Set, c.At.UTC().Format("2006-01-02 15:04 MST"), was)
		switch quiet := strategy.QuietTime(p.targets[t.Name], c); {
		case quiet <= 0:
			s += "; it stays until a person changes it"
		case p.modeOf(t, c.Strategy) != Auto:
			s += "; it is not taken back in mode " + string(p.modeOf(t, c.Strategy))
		case c.Quiet.IsZero():
			s += "; it is taken back " + words(quiet) + " after it is not needed any more"
		default:
			s += "; it is taken a step back at " + c.Quiet.Add(quiet).UTC().Format("15:04 MST") + " unless it is needed again"
		}
		out = append(out, s)
	}
	return out
}
