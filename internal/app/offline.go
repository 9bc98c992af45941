package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/detect/probe"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Captured is a health reply that somebody caught, with what else was seen at that moment. It is
// judged by the same code as live looks, on any machine and without touching anything.
type Captured struct {
	File      string            // name for the output
	Reply     *probe.Reply      // nil = the service was not asked
	UnitState string            // active, failed, inactive, activating, auto-restart, masked, not-found, stopped; "" = not known
	Witnesses map[string]string // dependency name -> ok, down, frozen, saturated, starting, unknown
	Target    string            // name of the service in the output
}

// Verdict is one row of `recoveryd diagnose`.
type Verdict struct {
	File    string         `json:"file"`
	Verdict detect.Verdict `json:"verdict"`
	Class   detect.Class   `json:"class"`
	Culprit string         `json:"culprit"`
	Because string         `json:"because"`
	Would   string         `json:"would"`
	Advice  string         `json:"advice,omitzero"`
}

// WitnessStates are the words that a dependency may be given.
var WitnessStates = []string{"ok", "down", "frozen", "saturated", "starting", "unknown"}

// UnitStates are the words that a unit may be given.
var UnitStates = []string{"active", "activating", "auto-restart", "deactivating", "failed", "inactive", "masked", "not-found", "stopped", "unasked"}

// offlineUnit names the units of offline targets, as they are called on Debian.
const offlineCluster = "postgresql@15-main.service"

// Diagnose judges a captured reply.
func Diagnose(c Captured) Verdict {
	at := time.Unix(1_000_000_000, 0) // any instant: only differences matter
	service := detect.Target{Name: c.Target, Kind: detect.KindService, Platform: platformSystemd, Object: c.Target + ".service"}
	facts := detect.Facts{}
	if c.Reply != nil {
		facts = probe.ReadHealth(*c.Reply)
	}
	unitFacts(facts, c.UnitState)
	witnesses := c.Witnesses
	if _, named := facts[detect.HealthDatabase]; named && len(witnesses) == 0 {
		witnesses = map[string]string{"postgres": "unknown"} // the reply speaks of a database that nobody asked
	}
	self := detect.Neighbour{Target: service, Observation: detect.Observation{Target: c.Target, At: at, Facts: facts}}
	service.Pool.Application = c.Target
	b := detect.Background{}
	names := make([]string, 0, len(witnesses))
	for name := range witnesses {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		service.DependsOn = append(service.DependsOn, name)
		service.Pool.Database = names[0]
		b.Needs = append(b.Needs, databaseOf(name, witnesses[name], at, self))
	}
	b.Target = service
	d := detect.Diagnose(self.Observation, b)
	v := Verdict{File: c.File, Verdict: d.Verdict, Class: d.Class, Culprit: d.Culprit, Because: d.Because, Advice: d.Advice}
	v.Would = would(d, service, facts, b.Needs)
	return v
}

// unitFacts puts a word for the unit's state into facts, as systemd's driver would report it.
func unitFacts(f detect.Facts, state string) {
	set := func(is, words string) {
		f[detect.WorkloadNoun], f[detect.WorkloadManager] = detect.Word("unit"), detect.Word("systemd")
		f[detect.WorkloadState], f[detect.WorkloadWords] = detect.Word(is), detect.Word("unit "+words)
	}
	switch state {
	case "":
	case "active":
		set(detect.StateRunning, "active/running")
	case "auto-restart":
		set(detect.StateRetrying, "activating/auto-restart")
	case "activating":
		set(detect.StateStarting, "activating/start")
	case "deactivating":
		set(detect.StateStopping, "deactivating/stop-sigterm")
	case "failed":
		set(detect.StateFailed, "failed")
		f[detect.WorkloadDeparture] = detect.Word(detect.DepartureCrash)
	default:
		set(detect.StateStopped, "inactive")
	}
	switch state {
	case "stopped":
		f[detect.WorkloadDeparture] = detect.Word(detect.DepartureStopped)
	case "unasked":
		f[detect.WorkloadDeparture] = detect.Word(detect.DepartureUnasked)
	case "masked":
		f[detect.WorkloadDisabled] = detect.Word("masked")
	case "not-found":
		f[detect.WorkloadMissing] = detect.Word("the unit does not exist on this host")
		f[detect.WorkloadAdvice] = detect.Word("correct `unit:` in the configuration, or install the unit; on Debian a cluster is postgresql@<version>-<name>.service")
	}
}

// databaseOf makes the neighbour that a --witness describes.
func databaseOf(name, state string, at time.Time, dependent detect.Neighbour) detect.Neighbour {
	t := detect.Target{Name: name, Kind: detect.KindPostgres, Platform: platformSystemd, Object: offlineCluster}
	f := detect.Facts{}
	unit := "active"
	switch state {
	case "ok":
		f[detect.SQLOutcome] = detect.Word(detect.SQLOK)
	case "down":
		f[detect.SQLOutcome] = detect.Word(detect.SQLRefused)
		unit = "failed"
	case "frozen":
		f[detect.SQLOutcome] = detect.Word(detect.SQLFrozen)
	case "saturated":
		f[detect.SQLOutcome], f[detect.SQLState] = detect.Word(detect.SQLSaturated), detect.Word("53300")
	case "starting":
		f[detect.SQLOutcome], f[detect.SQLState] = detect.Word(detect.SQLStarting), detect.Word("57P03")
		unit = "activating"
	default:
		f[detect.SQLOutcome] = detect.NotMeasured("not asked")
		unit = ""
	}
	unitFacts(f, unit)
	n := detect.Neighbour{Target: t, Observation: detect.Observation{Target: name, At: at, Facts: f}}
	n.Diagnosis = detect.Diagnose(n.Observation, detect.Background{Target: t, Dependents: []detect.Neighbour{dependent}})
	return n
}

// would says what the culprit's ladder would begin with, once the problem is confirmed.
func would(d detect.Diagnosis, self detect.Target, facts detect.Facts, needs []detect.Neighbour) string {
	switch d.Verdict {
	case detect.Healthy:
		return "nothing"
	case detect.Unknown:
		if d.Class == detect.ClassMisconfigured {
			return "nothing but page: restarting cannot help"
		}
		return "nothing: it does not act on a guess; page if it lasts"
	case detect.Degraded:
		return "nothing: it serves; watch"
	}
	target := self
	if d.Masked() {
		for _, n := range needs {
			if n.Target.Name == d.Culprit {
				if !n.Diagnosis.Bad() {
					return fmt.Sprintf("nothing yet: %s itself could not be asked, and one witness is not enough", n.Target.Name)
				}
				target, facts, d = n.Target, n.Observation.Facts, n.Diagnosis
			}
		}
	}
	if stopped := facts.Text(detect.WorkloadDeparture) == detect.DepartureStopped || facts.Text(detect.WorkloadDisabled) != ""; stopped {
		return "nothing: a person stopped or masked it"
	}
	if facts.Text(detect.WorkloadDeparture) == detect.DepartureUnasked {
		return "nothing: nothing asks for it to run"
	}
	set, err := strategy.NewSet(strategy.Builtin()...)
	if err != nil {
		return "nothing: " + err.Error()
	}
	cond, ok := detect.ConditionFor(d.Class, target.Kind, nil)
	if !ok || len(cond.Ladder) == 0 {
		return "nothing but page: no action can cure this"
	}
	_, plan, skipped := set.Next(cond.Ladder, 0, strategy.Input{Diagnosis: d, Target: target, Facts: facts})
	if len(plan.Actions) == 0 {
		return "nothing but page: " + strings.Join(skipped, "; ")
	}
	if plan.Disrupts() {
		if _, agree := detect.Agree(d.Class, d.Witnesses); !agree {
			return fmt.Sprintf("nothing yet: %s needs two kinds of evidence", plan.Strategy)
		}
	}
	steps := make([]string, len(plan.Actions))
	for i, a := range plan.Actions {
		steps[i] = a.String()
	}
	return plan.Strategy + ": " + strings.Join(steps, ", then ")
}
