package sim

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

var (
	update     = flag.Bool("update", false, "rewrite MUTANTS.md")
	allMutants = flag.Bool("mutants", false, "TestEveryBrokenRuleIsCaught: also the broken rules that need many worlds")
)

// usual is how many worlds a broken rule has to be caught in, unless it says otherwise.
const usual = 200

// within is how many worlds the broken rule may live through before somebody notices.
func (m mutant) within() int {
	if m.worlds == 0 {
		return usual
	}
	return m.worlds
}

// stepped puts a function before every step, and one after it.
func stepped(before func(*world, incident.State, time.Time, *incident.Event) incident.State,
	after func(*world, incident.State, incident.Record) (incident.State, incident.Record)) func(*world, *incident.Policy) core {
	return func(w *world, p *incident.Policy) core {
		b := between{core: p}
		if before != nil {
			b.before = func(s incident.State, now time.Time, ev *incident.Event) incident.State { return before(w, s, now, ev) }
		}
		if after != nil {
			b.after = func(s incident.State, r incident.Record) (incident.State, incident.Record) { return after(w, s, r) }
		}
		return b
	}
}

// seeing changes the facts of every look before the core sees them.
func seeing(change func(w *world, target string, f detect.Facts)) func(*world, *incident.Policy) core {
	return stepped(func(w *world, s incident.State, _ time.Time, ev *incident.Event) incident.State {
		if ev.Observation != nil {
			o := *ev.Observation
			o.Facts = maps.Clone(o.Facts)
			change(w, o.Target, o.Facts)
			ev.Observation = &o
		}
		return s
	}, nil)
}

// planning changes every plan.
func planning(change func(strategy.Input, *strategy.Plan)) func(*incident.Options) {
	return func(o *incident.Options) {
		var list []strategy.Strategy
		for _, name := range o.Strategies.Names() {
			s, _ := o.Strategies.Get(name)
			list = append(list, strategy.New(s.Name(), func(in strategy.Input) (strategy.Plan, error) {
				p, err := s.Plan(in)
				if err == nil {
					change(in, &p)
				}
				return p, err
			}))
		}
		set, err := strategy.NewSet(list...)
		if err != nil {
			panic(err)
		}
		o.Strategies = set
	}
}

// telling drops notices.
func telling(keep func(incident.Notice) bool) func(*world, *incident.Policy) core {
	return stepped(nil, func(_ *world, s incident.State, r incident.Record) (incident.State, incident.Record) {
		var kept []incident.Effect
		for _, e := range r.Effects {
			if e.Kind != incident.Notify || keep(*e.Notice) {
				kept = append(kept, e)
			}
		}
		r.Effects = kept
		return s, r
	})
}

// withTarget replaces the state of a target.
func withTarget(s incident.State, name string, change func(*incident.TargetState)) incident.State {
	if t := s.Targets[name]; t != nil {
		c := *t
		change(&c)
		s.Targets = maps.Clone(s.Targets)
		s.Targets[name] = &c
	}
	return s
}

// everyTarget replaces the state of every target.
func everyTarget(s incident.State, change func(*incident.TargetState)) incident.State {
	for name := range s.Targets {
		s = withTarget(s, name, change)
	}
	return s
}

// everyServer changes what the configuration says of every target.
func everyServer(change func(*detect.Target)) func(*incident.Options) {
	return func(o *incident.Options) {
		list := make([]detect.Target, len(o.Targets))
		for i, t := range o.Targets {
			change(&t)
			list[i] = t
		}
		o.Targets = list
	}
}

// playing changes every step of the playbooks.
func playing(change func(*strategy.Step)) func(*incident.Options) {
	return func(o *incident.Options) {
		o.Playbooks = slices.Clone(o.Playbooks)
		for i := range o.Playbooks {
			o.Playbooks[i].Steps = slices.Clone(o.Playbooks[i].Steps)
			for k := range o.Playbooks[i].Steps {
				change(&o.Playbooks[i].Steps[k])
			}
		}
	}
}

// timing overrides every class.
func timing(t incident.Timing) func(*incident.Options) {
	return func(o *incident.Options) {
		for _, c := range detect.BuiltinClasses() {
			o.Overrides = append(o.Overrides, incident.Override{Class: c, Timing: t})
		}
	}
}

// mutants are the deliberately broken rules, each with the invariants of which one must catch it.
func mutants() []struct {
	mutant
	by []string
} {
	type m = struct {
		mutant
		by []string
	}
	never := func(incident.Notice) bool { return false }
	return append([]m{
		{mutant{name: "unknown-is-unhealthy", says: "takes a health check that was not made for one that got no reply",
			core: seeing(func(_ *world, _ string, f detect.Facts) {
				if f[detect.HTTPOutcome].Err != "" {
					f[detect.HTTPOutcome] = detect.Word(detect.OutcomeNoReply)
				}
			})}, []string{unknownIsNotDown, innocentLeftAlone}},
		{mutant{name: "missing-unit-is-failed", says: "takes a unit that could not be asked for a failed one",
			core: seeing(func(_ *world, _ string, f detect.Facts) {
				if f[detect.WorkloadState].Err != "" {
					f[detect.WorkloadState], f[detect.HTTPOutcome], f[detect.SQLOutcome] = detect.Word(detect.StateFailed), detect.Word(detect.OutcomeRefused), detect.Word(detect.SQLRefused)
				}
			})}, []string{unknownIsNotDown, innocentLeftAlone, operatorLeftAlone, noNeedlessPage, withinBudget, takenBack, comesToRest}},
		{mutant{name: "first-look-counts", says: "believes the first bad look of every class", worlds: 1500,
			options: timing(incident.Timing{Looks: 1, For: 1})}, []string{innocentLeftAlone}},
		{mutant{name: "one-witness", says: "drops the hold for a second witness", options: planning(func(_ strategy.Input, p *strategy.Plan) {
			for i := range p.Actions {
				p.Actions[i].Disrupts = false
			}
		})}, []string{twoWitnesses, oneAtATime, innocentLeftAlone}},
		{mutant{name: "stall-ignored", says: "restarts what is late on a host that stalls", worlds: 1500,
			options: func(o *incident.Options) { o.Limits.StallMemory, o.Limits.StallIO = 0, 0 }}, []string{innocentLeftAlone}},
		{mutant{name: "gateway-is-silence", says: "takes what a gateway answers for the silence of the service behind it",
			core: seeing(func(_ *world, _ string, f detect.Facts) {
				if f.Text(detect.HTTPOutcome) == detect.OutcomeGateway {
					f[detect.HTTPOutcome] = detect.Word(detect.OutcomeNoReply)
				}
			})}, []string{innocentLeftAlone}},
		{mutant{name: "starting-is-hung", says: "takes a target that says that it is starting for one that hangs",
			core: seeing(func(_ *world, _ string, f detect.Facts) {
				for name, silence := range map[string]string{detect.HTTPOutcome: detect.OutcomeNoReply, detect.SQLOutcome: detect.SQLFrozen, detect.PlainOutcome: "timeout"} {
					if f.Text(name) == "starting" {
						f[name] = detect.Word(silence)
					}
				}
			})}, []string{leftToStart}},
		{mutant{name: "starting-is-well", says: "takes a target that says that it is starting for one that is up",
			core: seeing(func(_ *world, _ string, f detect.Facts) {
				for name, well := range map[string]string{detect.HTTPOutcome: detect.OutcomeReply, detect.SQLOutcome: detect.SQLOK, detect.PlainOutcome: "ok"} {
					if f.Text(name) == "starting" {
						f[name], f[detect.HealthStatus] = detect.Word(well), detect.Word("healthy")
					}
				}
			})}, []string{trueRecovery, neverSilent, culpritOnly}},
		{mutant{name: "operator-ignored", says: "does not see that a person stopped, masked or upgrades a unit",
			core: seeing(func(_ *world, _ string, f detect.Facts) {
				delete(f, detect.WorkloadPending)
				delete(f, detect.WorkloadMaintenance)
				if f.Text(detect.WorkloadDisabled) != "" {
					delete(f, detect.WorkloadDisabled)
				}
				if d := f.Text(detect.WorkloadDeparture); d == detect.DepartureStopped || d == detect.DepartureRestart {
					f[detect.WorkloadDeparture] = detect.Word(detect.DepartureCrash)
				}
			})}, []string{operatorLeftAlone, operatorNotPaged}},
		{mutant{name: "operator-forgotten", says: "forgets a person's stop when the unit cannot be asked, or systemd has forgotten it",
			core: stepped(func(_ *world, s incident.State, _ time.Time, ev *incident.Event) incident.State {
				return withTarget(s, ev.Target, func(t *incident.TargetState) { t.Intent = "" })
			}, nil)}, []string{operatorLeftAlone, operatorNotPaged}},
		{mutant{name: "never-asks-again", says: "acts on a unit although a person has stepped in since it was decided", neverAsksAgain: true}, []string{operatorLeftAlone}},
		{mutant{name: "pause-forgotten", says: "takes a pause or a hold, and does not keep it",
			core: stepped(nil, func(_ *world, s incident.State, r incident.Record) (incident.State, incident.Record) {
				s.Host.Pause = nil
				if r.Host != nil {
					h := *r.Host
					h.Pause = nil
					r.Host = &h
				}
				if r.After != nil && r.After.Hold != nil {
					s = withTarget(s, r.Target, func(t *incident.TargetState) { t.Hold = nil })
					r.After = s.Targets[r.Target]
				}
				return s, r
			})}, []string{operatorLeftAlone}},
		{mutant{name: "stop-file-ignored", says: "acts while the stop file exists", ignoresStop: true}, []string{stopFileObeyed}},
		{mutant{name: "windows-ignored", says: "acts in maintenance windows", options: func(o *incident.Options) { o.Windows = nil }}, []string{operatorLeftAlone}},
		{mutant{name: "pages-for-operators", says: "pages for what a person stopped, after five minutes",
			options: func(o *incident.Options) { o.PageAfter.Operator = 5 * time.Minute }}, []string{operatorNotPaged}},
		{mutant{name: "no-dependencies", says: "does not know what needs what, and treats the dependents",
			options: func(o *incident.Options) {
				list := make([]detect.Target, len(o.Targets))
				for i, t := range o.Targets {
					t.DependsOn = nil
					list[i] = t
				}
				o.Targets = list
			}}, []string{culpritOnly, twoWitnesses, unknownIsNotDown, noNeedlessPage, neverSilent}},
		{mutant{name: "old-look-at-needs", says: "believes that what a service needs was looked at just now", worlds: 3000,
			core: stepped(func(w *world, s incident.State, now time.Time, ev *incident.Event) incident.State {
				if w.things[ev.Target].server != nil {
					s = withTarget(s, "postgres", func(t *incident.TargetState) {
						if t.Phase == incident.Watching {
							t.Last.At = now
						}
					})
				}
				return s
			}, nil)}, []string{culpritOnly, replayEqualsLive, isCured}},
		{mutant{name: "saturation-is-death", says: "restarts PostgreSQL when its connections are used up",
			options: planning(func(in strategy.Input, p *strategy.Plan) {
				if in.Target.Kind == detect.KindPostgres && in.Diagnosis.Class == detect.ClassPool {
					p.Actions = []strategy.Action{{Verb: strategy.Restart, Object: in.Target.Object, Timeout: time.Minute}}
				}
			})}, []string{saturationIsAlive, twoWitnesses}},
		{mutant{name: "no-budget", says: "has no budget of actions", options: func(o *incident.Options) {
			o.Limits.Target.Actions, o.Limits.Host.Actions = 0, 0
		}}, []string{withinBudget}},
		{mutant{name: "no-class-budget", says: "goes on against the same failure class on one target after the other", worlds: 1500,
			options: func(o *incident.Options) { o.Limits.Class.Actions = 0 }}, []string{withinBudget}},
		{mutant{name: "budget-forgotten", says: "forgets after a restart what it has done",
			boot: func(s incident.State) incident.State { s.Host.Actions = nil; return s }}, []string{withinBudget}},
		{mutant{name: "no-backoff", says: "makes no pause after a failure", options: func(o *incident.Options) { o.Limits.Backoff.Initial = 0 }}, []string{backsOff}},
		{mutant{name: "constant-backoff", says: "makes the same short pause after every failure", options: func(o *incident.Options) { o.Limits.Backoff.Factor = 1 }}, []string{backsOff}},
		{mutant{name: "no-concurrency-limit", says: "disrupts everything at once", worlds: 3000, options: func(o *incident.Options) { o.Limits.Concurrent = 100 }}, []string{oneAtATime}},
		{mutant{name: "no-storm", says: "goes on acting in a storm", worlds: 1500, options: func(o *incident.Options) { o.Limits.StormTargets = 0 }}, []string{stopsInAStorm}},
		{mutant{name: "races-systemd", says: "does not see that systemd restarts a unit by itself",
			core: seeing(func(_ *world, _ string, f detect.Facts) {
				if f.Text(detect.WorkloadState) == detect.StateRetrying {
					f[detect.WorkloadState] = detect.Word(detect.StateFailed)
				}
				f[detect.WorkloadPolicy] = detect.Word("no")
			})}, []string{leavesSystemd}},
		{mutant{name: "start-limit-ignored", says: "does not count starts", worlds: 6000,
			core: seeing(func(_ *world, _ string, f detect.Facts) { delete(f, detect.WorkloadStartLimit) })}, []string{leavesStartLimit}},
		{mutant{name: "no-caps", says: "asks for three times as much as it may", options: planning(func(_ strategy.Input, p *strategy.Plan) {
			for _, a := range p.Actions {
				for _, arg := range []string{strategy.ArgValue, strategy.ArgMaxSize, strategy.ArgBytes} {
					if n, err := strconv.Atoi(a.Args[arg]); err == nil {
						a.Args[arg] = strconv.Itoa(3 * n)
					}
				}
			}
		})}, []string{withinCaps}},
		{mutant{name: "never-takes-back", says: "leaves a change that did not help", options: planning(func(_ strategy.Input, p *strategy.Plan) { p.Undo = nil })}, []string{takenBack, noNeedlessPage}},
		{mutant{name: "modes-ignored", says: "acts in observe and propose mode", options: func(o *incident.Options) { o.Modes = nil }}, []string{asConfigured}},
		{mutant{name: "no-approval-deadline", says: "waits for an approval for ever", options: func(o *incident.Options) { o.Approval.Deadline = 1000 * time.Hour }},
			[]string{asksInTime, neverSilent}},
		{mutant{name: "pages-for-every-proposal", says: "pages at once instead of asking first", options: func(o *incident.Options) { o.Approval.Deadline = 0 }}, []string{asksInTime}},
		{mutant{name: "asks-nobody", says: "proposes, and tells nobody of it", core: telling(func(n incident.Notice) bool { return n.Kind != incident.NoticeChange })}, []string{asksInTime}},
		{mutant{name: "blank-cheque", says: "takes a yes to one plan for a yes to every later one of the incident", worlds: 3000,
			core: stepped(nil, func(_ *world, s incident.State, r incident.Record) (incident.State, incident.Record) {
				if r.Incident == nil || r.Incident.Proposal == nil {
					return s, r
				}
				i := *r.Incident
				for _, a := range i.Attempts {
					if p := *i.Proposal; a.ApprovedBy != "" {
						p.By = a.ApprovedBy
						i.Proposal = &p
					}
				}
				r.Incident = &i
				s.Incidents = maps.Clone(s.Incidents)
				s.Incidents[i.ID] = &i
				return s, r
			})}, []string{asConfigured}},
		{mutant{name: "promotes-early", says: "promotes a strategy one proposal too early", worlds: 3000, options: func(o *incident.Options) {
			if o.Approval.PromoteAfter > 1 {
				o.Approval.PromoteAfter--
			}
		}}, []string{asConfigured}},
		{mutant{name: "never-demotes", says: "goes on by itself with what does not help", options: func(o *incident.Options) { o.Approval.DemoteAfter = 0 }}, []string{asConfigured}},
		{mutant{name: "demotions-forgotten", says: "forgets at a restart what was demoted", worlds: 1500, boot: func(s incident.State) incident.State {
			return everyTarget(s, func(t *incident.TargetState) { t.Trust = nil })
		}}, []string{asConfigured}},
		{mutant{name: "tries-what-fails", says: "tries again and again what has not helped", worlds: 1500, options: func(o *incident.Options) { o.Memory.SkipAfter = 0 }}, []string{skipsWhatFails}},
		{mutant{name: "failures-forgotten", says: "forgets at a restart what has not helped", worlds: 1500, boot: func(s incident.State) incident.State {
			return everyTarget(s, func(t *incident.TargetState) { t.Efforts = nil })
		}}, []string{skipsWhatFails}},
		{mutant{name: "never-shrinks", says: "leaves an enlarged pool and a raised memory limit for ever", options: everyServer(func(t *detect.Target) {
			t.Pool.Quiet, t.Memory.Quiet = 0, 0
		})}, []string{backToNormal}},
		{mutant{name: "shrinks-at-once", says: "takes a change back as soon as it has helped", options: everyServer(func(t *detect.Target) {
			t.Pool.Quiet, t.Memory.Quiet = time.Minute, time.Minute
		})}, []string{easedWhenQuiet, backToNormal}},
		{mutant{name: "shrinks-when-full", says: "makes a pool smaller that is in use", options: everyServer(func(t *detect.Target) { t.Pool.ShrinkBelow = 0.99 })},
			[]string{easedWhenQuiet}},
		{mutant{name: "changes-forgotten", says: "forgets at a restart what it has changed", worlds: 1500, boot: func(s incident.State) incident.State {
			return everyTarget(s, func(t *incident.TargetState) { t.Kept, t.Easing = nil, nil })
		}}, []string{backToNormal}},
		{mutant{name: "dump-does-not-matter", says: "goes on with a restore whose dump has failed", worlds: 1500, options: playing(func(s *strategy.Step) { s.GoOn = true })}, []string{dumpFirst}},
		{mutant{name: "steps-unapproved", says: "waits for nobody's yes to a step that needs one", options: playing(func(s *strategy.Step) { s.Approval = false })}, []string{asConfigured}},
		{mutant{name: "acts-then-writes", says: "acts, and writes its decision afterwards", actsFirst: true}, []string{writeFirst}},
		{mutant{name: "acts-unwritten", says: "acts although its decision could not be written", ignoresJournal: true, worlds: 1500}, []string{writeFirst, replayEqualsLive}},
		{mutant{name: "repeats-after-a-crash", says: "does again, after a restart, what was in flight", repeats: true}, []string{atMostOnce, freshEvidence}},
		{mutant{name: "incidents-forgotten", says: "forgets its incidents at a restart", boot: func(s incident.State) incident.State {
			return incident.State{Targets: map[string]*incident.TargetState{}, Incidents: map[string]*incident.Incident{}, Host: s.Host, Seq: s.Seq}
		}}, []string{pageResolved, pageOnce, asConfigured, operatorLeftAlone, atMostOnce}},
		{mutant{name: "pages-again", says: "pages again after every restart", boot: func(s incident.State) incident.State {
			for id, i := range s.Incidents {
				c := *i
				c.Paged, c.Told = time.Time{}, nil
				s.Incidents[id] = &c
			}
			return s
		}}, []string{pageOnce, pageResolved}},
		{mutant{name: "acts-on-old-looks", says: "decides on the last look, however old", worlds: 1500,
			core: stepped(func(_ *world, s incident.State, _ time.Time, ev *incident.Event) incident.State {
				if t := s.Targets[ev.Target]; t != nil && ev.Kind == incident.Woke && !t.Last.At.IsZero() {
					*ev = incident.Event{Kind: incident.Observed, Target: ev.Target, Observation: &t.Last}
				}
				return s
			}, nil)}, []string{freshEvidence, isCured, tiersTold, neverSilent, noNeedlessPage, trueRecovery, innocentLeftAlone, easedWhenQuiet}},
		{mutant{name: "acts-on-the-word", says: "acts on a person's word at once, on what was last seen", worlds: 1500,
			core: func(_ *world, p *incident.Policy) core { return hasty{p} }}, []string{freshEvidence}},
		{mutant{name: "trusts-the-job", says: "takes a finished job for a cure", core: stepped(func(w *world, s incident.State, _ time.Time, ev *incident.Event) incident.State {
			t := s.Targets[ev.Target]
			if ev.Observation == nil || t == nil || t.Phase != incident.Verifying && t.Phase != incident.Probation || w.things[ev.Target].server == nil {
				return s
			}
			o := *ev.Observation
			o.Facts = maps.Clone(o.Facts)
			o.Facts[detect.WorkloadState] = detect.Word(detect.StateRunning)
			o.Facts[detect.HTTPOutcome], o.Facts[detect.HealthStatus], o.Facts[detect.HealthDatabase] = detect.Word(detect.OutcomeReply), detect.Word("healthy"), detect.Word("connected")
			for _, name := range []string{detect.PoolMax, detect.MemoryCurrent, detect.ProcessRSS, detect.SyntheticOK, detect.WorkloadPending} {
				delete(o.Facts, name)
			}
			ev.Observation = &o
			return s
		}, nil)}, []string{trueRecovery, isCured, noNeedlessPage}},
		{mutant{name: "never-closes", says: "keeps every incident open for ever", options: timing(incident.Timing{Probation: 1000 * time.Hour})}, []string{comesToRest, noNeedlessPage}},
		{mutant{name: "never-pages", says: "tells nobody", core: telling(never)}, []string{neverSilent, tiersTold}},
		{mutant{name: "never-resolves", says: "never takes a page back", core: telling(func(n incident.Notice) bool { return n.Kind != incident.NoticeResolve })}, []string{pageResolved}},
		{mutant{name: "no-tiers", says: "tells the first tier only", options: func(o *incident.Options) { o.Escalation = escalation(tiers()[:1]) }}, []string{tiersTold}},
		{mutant{name: "silent-while-held", says: "holds back for ever without a word", options: func(o *incident.Options) {
			o.PageAfter.Held, o.PageAfter.Unresolved, o.Escalation = 0, 0, escalation(tiers()[:1])
		}}, []string{neverSilent, tiersTold}},
		{mutant{name: "silent-unknown", says: "waits for ever for a better look", options: func(o *incident.Options) { o.PageAfter.Unknown = 0 }}, []string{neverSilent}},
		{mutant{name: "never-acts", says: "only watches", options: func(o *incident.Options) {
			o.Modes = map[string]incident.Mode{}
			for _, t := range o.Targets {
				o.Modes[t.Name] = incident.Observe
			}
		}}, []string{isCured, noNeedlessPage}},
		{mutant{name: "pages-at-once", says: "pages instead of trying", options: timing(incident.Timing{Ladder: []string{}})}, []string{noNeedlessPage}},
		{mutant{name: "sleeps", says: "sleeps through its wake-ups", core: func(_ *world, p *incident.Policy) core { return sleeper{p} }}, []string{isCured, neverSilent, tiersTold, noNeedlessPage, asksInTime}},
	}, flapMutants()...)
}

// hasty is a core that takes the last look for a fresh one when a person says something.
type hasty struct{ p *incident.Policy }

func (h hasty) Step(s incident.State, now time.Time, ev incident.Event) (incident.State, incident.Record) {
	next, rec := h.p.Step(s, now, ev)
	t := next.Targets[ev.Target]
	if ev.Kind != incident.Operator || t == nil || t.Last.At.IsZero() {
		return next, rec
	}
	last := t.Last
	after, acts := h.p.Step(next, now, incident.Event{Kind: incident.Observed, Target: ev.Target, Observation: &last})
	if !planned(acts) {
		return next, rec
	}
	acts.Event, acts.Seq, after.Seq = ev, rec.Seq, rec.Seq
	return after, acts
}

// sleeper is a core that does nothing when it is woken.
type sleeper struct{ p *incident.Policy }

func (s sleeper) Step(st incident.State, now time.Time, ev incident.Event) (incident.State, incident.Record) {
	if t := st.Targets[ev.Target]; ev.Kind == incident.Woke && t != nil {
		return st, incident.Record{At: now, Target: ev.Target, From: t.Phase, To: t.Phase, Reason: incident.NoChange, Sentence: "asleep", Event: ev, After: t}
	}
	return s.p.Step(st, now, ev)
}

// TestEveryBrokenRuleIsCaught is the proof that the invariants have teeth.
//
// By itself it runs the broken rules that show within a few worlds; with -mutants (as `make sim`
// does) all of them, each for as many worlds as it is given.
func TestEveryBrokenRuleIsCaught(t *testing.T) {
	var mu sync.Mutex
	caught := map[string]string{}
	from := uint64(1) // the same in every run, so that a rule which shows in few worlds fails nobody's test by chance
	if *allMutants {
		from = beginning(t)
	}
	t.Run("each", func(t *testing.T) {
		for _, m := range mutants() {
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				n := m.within()
				if !*allMutants && n > usual {
					t.Skipf("needs up to %d worlds: run with -mutants", n)
				}
				for s := range uint64(n) {
					r := Run(Options{Seed: from + s, Days: 0.5, breaks: m.mutant})
					if v := r.Violation; v != nil {
						require.Contains(t, m.by, v.Invariant, "it is caught by another invariant than expected: world %d, %s", r.Seed, v)
						mu.Lock()
						caught[m.name] = fmt.Sprintf("%d %s", r.Seed, v)
						mu.Unlock()
						return
					}
				}
				t.Fatalf("%s: nobody noticed in %d worlds", m.says, n)
			})
		}
	})
	for _, m := range mutants() {
		t.Logf("%-24s world %s", m.name, caught[m.name])
	}
}

// TestTheListOfBrokenRulesIsInStep keeps MUTANTS.md in step with the code.
func TestTheListOfBrokenRulesIsInStep(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Deliberately broken rules\n\nGenerated by `go test ./internal/sim -run TestTheListOfBrokenRules -update`.\n\n" +
		"Each line is a daemon that breaks one rule. `TestEveryBrokenRuleIsCaught` lets it live through\nsimulated worlds until one of the named invariants (invariant.go) catches it, within the given\n" +
		"number of worlds of half a day. A rule whose breaking nobody notices fails the test.\n\n" +
		"| broken rule | what the daemon does | caught by | within |\n|---|---|---|---|\n")
	names := map[string]bool{}
	for _, i := range Invariants() {
		names[i] = true
	}
	used := map[string]bool{}
	for _, m := range mutants() {
		n := m.within()
		for _, by := range m.by {
			require.True(t, names[by], "%s is no invariant", by)
			used[by] = true
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d worlds |\n", m.name, m.says, strings.Join(m.by, ", "), n)
	}
	for _, i := range Invariants() {
		require.True(t, used[i], "no broken rule is expected to be caught by %s: an invariant that nothing can break proves nothing", i)
	}
	if *update {
		require.NoError(t, os.WriteFile("MUTANTS.md", []byte(b.String()), 0o644))
	}
	page, err := os.ReadFile("MUTANTS.md")
	require.NoError(t, err)
	require.Equal(t, b.String(), string(page), "stale: run it with -update")
}
