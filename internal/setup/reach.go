package setup

import (
	"net/netip"
	"slices"
	"strings"
)

// Mend is the command after which a unit lets through what the configuration needs.
const Mend = "recoveryd setup --apply && systemctl restart " + Service

// Sandbox is what systemd lets a running unit reach. The zero value is a unit without bounds.
type Sandbox struct {
	Unit           string
	Allow, Deny    []netip.Prefix // IPAddressAllow=, IPAddressDeny=: Allow wins, and what neither names passes
	Families       []string       // RestrictAddressFamilies=, such as AF_INET
	OnlyFamilies   bool           // Families are those that it may use, not those that it may not
	PrivateNetwork bool
}

// Blocked lists whom of peers the unit cannot reach, in words and without duplicates. What cannot be told
// passes: an alarm that is not true would be ignored when it is. So a peer whose address nobody
// knows counts only where nothing but this host can be reached. Lookup finds the addresses of a
// name, nil when they cannot be had.
func (s Sandbox) Blocked(peers []Peer, lookup func(name string) []netip.Addr) (out []string) {
	for _, p := range peers {
		if why := s.blocks(p, lookup); why != "" && !slices.Contains(out, p.Why+" ("+why+")") {
			out = append(out, p.Why+" ("+why+")")
		}
	}
	return out
}

// blocks says which setting keeps the unit from a peer; "" = none.
func (s Sandbox) blocks(p Peer, lookup func(string) []netip.Addr) string {
	switch {
	case strings.HasPrefix(p.Host, "/") || strings.HasPrefix(p.Host, "@"):
		if !s.family("AF_UNIX") {
			return p.Host + ": RestrictAddressFamilies="
		}
		return ""
	case p.Host == "localhost":
		return s.all(p.Host, []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()})
	case p.Host == "" && p.MaybeLocal:
		return ""
	case p.Host == "":
		return s.elsewhere("its address")
	}
	if a, err := netip.ParseAddr(strings.Trim(p.Host, "[]")); err == nil {
		if a.IsUnspecified() {
			return ""
		}
		return s.all(p.Host, []netip.Addr{a})
	}
	if list := lookup(p.Host); len(list) > 0 {
		return s.all(p.Host, list)
	}
	return s.elsewhere(p.Host)
}

// all is a reason when no address passes: one that does is enough.
func (s Sandbox) all(host string, list []netip.Addr) (why string) {
	for _, a := range list {
		if why = s.address(a); why == "" {
			return ""
		}
	}
	return host + ": " + why
}

// address says what keeps the unit from one address.
func (s Sandbox) address(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	family := "AF_INET6"
	if a.Is4() {
		family = "AF_INET"
	}
	in := func(list []netip.Prefix) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	switch {
	case !s.family(family):
		return "RestrictAddressFamilies="
	case s.PrivateNetwork && !a.IsLoopback():
		return "PrivateNetwork="
	case in(s.Deny) && !in(s.Allow):
		return "IPAddressDeny="
	}
	return ""
}

// elsewhere is a reason when nothing but this host can be reached.
func (s Sandbox) elsewhere(host string) string {
	outside := func(p netip.Prefix) bool { return !p.Addr().IsLoopback() }
	denied := func(any string) bool {
		return slices.ContainsFunc(s.Deny, func(p netip.Prefix) bool { return p == netip.MustParsePrefix(any) })
	}
	switch {
	case s.PrivateNetwork:
		return host + ": PrivateNetwork="
	case !s.family("AF_INET") && !s.family("AF_INET6"):
		return host + ": RestrictAddressFamilies="
	case denied("0.0.0.0/0") && denied("::/0") && !slices.ContainsFunc(s.Allow, outside):
		return host + ": IPAddressDeny="
	}
	return ""
}

// family reports whether the unit may have sockets of a family.
func (s Sandbox) family(name string) bool {
	return !s.OnlyFamilies && len(s.Families) == 0 || slices.Contains(s.Families, name) == s.OnlyFamilies
}
