package sim

import (
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// ledger is what an all-knowing observer writes down about a world: what is true, what people
// want, and what the daemon has promised, said and done. The invariants are judged from it.
type ledger struct {
	truths  map[string]*truth
	intents map[string]*intent

	pause     *incident.Command
	approvals map[string]int       // yeses given, by target
	wishes    map[string]time.Time // when somebody last wanted a target recovered
	asked     map[string]asking
	efforts   map[string]effort        // by target, class and strategy
	trust     map[string]trust         // by target and strategy
	unwritten map[string]lessons       // by target: what a person's word took away from a daemon that could not write it down yet
	changed   map[string]time.Duration // when a lasting setting of a target was last changed
	sealed    map[string]int           // attempts of an incident whose lesson was drawn

	stepped    time.Duration // the clock was last set then
	clockSteps int

	kept      map[string]bool // ids of actions whose record is durable
	performed map[string]bool // ids that were handed out
	executed  map[string]bool // ids that reached the host
	handed    map[string]handing
	runsSeen  map[string]incident.Stage // of playbooks
	stepYes   map[string]int            // the step that somebody approved in time, counted from 1, by run
	dumped    map[string]bool           // runs whose dump is there
	starts    []planStart
	failures  map[string]failure // by incident

	pages map[string]pageState     // by incident and tier
	tiers map[string]bool          // incident and tier: was told
	loose map[string]bool          // keys of pages that left without a journal
	known map[string]time.Duration // when somebody last knew of a target's problem, or held it
}

type pageState uint8

const (
	neverTold pageState = iota
	told
	resolved
)

// truth is what is really wrong with a target, and since when.
type truth struct {
	kind  string
	since time.Duration
	ails  bool          // it has a trouble of its own, not its database's
	own   time.Duration // when it last had one
	quiet time.Duration // since when nothing at all is wrong; forever while something is
}

// intent is what people want with a target, and what they last did to it.
type intent struct {
	stopped bool          // a person stopped it
	since   time.Duration // when
	masked  time.Duration
	hands   time.Duration // a person last started or restarted it
	upgrade time.Duration
	hold    *incident.Command
}

// handing is when an action was handed out, what ran in the unit then, and whether it begins a plan
// that cures: what takes a change back does not wait for systemd, which would retry with the change.
// It was decided against a class; the face of the problem may change in the step that writes it off.
type handing struct {
	at      time.Duration
	run     int
	first   bool
	against detect.Class
}

type planStart struct {
	at     time.Duration
	target string
	class  detect.Class
	undo   bool
}

// failure is when a plan of an incident last turned out not to have helped.
type failure struct {
	at    time.Time
	n     int  // plans of this incident that did not help
	again bool // a person asked for another try since
}

func newLedger() ledger {
	return ledger{truths: map[string]*truth{}, intents: map[string]*intent{}, approvals: map[string]int{}, wishes: map[string]time.Time{}, asked: map[string]asking{}, efforts: map[string]effort{}, trust: map[string]trust{}, unwritten: map[string]lessons{}, sealed: map[string]int{}, changed: map[string]time.Duration{}, stepped: -forever / 2,
		kept: map[string]bool{}, performed: map[string]bool{}, executed: map[string]bool{}, handed: map[string]handing{}, runsSeen: map[string]incident.Stage{}, stepYes: map[string]int{}, dumped: map[string]bool{}, failures: map[string]failure{},
		pages: map[string]pageState{}, tiers: map[string]bool{}, loose: map[string]bool{}, known: map[string]time.Duration{}}
}

func (l *ledger) intent(target string) *intent {
	i := l.intents[target]
	if i == nil {
		i = &intent{since: -time.Hour, masked: -time.Hour, hands: -time.Hour, upgrade: -time.Hour}
		l.intents[target] = i
	}
	return i
}

// watchTruth notes what is true now. A database's trouble changes that of the servers.
func (w *world) watchTruth() {
	for i := range w.targets {
		name := w.targets[i].Name
		t := w.ledger.truths[name]
		if t == nil {
			t = &truth{quiet: 0, own: -time.Hour}
			w.ledger.truths[name] = t
		}
		kind, own := w.things[name].sick(), w.things[name].ails()
		if own || t.ails {
			t.own = w.t
		}
		t.ails = own
		if kind == t.kind {
			continue
		}
		if t.kind == "" {
			t.quiet = forever
		}
		if kind == "" {
			t.quiet = w.t
		}
		t.kind, t.since = kind, w.t
	}
}

// truth is what is really wrong with a target.
func (w *world) truth(target string) truth {
	if t := w.ledger.truths[target]; t != nil {
		return *t
	}
	return truth{own: -time.Hour}
}

// ownTrouble is how long ago the target last had a trouble of its own.
func (w *world) ownTrouble(target string) time.Duration {
	t := w.truth(target)
	if t.ails {
		return 0
	}
	return w.t - t.own
}

// distortedSince reports whether any of the named targets has had a blind or lying witness within
// the time. With no names, it is asked of all.
func (w *world) distortedSince(within time.Duration, names ...string) bool {
	if w.stalledSince(within) { // every answer is late
		return true
	}
	for _, d := range w.distortions {
		if d.until > w.t-within && (len(names) == 0 || containsName(names, d.target)) {
			return true
		}
	}
	return false
}

func containsName(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// around is a target with all that it needs and all that needs it.
func (w *world) around(target string) []string {
	names := []string{target}
	for _, t := range w.targets {
		if t.Name == target {
			names = append(names, t.DependsOn...)
		}
		if containsName(t.DependsOn, target) {
			names = append(names, t.Name)
		}
	}
	return names
}

func (w *world) target(name string) detect.Target { return w.targets[w.index[name]] }

// clockIsSteady reports that the clock was not set within the time.
func (w *world) clockIsSteady(within time.Duration) bool { return w.t-w.ledger.stepped > within }
