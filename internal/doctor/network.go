package doctor

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"syscall"
	"time"

	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/internal/setup/host"
	"github.com/recoveryd/recoveryd/pkg/egress"
)

// dialLimit bounds one connection to a port. On this host it takes microseconds.
const dialLimit = 3 * time.Second

// ports connects to whatever is asked for its health, and looks at our own port.
func (o Options) ports(ctx context.Context, n *notes) {
	var seen []string
	try := func(target, address string) {
		if address == "" || slices.Contains(seen, address) {
			return
		}
		seen = append(seen, address)
		limited, cancel := context.WithTimeout(ctx, dialLimit)
		defer cancel()
		conn, err := egress.Dial(limited, "tcp", address)
		switch {
		case err == nil:
			_ = conn.Close() // nothing was said on it
			n.ok("port", address, "accepts connections (%s)", target)
		case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES):
			n.add("port", address, Fail, "recoveryd setup --apply: the unit may deny this address (IPAddressDeny=)", "recoveryd may not connect to it (%s): %v", target, err)
		case errors.Is(err, syscall.ECONNREFUSED):
			n.add("port", address, Warn, "is "+target+" running, and is this its port?", "nobody listens (%s)", target)
		default:
			n.add("port", address, Warn, "check the address, and the way to it", "cannot be reached (%s): %v", target, err)
		}
	}
	for _, t := range o.Config.Targets {
		for _, h := range t.Health {
			try(t.Name, addressOf(h.URL))
		}
		if t.Check != nil {
			try(t.Name, cmp.Or(t.Check.Address, addressOf(t.Check.URL)))
		}
	}
	o.ownPort(ctx, n)
	o.ownPage(n, time.Now())
}

// reach compares whom the configuration names with whom the unit may reach. What is not allowed is not
// tried: a vendor would be told something.
func (o Options) reach(ctx context.Context, n *notes, b *bus) {
	p, err := b.properties(ctx, setup.Service, serviceIf)
	if err != nil || len(p) == 0 {
		return // Outside says that it is not installed
	}
	blocked := host.SandboxOf(p).Blocked(o.Peers, host.Addresses(ctx))
	for _, x := range blocked {
		n.add("reach", setup.Service, Fail, setup.Mend, "keeps recoveryd from %s", x)
	}
	if len(blocked) == 0 {
		n.ok("reach", setup.Service, "keeps recoveryd from nobody whom the configuration names")
	}
}

// ownPort looks at http.listen: ours, free, or somebody else's.
func (o Options) ownPort(ctx context.Context, n *notes) {
	listen := o.Config.HTTP.Listen
	if listen == "" {
		n.add("http", "http.listen", Warn, "set it, such as 127.0.0.1:9465", "is empty: nothing outside can notice that recoveryd itself has died")
		return
	}
	l, err := net.Listen("tcp", listen)
	if err == nil {
		_ = l.Close() // it was free
		n.ok("http", listen, "is free")
		return
	}
	if o.Config.HTTP.WebConfigFile != "" {
		n.ok("http", listen, "is in use, with TLS or passwords by %s", o.Config.HTTP.WebConfigFile)
		return
	}
	ours := &url.URL{Scheme: "http", Host: listen, Path: "/livez"}
	if host, port, err := net.SplitHostPort(listen); err == nil && host == "" {
		ours.Host = net.JoinHostPort("localhost", port) // it listens on every address
	}
	to, err := egress.NewTransport(egress.Way{}, ours)
	if err == nil {
		_, err = get(ctx, egress.Client(to), ours.String())
	}
	if err != nil {
		n.add("http", listen, Fail, "who holds it: ss -ltnp; or choose another http.listen", "is in use, and it is not recoveryd that answers: %v", err)
		return
	}
	n.ok("http", listen, "is held by recoveryd, which says that it is alive")
}

// addressOf is the host and port of a URL; "" when it has none.
func addressOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme]))
}
