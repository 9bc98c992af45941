package sim

import (
	"cmp"
	"fmt"
	"maps"
	"time"

	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// asking is a proposal that waits for an answer.
type asking struct {
	plan string
	at   time.Duration
	told bool
}

// effort is how often in a row a strategy did not help, by the ledger's own count.
type effort struct {
	failed int
	last   time.Time
}

// trust is what the ledger knows of letting a strategy act by itself.
type trust struct {
	right, wrong int
	mode         incident.Mode // "" = as configured
}

// learn draws the lessons that the daemon must have drawn from an incident's durable record.
func (w *world) learn(rec incident.Record) {
	i, l := rec.Incident, &w.ledger
	for k := l.sealed[i.ID]; k < len(i.Attempts); k++ {
		a := i.Attempts[k]
		switch a.Verdict {
		case "no-effect", incident.ActionFailed, incident.Relapse:
			if !a.Undo && a.Result != incident.ResultDenied {
				w.lesson(i, a, false)
			}
		case incident.Verified:
			if i.Open() {
				return // it may relapse yet
			}
			if k == len(i.Attempts)-1 {
				w.lesson(i, a, true)
			}
		case "":
			if k == len(i.Attempts)-1 {
				return // it is being proven
			}
			// Before it was, what the target needs failed, and then another attempt began: it taught nothing.
		}
		l.sealed[i.ID] = k + 1
	}
	if !i.Open() {
		delete(l.sealed, i.ID)
		delete(l.asked, i.ID)
	}
}

func (w *world) lesson(i *incident.Incident, a incident.Attempt, helped bool) {
	l, ap := &w.ledger, w.options.Approval
	key := fmt.Sprintf("%s/%s/%s", i.Target, cmp.Or(l.handed[a.ID].against, i.Class), a.Strategy)
	e := l.efforts[key]
	if w.now().Sub(e.last) >= w.options.Memory.Forget {
		e = effort{}
	}
	if helped {
		delete(l.efforts, key)
	} else {
		l.efforts[key] = effort{e.failed + 1, w.now()}
	}
	key = i.Target + "/" + a.Strategy
	t := l.trust[key]
	is := w.modeOf(i.Target, a.Strategy)
	if helped {
		t.wrong = 0
		if a.ApprovedBy != "" {
			t.right++
		}
		if is == incident.Propose && ap.PromoteAfter > 0 && t.right >= ap.PromoteAfter {
			t = trust{mode: incident.Auto}
		}
	} else {
		t.right, t.wrong = 0, t.wrong+1
		if is == incident.Auto && ap.DemoteAfter > 0 && t.wrong >= ap.DemoteAfter {
			t = trust{mode: incident.Propose}
		}
	}
	l.trust[key] = t
}

// forget is a person's word that what was learned does not count.
func (w *world) forget(target string) {
	for key := range w.ledger.efforts {
		if hasPrefix(key, target+"/") {
			delete(w.ledger.efforts, key)
		}
	}
	for key := range w.ledger.trust {
		if hasPrefix(key, target+"/") {
			delete(w.ledger.trust, key)
		}
	}
}

// lessons are what was learned about one target.
type lessons struct {
	efforts map[string]effort
	trust   map[string]trust
}

// forgetUnwritten is forget to a daemon that cannot write it: it counts for as long as that lives.
func (w *world) forgetUnwritten(target string) {
	was := lessons{map[string]effort{}, map[string]trust{}}
	for key, e := range w.ledger.efforts {
		if hasPrefix(key, target+"/") {
			was.efforts[key] = e
		}
	}
	for key, t := range w.ledger.trust {
		if hasPrefix(key, target+"/") {
			was.trust[key] = t
		}
	}
	if _, twice := w.ledger.unwritten[target]; !twice {
		w.ledger.unwritten[target] = was
	}
	w.forget(target)
}

// recall gives back what the next life of the daemon knows, since its journal was never told to forget it.
func (w *world) recall() {
	for _, was := range w.ledger.unwritten {
		maps.Copy(w.ledger.efforts, was.efforts)
		maps.Copy(w.ledger.trust, was.trust)
	}
	clear(w.ledger.unwritten)
}

func hasPrefix(s, p string) bool { return len(s) >= len(p) && s[:len(p)] == p }

// modeOf is how far the daemon may go with a strategy on a target, by configuration and lessons.
func (w *world) modeOf(target, name string) incident.Mode {
	m := w.options.Modes[target]
	if m == incident.Observe {
		return m
	}
	if m == "" {
		m = incident.Auto
	}
	for _, s := range w.options.StrategyModes {
		if s.Strategy == name {
			m = s.Mode
		}
	}
	if t := w.ledger.trust[target+"/"+name]; t.mode != "" && m != incident.Observe {
		return t.mode
	}
	return m
}

// judgeLearned: what has failed too often is not done again, and what needs a yes has one.
func (w *world) judgeLearned(a strategy.Action, rec incident.Record) {
	name := rec.After.Plan.Strategy
	if a0 := rec.After.Asked; a0 != nil && a0.At.Equal(w.ledger.wishes[a.Target]) {
		return // a person wants it, whatever the mode and whatever was learned
	}
	switch mode := w.modeOf(a.Target, name); mode {
	case incident.Observe:
		w.fail(asConfigured, "%s in observe mode", a)
	case incident.Propose:
		if w.ledger.approvals[a.Target]--; w.ledger.approvals[a.Target] < 0 {
			w.fail(asConfigured, "%s (%s) without anybody's yes", a, name)
		}
	}
	w.ledger.approvals[a.Target] = 0 // a yes counts for one plan
	m := w.options.Memory
	e := w.ledger.efforts[fmt.Sprintf("%s/%s/%s", a.Target, rec.Incident.Class, name)]
	if m.SkipAfter > 0 && e.failed >= m.SkipAfter && rec.At.Sub(e.last) < m.Forget && w.clockIsSteady(24*time.Hour) {
		w.fail(skipsWhatFails, "%s (%s against %s) has not helped %d times, last at %s", a, name, rec.Incident.Class, e.failed, e.last.Format(time.DateTime))
	}
}

// follows what is proposed, and whether people are told of it.
func (w *world) judgeAsking(rec incident.Record) {
	i, l := rec.Incident, &w.ledger
	if i.Proposal == nil && !planned(rec) || i.Proposal != nil && i.Proposal.By == "" {
		l.approvals[i.Target] = 0 // a yes counts for one plan
	}
	if i.Proposal == nil || i.Proposal.By != "" || !i.Open() {
		delete(l.asked, i.ID)
		return
	}
	q := l.asked[i.ID]
	if q.plan != i.Proposal.Plan {
		q = asking{plan: i.Proposal.Plan, at: w.t}
	}
	for _, e := range rec.Effects {
		q.told = q.told || e.Kind == incident.Notify
	}
	if q.told = q.told || l.pages[i.ID+"/t0"] == told; !q.told {
		w.fail(asksInTime, "%s proposes %s, and nobody is told", i.ID, q.plan)
	}
	l.asked[i.ID] = q
	if !i.Paged.Equal(rec.At) || i.PagedWhy != incident.HoldApproval || !w.clockIsSteady(time.Hour) {
		return
	}
	if early := w.options.Approval.Deadline - (w.t - q.at); early > time.Second {
		w.fail(asksInTime, "%s is paged %s before the deadline of its proposal", i.ID, early)
	}
}

// judgeDeadlines: a proposal that nobody answers is paged.
func (w *world) judgeDeadlines() {
	for id, q := range w.ledger.asked {
		i := w.d.live.Incidents[id]
		if i == nil || i.Held != incident.HoldApproval || !i.Paged.IsZero() || w.t-w.d.began < 5*time.Minute || w.d.live.Host.Impaired != "" || !w.clockIsSteady(3*time.Hour) {
			continue
		}
		if late := w.t - q.at - w.options.Approval.Deadline; late > 2*time.Minute {
			w.fail(asksInTime, "%s proposed %s at %s, the deadline is %s, and nobody was paged", id, q.plan, clock(q.at), w.options.Approval.Deadline)
		}
	}
}
