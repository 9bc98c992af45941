package setup

import (
	"net/netip"
	"slices"
	"strings"
)

// allowed are the addresses that a unit with IPAddressDeny= must let through. systemd filters by
// address and not by name: as soon as somebody must be reached by name, any address must be allowed,
// and the line says for whose sake. Addresses of this host need localhost alone.
func allowed(peers []Peer) (lines []string) {
	var list []string
	add := func(s string) {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	for _, p := range peers {
		if p.Host == "localhost" || strings.HasPrefix(p.Host, "/") || strings.HasPrefix(p.Host, "@") { // a path is a unix socket
			add("localhost")
			continue
		}
		a, err := netip.ParseAddr(strings.Trim(p.Host, "[]"))
		switch {
		case err != nil || a.IsUnspecified():
			return []string{"# Any address: " + p.Why + " has no fixed one.", "IPAddressAllow=any"}
		case a.IsLoopback():
			add("localhost")
		default:
			add(a.WithZone("").String())
		}
	}
	if len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	return []string{"IPAddressAllow=" + strings.Join(list, " ")}
}
