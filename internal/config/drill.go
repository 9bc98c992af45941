package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// Drills says what may be broken on purpose, to see that it is cured.
type Drills struct {
	// Targets that may be drilled: units of systemd on this host. Empty: drills are off.
	Targets []string `yaml:"targets" form:"name"`
	// Faults that a drill may bring about: kill (every process of the unit is killed), stop (the unit
	// is stopped), freeze (its processes are stopped by a signal), fill-pool (sessions of its
	// application are opened), fill-memory (memory is allocated within its unit).
	Faults []string `yaml:"faults" enum:"kill|stop|freeze|fill-pool|fill-memory" want:"nonempty" shown:"[kill]"`
	// When a drill may begin. Required, so that nothing is broken at night by mistake.
	Windows []DrillWindow `yaml:"windows"`
	// Time from the fault until the target must be well again. After that the drill takes the fault
	// back itself. An order may ask for less.
	Timeout time.Duration `yaml:"timeout" default:"2m" want:"min=10s,max=30m"`
	// Sessions that fill-pool always leaves free at the database, besides those that PostgreSQL
	// reserves itself.
	Reserve int `yaml:"reserve" default:"10" want:"min=1,max=1000" unit:"sessions"`
	// Notifiers that are told of drills, and of nothing else that is a drill's. Without any, drills
	// are told like everything else, marked [DRILL].
	Notify []string `yaml:"notify" want:"nonempty" shown:"as every other incident"`
	// Several drills, one after the other: recoveryd drill --plan NAME.
	Plans []DrillPlan `yaml:"plans"`
}

// DrillWindow is a time in which a drill may begin.
type DrillWindow struct {
	// When it begins: a time of day ("10:00") for a window that returns, or a moment
	// ("2026-12-01 10:00") for one that happens once.
	Start string `yaml:"start" form:"moment" want:"required"`
	// How long it lasts.
	Duration time.Duration `yaml:"duration" want:"required,min=1m,max=1d"`
	// Time zone of start.
	Timezone string `yaml:"timezone" form:"timezone" default:"Local" want:"nonempty"`
	// Days on which a returning window begins.
	Days []string `yaml:"days" enum:"mon|tue|wed|thu|fri|sat|sun" want:"nonempty" shown:"every day"`
}

// DrillPlan is a list of drills.
type DrillPlan struct {
	// Name of the plan, such as monthly. Unique.
	Name string `yaml:"name" form:"slug" want:"required"`
	// Time between the end of one drill and the beginning of the next.
	Pause time.Duration `yaml:"pause" default:"1m" want:"max=1h"`
	// The drills, in order. The first that is refused or fails ends the plan.
	Steps []DrillStep `yaml:"steps" want:"required,nonempty"`
}

// DrillStep is one drill of a plan.
type DrillStep struct {
	// Fault, one of drills.faults.
	Fault string `yaml:"fault" enum:"kill|stop|freeze|fill-pool|fill-memory" want:"required"`
	// Target, one of drills.targets.
	Target string `yaml:"target" form:"name" want:"required"`
}

// On reports whether any drill may happen.
func (d Drills) On() bool { return len(d.Targets) > 0 }

// Open reports whether a drill may begin at that time, and until when.
func (d Drills) Open(now time.Time) (until time.Time, open bool) {
	for _, w := range d.Windows {
		if u, yes := w.window().Active(now); yes && u.After(until) {
			until, open = u, true
		}
	}
	return until, open
}

// WindowWords lists the windows for a message.
func (d Drills) WindowWords() string {
	out := make([]string, 0, len(d.Windows))
	for _, w := range d.Windows {
		s := w.Start + " for " + strictyaml.WriteDuration(w.Duration)
		if len(w.Days) > 0 && len(w.Days) < len(strictyaml.Weekdays()) {
			s = strings.Join(w.Days, " ") + " " + s
		}
		if w.Timezone != "Local" {
			s += " " + w.Timezone
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

// Plan returns the plan of that name.
func (d Drills) Plan(name string) (DrillPlan, bool) {
	for _, p := range d.Plans {
		if p.Name == name {
			return p, true
		}
	}
	return DrillPlan{}, false
}

func (w DrillWindow) window() Window {
	return Window{Start: w.Start, Duration: w.Duration, Timezone: w.Timezone, Days: w.Days}
}

// compute fills in what is not written.
func (d *Drills) compute() {
	if d.Faults == nil {
		d.Faults = []string{"kill"}
	}
	for i := range d.Windows {
		if w := &d.Windows[i]; w.Days == nil && w.window().Returns() {
			w.Days = strictyaml.Weekdays()
		}
	}
}

// drills judges what may be broken on purpose.
func (k *checker) drills() {
	d := k.c.Drills
	k.eachAmong("drills.targets", "target", d.Targets, k.targetNames())
	for i, name := range d.Targets {
		t, ok := k.c.Target(name)
		if p, _ := k.known.platform(t.Platform); ok && (!p.Drills || t.External || t.Object == "") {
			k.fail(strictyaml.Problem{Path: k.Positions.Item("drills.targets", i), What: "cannot be drilled", Got: fmt.Sprintf("%q", name), Want: "a target on this host, of a platform on which faults can be brought about"})
		}
	}
	for i, f := range d.Faults {
		if slices.Contains(d.Faults[:i], f) {
			k.fail(strictyaml.Problem{Path: k.Positions.Item("drills.faults", i), What: "is named twice", Got: f, Hint: "remove one"})
		}
	}
	k.eachAmong("drills.notify", "notifier", d.Notify, k.notifierNames())
	if d.On() && len(d.Windows) == 0 {
		k.fail(strictyaml.Problem{Path: "drills", What: "drills.windows is missing: without a window no drill may begin", Hint: `add windows: [{start: "10:00", duration: 4h, days: [tue]}]`})
	}
	for i, w := range d.Windows {
		p := k.Positions.Item("drills.windows", i)
		if k.Positions.Has(p+".days") && !w.window().Returns() && k.Sound(p+".start", p+".days") {
			k.fail(strictyaml.Problem{Path: p + ".days", What: "contradicts start, which names one day", Got: w.Start, Want: `a time of day such as "10:00"`, Hint: "leave days out, or the date"})
		}
	}
	var names, paths []string
	for i, plan := range d.Plans {
		p := k.Positions.Item("drills.plans", i)
		names, paths = append(names, plan.Name), append(paths, p+".name")
		for j, s := range plan.Steps {
			at := k.Positions.Item(p+".steps", j)
			k.among(at+".target", "target of drills.targets", s.Target, d.Targets)
			k.among(at+".fault", "fault of drills.faults", s.Fault, d.Faults)
		}
	}
	k.unique("the name", names, paths)
}
