package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/recoveryd/recoveryd/pkg/platform/systemd"
)

// asker finds out whether a verb on a unit is let through.
type asker interface {
	may(ctx context.Context, unit, verb string) (bool, error)
}

// triedVerbs are the verbs that callAsker can try.
func triedVerbs() []string {
	return slices.DeleteFunc(systemd.AllRights(), func(v string) bool { return v == "reset-failed" })
}

// foreign is a unit that every host has and that no configuration should name. A unit that does not
// exist will not do: systemd would say so before it asks polkit.
const foreign = "systemd-journald.service"

// errNotLoaded says that systemd has forgotten a stopped unit, so that polkit was not asked.
var errNotLoaded = errors.New("the unit is stopped and not loaded")

// rights compares what is let through with what is needed, unit by unit, for these verbs. A unit that nobody named must be refused everything.
func (o Options) rights(ctx context.Context, n *notes, check string, a asker, verbs []string) {
	var units []string
	for _, t := range o.Config.Targets {
		if t.Platform == "systemd" && t.Object != "" && !slices.Contains(units, t.Object) {
			units = append(units, t.Object)
		}
	}
	for _, unit := range slices.Concat(units, o.Wanted.Steps, []string{foreign}) {
		o.unitRights(ctx, n, check, a, unit, verbs)
	}
}

func (o Options) unitRights(ctx context.Context, n *notes, check string, a asker, unit string, verbs []string) {
	needed := o.needs(unit)
	var allowed, missing, surplus []string
	for _, v := range verbs {
		yes, err := a.may(ctx, unit, v)
		need := slices.Contains(needed, v)
		switch {
		case errors.Is(err, errNotLoaded) && o.AsRoot: // root asks polkit itself
		case err != nil:
			n.add(check, unit, Warn, "is polkit running (systemctl status polkit)?", "%s: cannot be told: %v", v, err)
		case yes && need:
			allowed = append(allowed, v)
		case need:
			missing = append(missing, v)
		case yes:
			surplus = append(surplus, v)
		}
	}
	if unit == foreign && len(needed) > 0 {
		return // somebody watches even that
	}
	list := func(l []string) string { return strings.Join(l, ", ") }
	if len(missing) > 0 {
		n.add(check, unit, Fail, "recoveryd setup --apply", "refuses %s, which the ladders of this configuration need", list(missing))
	}
	switch {
	case len(surplus) > 0 && unit == foreign:
		n.add(check, "any other unit", Fail, "look for a rule in /etc/polkit-1/rules.d that is wider than that of recoveryd setup", "%s is let through on a unit that nobody has named", list(surplus))
	case len(surplus) > 0:
		n.add(check, unit, Warn, "recoveryd setup --apply; if that changes nothing, another rule allows it", "lets %s through, which the ladders of this configuration do not need", list(surplus))
	}
	if len(missing)+len(surplus) > 0 {
		return
	}
	switch {
	case unit == foreign:
		n.ok(check, "any other unit", "%s: refused", list(verbs))
	case len(allowed) > 0:
		n.ok(check, unit, "lets %s through, and nothing else", list(allowed))
	default:
		n.ok(check, unit, "%s: refused, and not needed", list(verbs))
	}
}

// callAsker tries the verb itself, with arguments that systemd refuses after polkit has let the
// call through: job modes that do not go with the job, a control process that is not there, no
// property at all. Whether the unit runs or not, nothing happens to it.
type callAsker struct{ bus *bus }

func (a callAsker) may(ctx context.Context, unit, verb string) (bool, error) {
	var err error
	switch verb {
	case "start":
		err = a.bus.manager(ctx, "StartUnit", unit, "triggering").Err // only for stop
	case "stop":
		err = a.bus.manager(ctx, "StopUnit", unit, "isolate").Err // only for start
	case "restart":
		err = a.bus.manager(ctx, "RestartUnit", unit, "isolate").Err
	case "kill":
		err = a.bus.manager(ctx, "KillUnit", unit, "control", int32(18)).Err // SIGCONT, which wakes who sleeps
	case "set-property":
		err = a.bus.manager(ctx, "SetUnitProperties", unit, true, []property{}).Err
	default:
		return false, fmt.Errorf("verb %s cannot be tried without an effect", verb)
	}
	return answered(err)
}

// property is one of SetUnitProperties.
type property struct {
	Name  string
	Value dbus.Variant
}

// answered tells polkit's refusal from systemd's.
func answered(err error) (bool, error) {
	e, ok := errors.AsType[dbus.Error](err)
	if !ok {
		return err == nil, err
	}
	switch e.Name[strings.LastIndexByte(e.Name, '.')+1:] {
	case "AccessDenied", "InteractiveAuthorizationRequired", "AuthFailed":
		return false, nil
	case "NoSuchUnit":
		return false, errNotLoaded
	case "NoReply", "Timeout", "TimedOut", "ServiceUnknown", "NameHasNoOwner", "Disconnected":
		return false, err
	}
	return true, nil // systemd looked at the request itself, and refused that
}

// polkitAsker asks polkit as systemd does, about a process of the service's user. Only root may.
type polkitAsker struct {
	bus *bus
	pid int
	uid uint32
}

func (a polkitAsker) may(ctx context.Context, unit, verb string) (bool, error) {
	return a.authorized(ctx, systemd.ManageUnits, map[string]string{"unit": unit, "verb": verb})
}

// wide are actions of systemd that are about no single unit, with what they would allow.
func wide() map[string]string {
	return map[string]string{
		systemd.ManageUnits:                          "acting on no unit in particular",
		"org.freedesktop.systemd1.manage-unit-files": "changing unit files",
		"org.freedesktop.systemd1.reload-daemon":     "reloading systemd",
		"org.freedesktop.systemd1.set-environment":   "setting the environment of all services",
		"org.freedesktop.login1.reboot":              "rebooting the host",
		"org.freedesktop.login1.power-off":           "switching the host off",
		"org.freedesktop.policykit.exec":             "running programs as somebody else",
	}
}

// refusedAll asks about everything that recoveryd never needs.
func (a polkitAsker) refusedAll(ctx context.Context, n *notes) {
	ids := slices.Sorted(maps.Keys(wide()))
	before := len(n.list)
	asked := 0
	for _, id := range ids {
		yes, err := a.authorized(ctx, id, map[string]string{})
		switch {
		case err == nil && yes:
			n.add("polkit", id, Fail, "look for the rule in /etc/polkit-1/rules.d that allows it", "is let through: %s", wide()[id])
		case err == nil:
			asked++
		} // otherwise this host does not know the action
	}
	if len(n.list) == before && asked > 0 {
		n.ok("polkit", "the host as a whole", "%d powers that recoveryd never needs: refused", asked)
	}
}

func (a polkitAsker) authorized(ctx context.Context, action string, details map[string]string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	type subject struct {
		Kind    string
		Details map[string]dbus.Variant
	}
	var answer struct {
		Authorized, Challenge bool
		Details               map[string]string
	}
	err := a.bus.Object("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority").CallWithContext(ctx,
		"org.freedesktop.PolicyKit1.Authority.CheckAuthorization", 0,
		subject{"unix-process", map[string]dbus.Variant{
			"pid": dbus.MakeVariant(uint32(a.pid)), "start-time": dbus.MakeVariant(uint64(0)), "uid": dbus.MakeVariant(int32(a.uid)), //nolint:gosec // both are small
		}}, action, details, uint32(0), "").Store(&answer)
	return answer.Authorized, err
}
