package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/recoveryd/recoveryd/internal/setup"
)

// ErrNoService says that this process is in no service of systemd: nothing bounds it but its user.
var ErrNoService = errors.New("not run as a service of systemd")

// Bus connects to the system bus. The caller closes the connection.
func Bus(ctx context.Context) (*dbus.Conn, error) {
	conn, err := dbus.SystemBusPrivate(dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	// The uid and not the name: a name would need a look-up in the user database.
	if err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))}); err == nil {
		err = conn.Hello()
	}
	if err != nil {
		_ = conn.Close() // the first error is the one to report
		return nil, err
	}
	return conn, nil
}

// OwnSandbox asks systemd what the unit of this very process may reach. The error is [ErrNoService] when it
// is in none.
func OwnSandbox(ctx context.Context) (setup.Sandbox, error) {
	conn, err := Bus(ctx)
	if err != nil {
		return setup.Sandbox{}, fmt.Errorf("ask systemd about our own unit: %w", err)
	}
	defer conn.Close()
	var path dbus.ObjectPath
	if err := conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1").
		CallWithContext(ctx, "org.freedesktop.systemd1.Manager.GetUnitByPID", 0, uint32(0)).Store(&path); err != nil { // 0: who asks
		return setup.Sandbox{}, fmt.Errorf("ask systemd about our own unit: %w", err)
	}
	unit := conn.Object("org.freedesktop.systemd1", path)
	const get = "org.freedesktop.DBus.Properties.GetAll"
	var own, service map[string]dbus.Variant
	if err := unit.CallWithContext(ctx, get, 0, "org.freedesktop.systemd1.Unit").Store(&own); err != nil {
		return setup.Sandbox{}, fmt.Errorf("ask systemd about our own unit: %w", err)
	}
	if err := unit.CallWithContext(ctx, get, 0, "org.freedesktop.systemd1.Service").Store(&service); err != nil {
		return setup.Sandbox{}, fmt.Errorf("%w: %w", ErrNoService, err)
	}
	s := SandboxOf(service)
	s.Unit, _ = own["Id"].Value().(string)
	return s, nil
}

// SandboxOf reads what a unit may reach from the properties that systemd tells of a service.
func SandboxOf(p map[string]dbus.Variant) (s setup.Sandbox) {
	s.Allow, s.Deny = prefixes(p["IPAddressAllow"]), prefixes(p["IPAddressDeny"])
	s.PrivateNetwork, _ = p["PrivateNetwork"].Value().(bool)
	if f, ok := p["RestrictAddressFamilies"].Value().([]any); ok && len(f) == 2 { // whether they are allowed, and which
		s.OnlyFamilies, _ = f[0].(bool)
		s.Families, _ = f[1].([]string)
	}
	return s
}

// prefixes reads a list of family, address and length of a prefix.
func prefixes(v dbus.Variant) (out []netip.Prefix) {
	list, _ := v.Value().([][]any)
	for _, x := range list {
		if len(x) != 3 {
			continue
		}
		b, _ := x[1].([]byte)
		bits, _ := x[2].(uint32)
		if a, ok := netip.AddrFromSlice(b); ok {
			out = append(out, netip.PrefixFrom(a, int(bits)))
		}
	}
	return out
}

// lookupLimit bounds one look-up of a name. Where the unit may not reach the server of names, it ends here.
const lookupLimit = 2 * time.Second

// Addresses finds the addresses of a name, nil when they cannot be had soon.
func Addresses(ctx context.Context) func(name string) []netip.Addr {
	return func(name string) []netip.Addr {
		ctx, cancel := context.WithTimeout(ctx, lookupLimit)
		defer cancel()
		list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		if err != nil {
			return nil
		}
		return list
	}
}
