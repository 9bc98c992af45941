package app

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// SetupInput says what a configuration needs of its host. User and group are those that recoveryd
// runs as; what depends on the host itself (DeniesIP, Loaded) is left to the caller. A connection
// string that cannot be had (secrets were not read) is taken for the usual one.
func SetupInput(c *config.Config, configFile, user, group string) (setup.Input, error) {
	policy, err := PolicyOf(c)
	if err != nil {
		return setup.Input{}, err
	}
	in := setup.Input{User: user, Group: group, ConfigFile: configFile, StateDir: c.StateDir, RuntimeDir: c.RuntimeDir, Places: c.Places(), Peers: Peers(c), Caps: map[string]int{}}
	for _, t := range c.Targets {
		in.Powers = append(in.Powers, policy.Powers(t.Name)...)
		in.Caps[t.Pool.EnvFile] = max(in.Caps[t.Pool.EnvFile], t.Pool.Cap)
		if t.Postgres != nil {
			in.Clusters = append(in.Clusters, clusterOf(t, user))
		}
	}
	in.Powers = append(in.Powers, playbookPowers(c)...)
	for _, b := range c.Playbooks {
		for i, s := range b.Steps {
			if s.Do == config.DoCommand && s.AsUnit() {
				cmd := commandOf(stepID(b.Name, i), s)
				in.Steps = append(in.Steps, setup.StepUnit{Step: cmd.Name, Unit: cmd.UnitName(), Text: cmd.UnitText()})
			}
		}
	}
	return in, nil
}

// playbookPowers are the actions of every step of every playbook, but of those on targets that are
// only watched: an operator may start a playbook at any time.
func playbookPowers(c *config.Config) (out []strategy.Action) {
	for _, b := range playbooksOf(c) {
		for _, s := range b.Steps {
			t, _ := c.Target(s.Target)
			if s.Action != nil && (s.Target == "" || t.Mode != config.Observe) {
				out = append(out, *s.Action)
			}
		}
	}
	return out
}

// clusterOf reads whom recoveryd logs in as, and where. The password stays where it is.
func clusterOf(t config.Target, user string) setup.Cluster {
	c := setup.Cluster{Target: t.Name, Unit: t.Object, Role: user, Host: "/run/postgresql", Port: 5432, Local: !t.External}
	dsn := t.Postgres.DSN.Reveal()
	if u, err := url.Parse(dsn); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		if u.User.Username() == "" { // the library would take whoever runs this program
			u.User = url.User(user)
			dsn = u.String()
		}
	} else {
		dsn = "user=" + user + " " + dsn // a later user= wins
	}
	pc, err := pgconn.ParseConfig(dsn)
	if err != nil || !t.Postgres.DSN.IsSet() {
		c.Guessed = true
		return c
	}
	c.Role, c.Host, c.Port = pc.User, pc.Host, pc.Port
	c.Local = c.Local && ofThisHost(pc.Host)
	return c
}

// ofThisHost reports a socket or a loopback address.
func ofThisHost(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" || err == nil && a.IsLoopback()
}

// Peers lists whom recoveryd talks to by a configuration.
func Peers(c *config.Config) (out []setup.Peer) {
	add := func(address, why string) {
		if host := hostOf(address); host != "" {
			out = append(out, setup.Peer{Host: host, Why: why})
		}
	}
	for _, t := range c.Targets {
		for _, h := range t.Health {
			add(h.URL, "the health check of "+t.Name)
		}
		for _, s := range t.Synthetic {
			add(s.URL, "check "+s.Name+" of "+t.Name)
		}
		if t.Check != nil {
			add(cmp.Or(t.Check.Address, t.Check.URL), "the check of "+t.Name)
		}
		if t.Postgres != nil {
			add(clusterOf(t, "recoveryd").Host, "PostgreSQL of "+t.Name)
		}
		add(t.Pool.AdminURL, "pool.admin_url of "+t.Name)
	}
	for _, n := range c.Notifiers {
		if n.Type != "log" { // its keys are its own: where it leads to is not known here
			local := func(u string) bool { return ofThisHost(hostOf(u)) }
			urls := n.Section.URLs()
			out = append(out, setup.Peer{Why: "notifier " + n.Name, MaybeLocal: len(urls) > 0 && !slices.ContainsFunc(urls, func(u string) bool { return !local(u) })})
		}
	}
	add(c.Tracing.Endpoint, "tracing.endpoint")
	if c.Heartbeat.URL.IsSet() {
		out = append(out, setup.Peer{Host: hostOf(c.Heartbeat.URL.Reveal()), Why: "the heartbeat"})
	}
	if host, _, err := net.SplitHostPort(c.HTTP.Listen); err == nil && !ofThisHost(host) {
		out = append(out, setup.Peer{Why: "whoever reads http.listen"})
	}
	return out
}

// hostOf is the host of a URL, of host:port, or a path.
func hostOf(address string) string {
	if strings.HasPrefix(address, "/") {
		return address
	}
	if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
