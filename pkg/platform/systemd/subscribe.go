package systemd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
	"go.uber.org/zap"
)

// subscribe asks for the signals of the session's units and learns who systemd is on the bus.
// The rules name each unit: the bus then does not even send us what other units do.
func (f *feed) subscribe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	rules := [][]dbus.MatchOption{
		{dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchInterface("org.freedesktop.DBus"),
			dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, busName)},
		{dbus.WithMatchSender(busName), dbus.WithMatchInterface(managerIf), dbus.WithMatchMember("Reloading")},
	}
	for name := range f.names { // only this goroutine adds names
		rules = append(rules, unitRules(name)...)
	}
	if err := f.addRules(ctx, rules); err != nil {
		return err
	}
	if err := f.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetNameOwner", 0, busName).Store(&f.owner); err != nil {
		return fmt.Errorf("find systemd on the bus: %w", err)
	}
	return f.subscribeManager(ctx)
}

// unitRules are the rules for the signals of one unit.
func unitRules(name string) [][]dbus.MatchOption {
	manager := func(member string) []dbus.MatchOption {
		return []dbus.MatchOption{dbus.WithMatchSender(busName), dbus.WithMatchInterface(managerIf),
			dbus.WithMatchMember(member), dbus.WithMatchArg(2, name)}
	}
	return [][]dbus.MatchOption{
		{dbus.WithMatchSender(busName), dbus.WithMatchObjectPath(unitPath(name)),
			dbus.WithMatchInterface(propsIf), dbus.WithMatchMember("PropertiesChanged")},
		manager("JobNew"), manager("JobRemoved"),
	}
}

func (f *feed) addRules(ctx context.Context, rules [][]dbus.MatchOption) error {
	for _, r := range rules {
		if err := f.conn.AddMatchSignalContext(ctx, r...); err != nil {
			return fmt.Errorf("ask the bus for signals: %w", err)
		}
	}
	return nil
}

// follow asks for the signals of a unit that was asked for by an alias: systemd signals under the
// unit's own name only. The lock is held.
func (f *feed) follow(ctx context.Context, t *tracker, name string) error {
	if slices.Contains(f.names[name], t) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	if err := f.addRules(ctx, unitRules(name)); err != nil {
		return err
	}
	f.listen(name, t)
	f.adapter.log.Info("unit is known to systemd by another name", zap.String("unit", t.unit), zap.String("name", name))
	return nil
}

// mostBound is how many units that one is bound to are followed. Few have more than one.
const mostBound = 8

// followBound asks for the signals of the units that a watched unit is bound to: systemd stops it when one
// of them ends, by a job that looks like a person's. Where the bus refuses, it goes without. The lock is held.
func (f *feed) followBound(ctx context.Context, t *tracker, names []string) {
	if t.bound {
		return
	}
	for _, name := range names[:min(len(names), mostBound)] {
		if len(f.names[name]) > 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, askLimit)
		err := f.addRules(ctx, unitRules(name))
		cancel()
		if err != nil {
			f.adapter.log.Warn("a unit that another is bound to cannot be followed", zap.String("unit", t.unit), zap.String("bound_to", name), zap.Error(err))
			return
		}
		d := &tracker{unit: name, bound: true, own: f.adapter.own, cause: f.cause}
		f.units[name] = d
		f.listen(name, d)
		f.read(ctx, d)
		if f.waiting > 0 {
			f.waiting++
		}
	}
}

// subscribeManager makes systemd send signals at all. A second subscription is no harm.
func (f *feed) subscribeManager(ctx context.Context) error {
	err := f.conn.Object(busName, managerPath).CallWithContext(ctx, managerIf+".Subscribe", 0).Err
	if e, ok := errors.AsType[dbus.Error](err); ok && strings.HasSuffix(e.Name, ".AlreadySubscribed") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("subscribe to systemd: %w", err)
	}
	return nil
}
