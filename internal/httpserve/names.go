package httpserve

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Names says under which names a server is reached. A web page that somebody reads on this host, or in
// its network, can make its own name mean this address (DNS rebinding); the browser then takes us for
// that page and lets it read everything. It cannot make up the name that it asks for.
type Names struct {
	External string   // http.external_url
	Host     string   // of this machine; served where others can reach the listener
	More     []string // http.hosts
}

// known reports whether a request names us: by a loopback name, by the address that it came to, by the
// host of external_url, or by a name that the operator lists. A request without a name is none of a browser.
func (n Names) known(r *http.Request) bool {
	name := nameOf(r.Host)
	if name == "" || here(name) {
		return true
	}
	local, reached := localAddr(r)
	if ip, err := netip.ParseAddr(name); err == nil && reached && ip.Unmap().WithZone("") == local {
		return true
	}
	if reached && !local.IsLoopback() && n.Host != "" && (name == plain(n.Host) || name == firstLabel(n.Host)) {
		return true
	}
	return name == n.external() || slices.ContainsFunc(n.More, func(more string) bool { return name == nameOf(more) })
}

func (n Names) external() string {
	u, err := url.Parse(n.External)
	if err != nil {
		return ""
	}
	return plain(u.Hostname())
}

// foreign reports whether a web page that is not ours makes a request. Browsers say so by Origin, and by
// Sec-Fetch-Site where they send no Origin; nothing else sends either. Following a link to us is no such thing.
func (n Names) foreign(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" { // same-site: another port of this host
		return r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Mode") != "navigate"
	}
	for _, origin := range r.Header.Values("Origin") {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" {
			return true // "null": of a file, or hidden
		}
		name := plain(u.Hostname())
		ours := strings.EqualFold(u.Host, r.Host) || sameOrigin(u, n.External) ||
			slices.ContainsFunc(n.More, func(more string) bool { return name == nameOf(more) })
		if !ours {
			return true
		}
	}
	return false
}

func sameOrigin(origin *url.URL, external string) bool {
	u, err := url.Parse(external)
	return err == nil && u.Host != "" && origin.Scheme == u.Scheme && strings.EqualFold(origin.Host, u.Host)
}

// guard refuses what comes under another name, or from another page.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n Names
		if s.o.Names != nil {
			n = s.o.Names() // of the configuration in force
		}
		switch {
		case !n.known(r):
			refuse(w, http.StatusMisdirectedRequest, "recoveryd is not served under the name %.100q: use the address of http.listen, set http.external_url, or list the name in http.hosts", r.Host)
		case n.foreign(r):
			refuse(w, http.StatusForbidden, "a web page of another origin (%.100q) may not ask recoveryd: set http.external_url, or list its name in http.hosts, if it is yours", r.Header.Get("Origin"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// fromHere reports whether a request came from this host: over the control socket, which asks the kernel
// itself who is on the other end, or over loopback and without the marks of a proxy, which has the
// address of this host and brings what strangers say. nginx leaves no mark but HTTP/1.0, unless it is
// told to; a proxy that hides as a client altogether must not pass POST on.
func fromHere(r *http.Request) bool {
	if r.Context().Value(peerKey{}) != nil {
		return true
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !remote.Addr().Unmap().IsLoopback() || !r.ProtoAtLeast(1, 1) {
		return false
	}
	for header := range r.Header {
		if slices.Contains([]string{"Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Original-Host", "X-Host"}, header) ||
			strings.HasPrefix(header, "X-Forwarded") || strings.HasPrefix(header, "X-Envoy-") {
			return false
		}
	}
	name := nameOf(r.Host)
	local, reached := localAddr(r)
	ip, err := netip.ParseAddr(name)
	return here(name) || err == nil && reached && ip.Unmap() == local
}

// here reports whether a name means this host wherever it is said.
func here(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") { // RFC 6761: never asked of DNS
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

// localAddr is the address of ours that a connection came to.
func localAddr(r *http.Request) (netip.Addr, bool) {
	a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return netip.Addr{}, false
	}
	local, err := netip.ParseAddrPort(a.String())
	return local.Addr().Unmap().WithZone(""), err == nil
}

// nameOf is the name in host:port, [address]:port or either without a port, in the form in which names are compared.
func nameOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return plain(host)
}

func plain(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

func firstLabel(name string) string {
	label, _, _ := strings.Cut(plain(name), ".")
	return label
}
