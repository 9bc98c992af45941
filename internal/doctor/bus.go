package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/setup/host"
	"github.com/recoveryd/recoveryd/pkg/platform/envfile"
)

const (
	systemdName = "org.freedesktop.systemd1"
	managerPath = "/org/freedesktop/systemd1"
	managerIf   = "org.freedesktop.systemd1.Manager"
	unitIf      = "org.freedesktop.systemd1.Unit"
	serviceIf   = "org.freedesktop.systemd1.Service"
	// askLimit bounds one question to the bus. polkit may have to be started first.
	askLimit = 10 * time.Second
)

// bus is a connection to the system bus.
type bus struct{ *dbus.Conn }

func dial(ctx context.Context) (*bus, error) {
	conn, err := host.Bus(ctx)
	if err != nil {
		return nil, err
	}
	return &bus{conn}, nil
}

// manager calls systemd.
func (b *bus) manager(ctx context.Context, method string, args ...any) *dbus.Call {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return b.Object(systemdName, managerPath).CallWithContext(ctx, managerIf+"."+method, 0, args...)
}

// properties reads all properties of an interface of a unit, which is loaded for that.
func (b *bus) properties(ctx context.Context, unit, iface string) (map[string]dbus.Variant, error) {
	var path dbus.ObjectPath
	if err := b.manager(ctx, "LoadUnit", unit).Store(&path); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var out map[string]dbus.Variant
	err := b.Object(systemdName, path).CallWithContext(ctx, "org.freedesktop.DBus.Properties.GetAll", 0, iface).Store(&out)
	return out, err
}

func text(p map[string]dbus.Variant, key string) string {
	s, _ := p[key].Value().(string)
	return s
}

// units looks at the unit of every target, and at our own.
func (o Options) units(ctx context.Context, n *notes, b *bus) {
	var version string
	v, err := b.Object(systemdName, managerPath).GetProperty(managerIf + ".Version")
	if err == nil {
		version, _ = v.Value().(string)
	}
	if err != nil {
		n.add("dbus", "systemd", Fail, "is systemd the init system of this host?", "does not answer: %v", err)
		return
	}
	n.ok("dbus", "systemd", "answers on the system bus (version %s)", version)
	for _, t := range o.Config.Targets {
		if t.Platform == "systemd" && t.Object != "" {
			o.unit(ctx, n, b, t)
		}
	}
	for _, unit := range o.Wanted.Steps {
		u, err := b.properties(ctx, unit, unitIf)
		stale, _ := u["NeedDaemonReload"].Value().(bool)
		switch load := text(u, "LoadState"); {
		case err != nil:
			n.add("step", unit, Fail, "look at it: systemctl status "+unit, "cannot be read: %v", err)
		case load != "loaded":
			n.add("step", unit, Fail, "recoveryd setup --apply", "is not installed (%s): the step of a playbook that it is cannot be done", load)
		case stale:
			n.add("step", unit, Warn, "systemctl daemon-reload", "its file has changed since systemd read it")
		default:
			n.ok("step", unit, "is there: the command of a playbook's step")
		}
	}
}

// unit finds the traps in the choice of a unit.
func (o Options) unit(ctx context.Context, n *notes, b *bus, t config.Target) {
	u, err := b.properties(ctx, t.Object, unitIf)
	if err != nil {
		n.add("unit", t.Object, Fail, "look at it: systemctl status "+t.Object, "cannot be read: %v", err)
		return
	}
	s, err := b.properties(ctx, t.Object, serviceIf)
	if err != nil {
		n.add("unit", t.Object, Fail, "name a unit that ends in .service", "is no service: %v", err)
		return
	}
	before := len(n.list)
	switch load := text(u, "LoadState"); {
	case load == "not-found":
		n.add("unit", t.Object, Fail, "correct unit: of target "+t.Name+" (systemctl list-units --type=service lists them)", "there is no such unit")
		return
	case load == "masked":
		n.add("unit", t.Object, Warn, "systemctl unmask "+t.Object, "is masked: recoveryd leaves it alone")
	case load != "loaded":
		n.add("unit", t.Object, Fail, "systemctl status "+t.Object+" says why", "is not loaded (%s)", load)
	}
	if id := text(u, "Id"); id != t.Object {
		n.add("unit", t.Object, Fail, "write unit: "+id, "is another name of %s, and polkit is told that one", id)
	}
	if runsTrue(s) {
		n.add("unit", t.Object, Fail, "name the unit that runs the program, such as postgresql@15-main.service", "runs nothing but true and stays active when what it stands for is dead")
	}
	if stale, _ := u["NeedDaemonReload"].Value().(bool); stale {
		n.add("unit", t.Object, Warn, "systemctl daemon-reload", "its files have changed since systemd read them")
	}
	if f := t.Pool.EnvFile; f != "" && t.Mode != config.Observe {
		files := environmentFiles(s)
		switch {
		case slices.Contains(files, f):
			n.add("unit", t.Object, Fail, "recoveryd setup --apply", "reads %s itself: whoever takes over recoveryd could run code in the service by it (LD_PRELOAD)", f)
		case !slices.Contains(files, envfile.Passed(f)):
			n.add("unit", t.Object, Fail, "recoveryd setup --apply", "does not read %s, by which its pool would be enlarged", envfile.Passed(f))
		}
	}
	if len(n.list) == before {
		n.ok("unit", t.Object, "is there (%s/%s)", text(u, "ActiveState"), text(u, "SubState"))
	}
}

// runsTrue reports a unit whose only command is true, as Debian's postgresql.service.
func runsTrue(s map[string]dbus.Variant) bool {
	commands, _ := s["ExecStart"].Value().([][]any)
	for _, c := range commands {
		if path, _ := c[0].(string); strings.HasSuffix(path, "/true") {
			return true
		}
	}
	return false
}

func environmentFiles(s map[string]dbus.Variant) (out []string) {
	list, _ := s["EnvironmentFiles"].Value().([][]any)
	for _, f := range list {
		out = append(out, fmt.Sprint(f[0]))
	}
	return out
}
