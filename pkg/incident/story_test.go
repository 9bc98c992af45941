package incident

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// story tells what happens to a host, one event after the other, and checks what the core makes
// of it. Beside what a test asks for, every step is checked for what must always hold: the same
// input gives the same record, the old state is left alone, and what is durable is enough to go
// on after a restart of the daemon.
type story struct {
	t     *testing.T
	p     *Policy
	s     State
	began time.Time
	now   time.Time
	last  Record
	kept  []Record // the durable records, as the journal has them
	told  []string // what people were told: "trigger t0 codebase: ladder-ended"
	acted []string // every action that was asked for: "restart codebase-mcp.service"
	ids   []string // their ids
	steps int

	unwritten bool // the journal takes nothing

	// What run needs: the host as the next look sees it, and what an action does to it.
	host  map[string]detect.Facts
	do    func(a strategy.Action) outcome
	after func()               // when set, called after every step
	due   map[string]time.Time // next look
	wakes map[string]time.Time
	ends  []pendingEnd
}

// outcome is how an action ends, and when.
type outcome struct {
	result Result
	took   time.Duration
	then   func() // what it does to the host, at its end
}

type pendingEnd struct {
	at time.Time
	ev Event
	do func()
}

// poll is the interval of looks in run when nothing asks for one sooner.
const poll = 5 * time.Second

// newStory begins at a fixed time, with the options changed by each function in turn.
func newStory(t *testing.T, change ...func(*Options)) *story {
	t.Helper()
	o := options(t)
	for _, c := range change {
		c(&o)
	}
	p, err := NewPolicy(o)
	require.NoError(t, err)
	began := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	return &story{t: t, p: p, s: NewState(), began: began, now: began,
		host: map[string]detect.Facts{}, due: map[string]time.Time{}, wakes: map[string]time.Time{},
		do: func(strategy.Action) outcome { return outcome{result: ResultDone, took: time.Second} }}
}

// at moves the clock to a time after the beginning of the story.
func (s *story) at(d time.Duration) *story {
	s.t.Helper()
	require.False(s.t, s.began.Add(d).Before(s.now), "a story goes forward: %s is past", d)
	s.now = s.began.Add(d)
	return s
}

// in moves the clock forward.
func (s *story) in(d time.Duration) *story {
	s.now = s.now.Add(d)
	return s
}

// sees feeds one look that began now and took no time.
func (s *story) sees(target string, f detect.Facts) *story {
	s.t.Helper()
	return s.step(Event{Kind: Observed, Target: target, Observation: &detect.Observation{Target: target, At: s.now, Facts: f}})
}

// actionEnds reports the end of the action in flight.
func (s *story) actionEnds(target string, r Result) *story {
	s.t.Helper()
	id := s.s.Targets[target].ActionID
	require.NotEmpty(s.t, id, "no action is in flight on %s", target)
	return s.step(Event{Kind: Ended, Target: target, ActionID: id, Result: r})
}

// says is a person's command about a target ("" = the host).
func (s *story) says(target string, c Command) *story {
	s.t.Helper()
	if c.By == "" {
		c.By = "ann"
	}
	return s.step(Event{Kind: Operator, Target: target, Command: &c})
}

// looksAgain feeds the look that a person's word asked for: the target is as it was.
func (s *story) looksAgain(target string) *story {
	s.t.Helper()
	_, asked := s.lookAsked(target)
	require.True(s.t, asked, "no fresh look was asked for: %s", s.last.Sentence)
	s.noneBegun()
	return s.in(time.Millisecond).sees(target, s.s.Targets[target].Last.Facts)
}

// noneBegun checks that the last step begins nothing: a person's word waits for a fresh look.
func (s *story) noneBegun() {
	s.t.Helper()
	for _, e := range s.last.Effects {
		require.NotEqual(s.t, Perform, e.Kind, "begun without a fresh look: %s", s.last.Sentence)
	}
}

// wakes the target, as the shell does at the time that the core asked for.
func (s *story) wakesUp(target string) *story {
	s.t.Helper()
	return s.step(Event{Kind: Woke, Target: target})
}

// step gives one event to the core.
func (s *story) step(ev Event) *story {
	s.t.Helper()
	before := s.s
	next, rec := s.p.Step(s.s, s.now, ev)
	s.steps++
	// In long stories, looks that change nothing are checked now and then only.
	if whole := rec.Durable() || s.steps < 100 || s.steps%101 == 0; whole {
		was := asJSON(s.t, before)
		_, twice := s.p.Step(s.s, s.now, ev)
		require.Equal(s.t, asJSON(s.t, rec), asJSON(s.t, twice), "the same input gave another record")
		require.Equal(s.t, was, asJSON(s.t, before), "a step changed the state that it was given")
		defer func() {
			if s.unwritten || s.flaps() {
				return
			}
			require.Empty(s.t, differences(lasting(s.t, s.s), lasting(s.t, s.replayed())), "a restart now would lose something (%s)", rec.Sentence)
		}()
	}
	s.s, s.last = next, rec
	if rec.Durable() {
		var back Record
		require.NoError(s.t, json.Unmarshal([]byte(asJSON(s.t, rec)), &back))
		s.kept = append(s.kept, back)
	}
	require.NotEmpty(s.t, rec.Reason)
	require.NotEmpty(s.t, rec.Sentence, "%s -> %s: no sentence", rec.From, rec.To)
	for _, e := range rec.Effects {
		switch e.Kind {
		case Perform:
			require.NotContains(s.t, s.ids, e.ActionID, "an action id was used twice")
			require.True(s.t, rec.Durable())
			s.ids = append(s.ids, e.ActionID)
			s.acted = append(s.acted, string(e.Action.Verb)+" "+e.Action.Object)
		case Notify:
			require.True(s.t, rec.Durable())
			s.told = append(s.told, fmt.Sprintf("%s t%d %s: %s", e.Notice.Kind, e.Notice.Tier, e.Target, e.Notice.Why))
		}
	}
	s.dispatch(rec)
	if s.after != nil {
		s.after()
	}
	return s
}

// flaps reports whether something goes to and fro, and is written down now and then only.
func (s *story) flaps() bool {
	for _, t := range s.s.Targets {
		if t.Flaps != nil && t.Flaps.Unwritten {
			return true
		}
	}
	return false
}

// replayed is the state of a daemon that starts now.
func (s *story) replayed() State {
	st := NewState()
	for _, r := range s.kept {
		st = Fold(st, r)
	}
	return st
}

// restart replaces the state by the replayed one, as a daemon that was killed finds it.
func (s *story) restart() *story {
	s.t.Helper()
	s.s = s.replayed()
	s.ends, s.wakes, s.due = nil, map[string]time.Time{}, map[string]time.Time{}
	for _, name := range sortedNames(s.s.Targets) {
		if t := s.s.Targets[name]; t.Phase == Acting {
			if r := s.s.Host.Run; r.Live() && r.CallID == t.ActionID {
				continue // its run goes on
			}
			s.step(Event{Kind: Ended, Target: name, ActionID: t.ActionID, Result: ResultUnknown, Detail: "recoveryd was restarted"})
		}
	}
	switch r := s.s.Host.Run; {
	case !r.Live():
	case r.Stage == StageActing:
		s.step(Event{Kind: Ended, ActionID: r.ActionID, Result: ResultUnknown, Detail: "recoveryd was restarted"})
	default:
		s.step(Event{Kind: Woke})
	}
	if len(s.s.Host.Troubles) > 0 {
		s.step(Event{Kind: Woke})
	}
	return s
}

// dispatch keeps what run will do for the record's effects.
func (s *story) dispatch(rec Record) {
	for _, e := range rec.Effects {
		switch e.Kind {
		case Look:
			if at := s.now.Add(e.After); s.due[e.Target].IsZero() || at.Before(s.due[e.Target]) {
				s.due[e.Target] = at
			}
		case Wake:
			s.wakes[e.Target] = e.At
		case Conclude:
			s.ends = append(s.ends, pendingEnd{s.now, Event{Kind: Ended, Target: e.Target, ActionID: e.ActionID, Result: e.Result, Detail: e.Detail}, nil})
		case Perform:
			o := s.do(*e.Action)
			s.ends = append(s.ends, pendingEnd{s.now.Add(o.took), Event{Kind: Ended, Target: e.Target, ActionID: e.ActionID, Result: o.result}, o.then})
		}
	}
}

// run lets the host go on for a while: looks every few seconds and when the core asks for them,
// wakes it, and ends its actions.
func (s *story) run(d time.Duration) *story {
	s.t.Helper()
	until := s.now.Add(d)
	for _, t := range s.p.Targets() {
		if s.due[t.Name].IsZero() {
			s.due[t.Name] = s.now
		}
	}
	for {
		at, what, name := until.Add(1), "", ""
		for i, e := range s.ends {
			if e.at.Before(at) {
				at, what, name = e.at, "end", fmt.Sprint(i)
			}
		}
		if w := s.wakes[""]; !w.IsZero() && w.Before(at) {
			at, what, name = w, "wake", ""
		}
		for _, t := range s.p.Targets() {
			if w := s.wakes[t.Name]; !w.IsZero() && w.Before(at) {
				at, what, name = w, "wake", t.Name
			}
			if l := s.due[t.Name]; l.Before(at) {
				at, what, name = l, "look", t.Name
			}
		}
		if at.After(until) {
			s.now = until
			return s
		}
		s.now = later(s.now, at)
		switch what {
		case "end":
			var i int
			_, err := fmt.Sscan(name, &i)
			require.NoError(s.t, err)
			e := s.ends[i]
			s.ends = slices.Delete(s.ends, i, i+1)
			if e.do != nil {
				e.do()
			}
			s.step(e.ev)
		case "wake":
			delete(s.wakes, name)
			s.wakesUp(name)
		case "look":
			// A look takes a little, so that looking again at once is not for ever now.
			s.now = s.now.Add(3 * time.Millisecond)
			s.due[name] = s.now.Add(poll)
			s.sees(name, s.host[name])
		}
	}
}

// is requires the phase and reason that the last step led to.
func (s *story) is(ph Phase, why Reason) *story {
	s.t.Helper()
	require.Equal(s.t, ph.String()+" "+string(why), s.last.To.String()+" "+string(s.last.Reason), "%s", s.last.Sentence)
	return s
}

// phase requires where a target stands.
func (s *story) phase(target string, ph Phase) *story {
	s.t.Helper()
	require.Equal(s.t, ph.String(), s.s.Targets[target].Phase.String(), "%s is %s", target, s.s.Targets[target].Reason)
	return s
}

// heldBy requires that a target is held for a reason.
func (s *story) heldBy(target string, why Reason) *story {
	s.t.Helper()
	s.phase(target, Held)
	require.Equal(s.t, why, s.s.Targets[target].Reason)
	return s
}

// performed requires that the last step asked for exactly this action, in words that its String
// begins with.
func (s *story) performed(words string) *story {
	s.t.Helper()
	var got []string
	for _, e := range s.last.Effects {
		if e.Kind == Perform {
			got = append(got, e.Action.String())
		}
	}
	require.Len(s.t, got, 1, "%s", s.last.Sentence)
	require.True(s.t, strings.HasPrefix(got[0], words), "performed %q, not %q", got[0], words)
	return s
}

// actions requires all actions of the story so far.
func (s *story) actions(want ...string) *story {
	s.t.Helper()
	require.Equal(s.t, want, s.acted)
	return s
}

// noAction requires that nothing was done in the whole story.
func (s *story) noAction() *story {
	s.t.Helper()
	require.Empty(s.t, s.acted)
	return s
}

// tells requires everything that people were told in the story so far; updates left out.
func (s *story) tells(want ...string) *story {
	s.t.Helper()
	var got []string
	for _, n := range s.told {
		if !strings.HasPrefix(n, "update") {
			got = append(got, n)
		}
	}
	require.Equal(s.t, want, got)
	return s
}

// incident is the open incident of a target.
func (s *story) incident(target string) *Incident {
	s.t.Helper()
	i := s.s.Incidents[s.s.Targets[target].Incident]
	require.NotNil(s.t, i, "%s has no open incident", target)
	return i
}

// lookAsked returns after how long the last step wants a target looked at.
func (s *story) lookAsked(target string) (time.Duration, bool) {
	for _, e := range s.last.Effects {
		if e.Kind == Look && e.Target == target {
			return e.After, true
		}
	}
	return 0, false
}

func sortedNames[T any](m map[string]T) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// differences are the lines that only one of two texts has.
func differences(a, b string) (out []string) {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for _, l := range as {
		if !slices.Contains(bs, l) {
			out = append(out, "live:     "+l)
		}
	}
	for _, l := range bs {
		if !slices.Contains(as, l) {
			out = append(out, "replayed: "+l)
		}
	}
	return out
}

// lasting is the part of a state that must survive a restart at any moment, one line a fact:
// everything but the latest looks, the runs of looks that agree, and the wording of the latest
// evidence. The incident that a dependent waits in is found again at its next look.
func lasting(t *testing.T, s State) string {
	t.Helper()
	lines := []string{fmt.Sprintf("host %s", asJSON(t, s.Host))}
	for _, name := range sortedNames(s.Targets) {
		x := *s.Targets[name]
		if i := s.Incidents[x.Incident]; i == nil || i.Target != name {
			x.Incident = ""
		}
		kept := TargetState{Name: name, Phase: x.Phase, Hold: x.Hold, Incident: x.Incident, Plan: x.Plan, Step: x.Step, ActionID: x.ActionID,
			Deadline: x.Deadline, RunBefore: x.RunBefore, Undoing: x.Undoing, SettleUntil: x.SettleUntil, VerifyUntil: x.VerifyUntil,
			ActionEnded: x.ActionEnded, ProbationEnd: x.ProbationEnd, BackoffUntil: x.BackoffUntil, Efforts: x.Efforts, Trust: x.Trust}
		if asJSON(t, kept) == asJSON(t, TargetState{Name: name}) {
			continue // a target of which nothing is known needs no record
		}
		kept.Since = x.Since
		lines = append(lines, fmt.Sprintf("target %s", asJSON(t, kept)))
	}
	for _, id := range sortedNames(s.Incidents) {
		c := *s.Incidents[id]
		c.Diagnosis, c.HeldWhy, c.Skipped = detect.Diagnosis{}, "", nil
		lines = append(lines, fmt.Sprintf("incident %s", asJSON(t, c)))
	}
	return strings.Join(lines, "\n")
}
