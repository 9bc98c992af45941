package onhost

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// unitState is what is asked of a unit.
type unitState struct {
	active, sub, run, group string
	pid                     int
}

// inspect asks systemd for a unit.
func inspect(ctx context.Context, c *sd.Conn, unit string) (u unitState, err error) {
	p, err := c.GetAllPropertiesContext(ctx, unit)
	if err != nil {
		return u, fmt.Errorf("ask systemd for %s: %w", unit, err)
	}
	u.active, _ = p["ActiveState"].(string)
	u.sub, _ = p["SubState"].(string)
	u.group, _ = p["ControlGroup"].(string)
	if b, ok := p["InvocationID"].([]byte); ok {
		u.run = fmt.Sprintf("%x", b)
	}
	if n, ok := p["MainPID"].(uint32); ok {
		u.pid = int(n)
	}
	return u, nil
}

// signal sends a signal to every process of a unit. That it has none is no error.
func signal(ctx context.Context, c *sd.Conn, unit string, s syscall.Signal) error {
	err := c.KillUnitWithTarget(ctx, unit, sd.All, int32(s))
	if e, ok := errors.AsType[dbus.Error](err); ok && strings.HasSuffix(e.Name, "NoSuchProcess") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("send %s to %s: %w", s, unit, err)
	}
	return nil
}

// job runs a job and waits for its end.
func job(ctx context.Context, what, unit string, begin func(context.Context, string, string, chan<- string) (int, error), mode string) error {
	done := make(chan string, 1)
	if _, err := begin(ctx, unit, mode, done); err != nil {
		return fmt.Errorf("%s %s: %w", what, unit, err)
	}
	select {
	case r := <-done:
		if r != "done" {
			return fmt.Errorf("%s %s: systemd says %q", what, unit, r)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s %s: %w", what, unit, context.Cause(ctx))
	}
}

// command is one entry of ExecStart= and its like.
type command struct {
	Path  string
	Args  []string
	Clean bool // an unclean exit is no failure
}

// transient starts a unit that exists until it ends.
func transient(ctx context.Context, c *sd.Conn, name, about string, argv []string, more ...sd.Property) error {
	props := append([]sd.Property{
		{Name: "Description", Value: dbus.MakeVariant(about)},
		{Name: "ExecStart", Value: dbus.MakeVariant([]command{{Path: argv[0], Args: argv}})},
		{Name: "SyslogIdentifier", Value: dbus.MakeVariant("recoveryd-drill")},
	}, more...)
	return job(ctx, "start", name, func(ctx context.Context, name, mode string, done chan<- string) (int, error) {
		return c.StartTransientUnitContext(ctx, name, mode, props, done)
	}, "fail")
}

func after(argv []string) sd.Property {
	return sd.Property{Name: "ExecStopPost", Value: dbus.MakeVariant([]command{{Path: argv[0], Args: argv}})}
}

func atMost(d time.Duration) sd.Property {
	return sd.Property{Name: "RuntimeMaxUSec", Value: dbus.MakeVariant(uint64(d.Microseconds()))}
}

func property(name, value string) sd.Property {
	return sd.Property{Name: name, Value: dbus.MakeVariant(value)}
}
