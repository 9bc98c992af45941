package config

import (
	"time"
)

// ClassOverride changes a failure class. What is not written keeps its built-in value.
type ClassOverride struct {
	// The failure class to change: a built-in one.
	Class string `yaml:"class" want:"required"`
	// Number of bad looks in a row that confirm the problem.
	Looks int `yaml:"looks" want:"min=1,max=100" unit:"looks" shown:"as built in"`
	// Time that the problem must last before it is confirmed. 0s: looks alone decide.
	For *time.Duration `yaml:"for" want:"max=1d" shown:"as built in"`
	// Time that the problem must stay away before it is over.
	Clear *time.Duration `yaml:"clear" want:"max=1d" shown:"as built in"`
	// Time that a cured target is watched for a relapse before the incident is closed.
	Probation *time.Duration `yaml:"probation" want:"min=1s,max=1d" shown:"probation at the top of the file"`
	// Time that the problem must have lasted before anybody is told of it, when nothing was tried and nothing can be.
	PageAfter *time.Duration `yaml:"page_after" want:"max=1h" shown:"confirmed of page_after"`
	// Severity of its incidents, P1 (highest) to P4.
	Severity string `yaml:"severity" enum:"P1|P2|P3|P4" shown:"as built in"`
	// What is tried, mildest first. Each name is a strategy.
	Ladder []string `yaml:"ladder" want:"nonempty" shown:"as built in"`
	// Targets for which this holds. An entry with targets comes before one without.
	Targets []string `yaml:"targets" want:"nonempty" shown:"all targets"`
}

// StrategyMode is what recoveryd may do by itself with one strategy.
type StrategyMode struct {
	// The strategy, as ladders name it.
	Strategy string `yaml:"strategy" want:"required"`
	// observe: it is never done, ladders pass over it and the page says so. propose: it needs a
	// person's approval. auto: it is done.
	Mode Mode `yaml:"mode" enum:"observe|propose|auto" want:"required"`
	// Targets for which this holds.
	Targets []string `yaml:"targets" want:"nonempty" shown:"all targets"`
}

// Approval is how proposals of mode propose are answered.
type Approval struct {
	// Time that a proposal waits for somebody to say recoveryd approve. Chat channels are told of
	// it at once; when the time is over, people are paged. A yes that comes later still counts.
	// 0s: people are paged at once.
	Deadline time.Duration `yaml:"deadline" default:"5m" want:"max=1d"`
	// After so many proposals of a strategy for a target in a row that were approved and helped,
	// it is done without asking from then on. 0: never.
	PromoteAfter int `yaml:"promote_after" default:"0" want:"min=0,max=1000" unit:"proposals"`
	// After so many attempts of a strategy on a target in a row that did not help, it needs
	// approval from then on. 0: never. Both are undone by recoveryd forget TARGET.
	DemoteAfter int `yaml:"demote_after" default:"0" want:"min=0,max=1000" unit:"attempts"`
}

// EffectMemory is what is remembered from one incident to the next.
type EffectMemory struct {
	// A strategy that did not help against a failure class on a target for so many times in a row
	// is passed over, and the page says so. 0: never.
	SkipAfter int `yaml:"skip_after" default:"5" want:"min=0,max=1000" unit:"attempts"`
	// Time after the last of them when it is tried again. recoveryd forget TARGET forgets at once.
	Forget time.Duration `yaml:"forget_after" default:"1d" want:"min=1m,max=365d"`
}

// Rule is a failure class of the operator's own.
type Rule struct {
	// Name of the class in pages, logs and metrics. Unique, and not that of a built-in class.
	Name string `yaml:"name" form:"slug" want:"required"`
	// Expression over the measured facts which is true while the problem is there, such as
	// "pool.utilization > 0.9 and unit.active == 'active'". A fact that could not be measured makes
	// it neither true nor false; one that is never asked for means that the rule does not apply.
	When string `yaml:"when" want:"required"`
	// Number of bad looks in a row that confirm the problem.
	Looks int `yaml:"looks" default:"2" want:"min=1,max=100" unit:"looks"`
	// Time that it must be true before the problem is confirmed.
	For time.Duration `yaml:"for" default:"30s" want:"max=1d"`
	// Time that it must be false before the problem is over.
	Clear time.Duration `yaml:"clear" default:"30s" want:"max=1d"`
	// Severity of its incidents, P1 (highest) to P4.
	Severity string `yaml:"severity" enum:"P1|P2|P3|P4" default:"P3"`
	// What is tried, mildest first. Each name is a strategy. Without a ladder a person is told
	// and nothing is tried.
	Ladder []string `yaml:"ladder" want:"nonempty"`
	// The sentence that explains the problem in a page.
	Because string `yaml:"because" shown:"rule <name> holds: <when>"`
	// Address of the runbook of this class, for pages and screens.
	Runbook string `yaml:"runbook" form:"url"`
	// Targets to which the rule applies.
	Targets []string `yaml:"targets" want:"nonempty" shown:"all targets"`
	// Kinds of target to which the rule applies.
	Kinds []string `yaml:"kinds" enum:"service|postgres|plain" want:"nonempty" shown:"all kinds"`
	// Kinds of evidence that count, at least two: a disruptive rung of the ladder is taken only when
	// two of them agree. The expression must look at facts of each kind named here. unit and cgroup are older names
	// of workload and memory.
	Witnesses []string `yaml:"witnesses" enum:"http|synthetic|workload|socket|sql|memory|process|plain|disk|unit|cgroup" want:"nonempty" shown:"all kinds that when looks at"`
}

// Alert is how a firing alert of Alertmanager is understood.
type Alert struct {
	// Name of the alert: its label alertname.
	Alertname string `yaml:"alertname" want:"required"`
	// Target that it speaks of.
	Target string `yaml:"target" form:"name"`
	// Label of the alert that names the target, instead of target.
	TargetLabel string `yaml:"target_label" form:"label"`
	// Failure class that it speaks of: a built-in one, or the name of a rule.
	Class string `yaml:"class" want:"required"`
	// Time for which a firing alert counts when Alertmanager neither repeats nor resolves it.
	// Longer than its repeat_interval, which is 4h by default.
	Keep time.Duration `yaml:"keep" default:"5h" want:"min=1m,max=7d"`
}

// Budgets bound what recoveryd does by itself.
type Budgets struct {
	// Actions on one target.
	Target Budget `yaml:"target"`
	// Actions against one failure class, all targets together: when the same trouble comes again and
	// again all over the host, restarting one target after the other does not end it.
	Class ClassBudget `yaml:"class"`
	// Actions on this host, all targets together.
	Host HostBudget `yaml:"host"`
	// Waiting between two actions on the same target.
	Backoff Backoff `yaml:"backoff"`
	// Disruptive actions (a restart, a kill) that may run at the same time on this host.
	Concurrent int `yaml:"concurrent" default:"1" want:"min=1,max=100" unit:"actions"`
}

// Budget is a number of actions in a sliding time window.
type Budget struct {
	// Number of actions. After that a person is told and nothing more is tried until older ones
	// have left the window.
	Actions int `yaml:"actions" default:"4" want:"min=1,max=1000" unit:"actions"`
	// Length of the window.
	Window time.Duration `yaml:"window" default:"1h" want:"min=1m,max=7d"`
}

// ClassBudget is a Budget with the default of one failure class.
type ClassBudget struct {
	// Number of actions against it, on all targets together.
	Actions int `yaml:"actions" default:"8" want:"min=1,max=1000" unit:"actions"`
	// Length of the window.
	Window time.Duration `yaml:"window" default:"1h" want:"min=1m,max=7d"`
}

// HostBudget is a Budget with the default of the whole host.
type HostBudget struct {
	// Number of actions on all targets together.
	Actions int `yaml:"actions" default:"10" want:"min=1,max=1000" unit:"actions"`
	// Length of the window.
	Window time.Duration `yaml:"window" default:"1h" want:"min=1m,max=7d"`
}

// Backoff is how waiting grows.
type Backoff struct {
	// Waiting after the first action.
	Initial time.Duration `yaml:"initial" default:"5s" want:"min=100ms,max=1h"`
	// How much longer each further waiting is.
	Factor float64 `yaml:"factor" default:"2" want:"above=1,max=10" unit:"factor"`
	// The longest waiting.
	Max time.Duration `yaml:"max" default:"5m" want:"min=100ms,max=1d"`
}

// Storm is when failures count as one shared failure.
type Storm struct {
	// Number of new incidents within window that make a storm.
	Targets int `yaml:"targets" default:"5" want:"min=2,max=1000" unit:"incidents"`
	// Length of the window.
	Window time.Duration `yaml:"window" default:"1m" want:"min=1s,max=1h"`
}

// HostStall is when the host is so short of memory or disk bandwidth that lateness proves nothing.
type HostStall struct {
	// Percent of the last 10 seconds in which everything that had work waited for memory (PSI, full
	// avg10 of /proc/pressure/memory). 0: not looked at.
	Memory int `yaml:"memory" default:"20" want:"max=100" unit:"percent"`
	// The same for disks (/proc/pressure/io).
	IO int `yaml:"io" default:"40" want:"max=100" unit:"percent"`
}

// PageAfter is how long a problem may stay as it is before a person is told. The page that ends
// a ladder of which something was tried comes at once and is not affected.
type PageAfter struct {
	// Recovery is held back (by a dependency, an operator, a budget) for this long.
	Held time.Duration `yaml:"held" default:"5m" want:"min=10s,max=1d"`
	// Recovery is held back by what a person did (a stop, a hold, a maintenance window) for this
	// long. 0s: never, since who did it knows.
	Operator time.Duration `yaml:"operator" default:"0s" want:"max=7d"`
	// A problem must have lasted for this long, and be seen again, before anybody is told of it, when nothing was
	// tried and nothing can be: a target that is only watched or observed, on another host, without a right or a rung
	// that applies. Time for which a person had it in hand does not count, and what was well in between begins anew; what
	// comes and goes is told after unresolved. 0s: as soon as it is confirmed.
	Confirmed time.Duration `yaml:"confirmed" default:"10s" want:"max=1h"`
	// The state of a target could not be told for this long.
	Unknown time.Duration `yaml:"unknown" default:"10m" want:"min=10s,max=1d"`
	// A target says itself that it is still starting (loading, recovering) for this long. 0s: as unknown.
	Starting time.Duration `yaml:"starting" default:"0s" want:"max=7d"`
	// A target serves, and calls itself degraded or contradicts itself (a part that is bad, a 503 above a good word) in
	// every look for this long. Nothing is done about it; somebody hears of it once, with severity P3. 0s: never.
	Degraded time.Duration `yaml:"degraded" default:"1h" want:"max=7d"`
	// An incident is open for this long, whatever is being done about it.
	Unresolved time.Duration `yaml:"unresolved" default:"5m" want:"min=10s,max=1d"`
}

// Window is a time in which recoveryd takes no action: once, or again and again.
type Window struct {
	// Name of the window in messages. Unique.
	Name string `yaml:"name" form:"name" want:"required"`
	// Targets for which it holds.
	Targets []string `yaml:"targets" want:"nonempty" shown:"all targets"`
	// When it begins: a time of day ("02:30") for a window that returns, or a moment
	// ("2026-12-24 22:00") for one that happens once.
	Start string `yaml:"start" form:"moment" want:"required"`
	// How long it lasts.
	Duration time.Duration `yaml:"duration" want:"required,min=1m,max=7d"`
	// Time zone of start.
	Timezone string `yaml:"timezone" form:"timezone" default:"Local" want:"nonempty"`
	// Days on which a returning window begins.
	Days []string `yaml:"days" enum:"mon|tue|wed|thu|fri|sat|sun" want:"nonempty" shown:"every day"`
}
