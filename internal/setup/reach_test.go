package setup_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/setup"
)

func TestWhomAUnitCannotReach(t *testing.T) {
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, p := range list {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	any := prefixes("0.0.0.0/0", "::/0")
	packaged := setup.Sandbox{Deny: any, Allow: prefixes("127.0.0.0/8", "::1/128"), OnlyFamilies: true, Families: []string{"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"}}
	with := func(change func(*setup.Sandbox)) setup.Sandbox { s := packaged; change(&s); return s }
	peer := func(host string) setup.Peer { return setup.Peer{Host: host, Why: "x"} }
	names := map[string][]netip.Addr{"db.lan": {netip.MustParseAddr("10.0.0.9")}, "self.lan": {netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("127.0.1.1")}}
	for _, c := range []struct {
		name string
		s    setup.Sandbox
		p    setup.Peer
		want string // "" = it passes
	}{
		{"a unit without bounds reaches everybody", setup.Sandbox{}, peer("hooks.slack.com"), ""},
		{"this host is reached", packaged, peer("127.0.0.1"), ""},
		{"this host is reached by name", packaged, peer("localhost"), ""},
		{"this host is reached by its other address", packaged, peer("[::1]"), ""},
		{"a socket is no address", packaged, peer("/run/postgresql"), ""},
		{"an address elsewhere is denied", packaged, peer("10.0.0.9"), "x (10.0.0.9: IPAddressDeny=)"},
		{"an address as an IPv6 one is the same", packaged, peer("::ffff:10.0.0.9"), "x (::ffff:10.0.0.9: IPAddressDeny=)"},
		{"an address that is allowed passes", with(func(s *setup.Sandbox) { s.Allow = prefixes("10.0.0.0/8") }), peer("10.0.0.9"), ""},
		{"what neither list names passes", with(func(s *setup.Sandbox) { s.Deny = prefixes("192.168.0.0/16") }), peer("10.0.0.9"), ""},
		{"a name elsewhere is denied", packaged, peer("db.lan"), "x (db.lan: IPAddressDeny=)"},
		{"one address of a name is enough", packaged, peer("self.lan"), ""},
		{"a name that nobody knows is elsewhere", packaged, peer("hooks.slack.com"), "x (hooks.slack.com: IPAddressDeny=)"},
		{"a name that nobody knows may be what is allowed", with(func(s *setup.Sandbox) { s.Allow = prefixes("52.1.0.0/16") }), peer("hooks.slack.com"), ""},
		{"a vendor is elsewhere", packaged, setup.Peer{Why: "notifier pd"}, "notifier pd (its address: IPAddressDeny=)"},
		{"a receiver on this host is not", packaged, setup.Peer{Why: "notifier hook", MaybeLocal: true}, ""},
		{"any address is allowed", with(func(s *setup.Sandbox) { s.Allow = any }), setup.Peer{Why: "notifier pd"}, ""},
		{"a family is missing", with(func(s *setup.Sandbox) { s.Families = []string{"AF_UNIX"} }), peer("127.0.0.1"), "x (127.0.0.1: RestrictAddressFamilies=)"},
		{"no family for a vendor", with(func(s *setup.Sandbox) { s.Families = []string{"AF_UNIX"} }), setup.Peer{Why: "notifier pd"}, "notifier pd (its address: RestrictAddressFamilies=)"},
		{"a family is forbidden by name", setup.Sandbox{Families: []string{"AF_UNIX"}}, peer("/run/postgresql"), "x (/run/postgresql: RestrictAddressFamilies=)"},
		{"a network of its own leads nowhere", setup.Sandbox{PrivateNetwork: true}, peer("10.0.0.9"), "x (10.0.0.9: PrivateNetwork=)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []string
			if c.want != "" {
				want = []string{c.want}
			}
			require.Equal(t, want, c.s.Blocked([]setup.Peer{c.p, c.p}, func(n string) []netip.Addr { return names[n] }))
		})
	}
}
