// Package doctor looks whether recoveryd can do on this host what its configuration asks, and
// whether it can do more than that.
//
// It changes nothing and sends nothing: rights over units are tried with calls that systemd refuses
// after polkit has let them through (see callAsker), notifiers are built and not used, databases
// are asked about the role alone. What only the service's own user can tell is looked at as that
// user, within the sandbox of its unit ([Inside], started by Sandboxed); what only root can ask is in
// [Outside].
//
// Start reading at [Inside].
package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// Status is what one look came to.
type Status string

// The three statuses, from the best.
const (
	OK   Status = "ok"
	Warn Status = "warn" // it works, but not as it should, or it cannot be told
	Fail Status = "fail" // something that the configuration needs is missing, or too much is allowed
)

// Finding is one line of the report.
type Finding struct {
	Check  string `json:"check"`  // dbus, unit, polkit, files, ...
	Object string `json:"object"` // what was looked at
	Status Status `json:"status"`
	Detail string `json:"detail"`
	Mend   string `json:"mend,omitzero"` // what to do about it
}

// Report is everything that was found.
type Report struct {
	As       string    `json:"as"` // as whom it looked, in words
	Findings []Finding `json:"findings"`
}

// Worst is the worst status of the report.
func (r Report) Worst() Status {
	worst := OK
	for _, f := range r.Findings {
		if f.Status == Fail || f.Status == Warn && worst == OK {
			worst = f.Status
		}
	}
	return worst
}

// Options is what a look needs.
type Options struct {
	ConfigFile string
	Config     *config.Config // without its secrets when Load failed with them
	LoadError  error          // why the secrets could not be had; nil when Config has them
	Wanted     setup.Wanted
	Warnings   []strictyaml.Problem // what is legal but risky in it
	Peers      []setup.Peer         // whom recoveryd talks to by this configuration
	Parts      func() error         // builds what the configuration names (notifiers, rules) and throws it away
	// Instead asks the MCP servers and says what targets are judged by whose server has no such health resource; may be nil.
	Instead func(context.Context) map[string]string
	AsRoot  bool // Outside looks too: leave to it what only root can tell
}

// notes collects findings.
type notes struct{ list []Finding }

func (n *notes) add(check, object string, s Status, mend, format string, args ...any) {
	n.list = append(n.list, Finding{Check: check, Object: object, Status: s, Detail: fmt.Sprintf(format, args...), Mend: mend})
}

func (n *notes) ok(check, object, format string, args ...any) {
	n.add(check, object, OK, "", format, args...)
}

// Inside looks at everything that the service's own user can tell, as whoever runs this process.
func Inside(ctx context.Context, o Options) []Finding {
	n := &notes{}
	o.configuration(n)
	bus, err := dial(ctx)
	if err != nil {
		n.add("dbus", "system bus", Fail, "is dbus running (systemctl status dbus), and may this user reach /run/dbus/system_bus_socket?", "cannot be reached: %v", err)
	} else {
		defer bus.Close()
		o.units(ctx, n, bus)
		o.reach(ctx, n, bus)
		o.rights(ctx, n, "tried", callAsker{bus}, triedVerbs())
		if !o.AsRoot {
			n.add("tried", "reset-failed", Warn, "start doctor as root: it may ask polkit directly", "not asked: no call tries it without an effect")
		}
	}
	o.directories(n)
	o.socket(ctx, n)
	for _, t := range o.Config.Targets {
		if t.Postgres != nil {
			o.database(ctx, n, t)
		}
	}
	o.ports(ctx, n)
	if o.Instead != nil {
		found := o.Instead(ctx)
		for _, target := range slices.Sorted(maps.Keys(found)) {
			n.ok("mcp", target, "the server answers; %s", found[target])
		}
	}
	if !o.AsRoot {
		machine(ctx, n)
	}
	return n.list
}

// needs are the verbs that the configuration needs on a unit.
func (o Options) needs(unit string) []string {
	i := slices.IndexFunc(o.Wanted.Units, func(u setup.UnitRights) bool { return u.Unit == unit })
	if i < 0 {
		return nil
	}
	return o.Wanted.Units[i].Verbs
}

// configuration: the file, its secrets, and what it names.
func (o Options) configuration(n *notes) {
	if o.LoadError != nil {
		for _, p := range strictyaml.Problems(o.LoadError) {
			n.add("configuration", p.Path, Fail, p.Hint, "%s", p.What)
		}
	} else {
		p := o.Config.Places()
		n.ok("configuration", o.ConfigFile, "can be read, with %d secret files and %d credentials", len(p.Secrets), len(p.Credentials))
		err := o.Parts()
		list := strictyaml.Problems(err)
		for _, p := range list { // a notifier reads its own secrets
			n.add("configuration", p.Path, Fail, p.Hint, "%s", p.What)
		}
		if err != nil && len(list) == 0 {
			n.add("configuration", o.ConfigFile, Fail, "recoveryd validate says where", "%v", err)
		}
	}
	for _, w := range o.Warnings {
		n.add("configuration", w.Path, Warn, w.Hint, "%s", w.What)
	}
	if names := len(o.Config.Notifiers); names > 0 && o.LoadError == nil {
		n.ok("notifiers", fmt.Sprint(names), "are configured; nothing was sent (recoveryd notify test sends)")
	}
}
