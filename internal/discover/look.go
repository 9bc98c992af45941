package discover

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/detect/probe"
)

// healthPaths are where health replies are looked for, the best first.
var healthPaths = []string{"/health/status", "/health", "/healthz", "/readyz"}

// cluster is Debian's unit of one PostgreSQL cluster.
var cluster = regexp.MustCompile(`^postgresql@([0-9.]+)-(.+)\.service$`)

// system are services of the host itself, which nobody wants in a list of what else to watch.
var system = regexp.MustCompile(`^(systemd-|dbus|ssh|getty|serial-getty|polkit|cron|rsyslog|chrony|ntp|recoveryd)`)

// Look looks at this host. An error means that systemd could not be asked.
func Look(ctx context.Context) (Found, error) {
	f := Found{When: time.Now().Format(time.DateOnly)}
	f.Host, _ = os.Hostname() // without a name the comment says so
	conn, err := sd.NewSystemConnectionContext(ctx)
	if err != nil {
		return f, fmt.Errorf("ask systemd for its services: %w (is this a host with systemd and D-Bus?)", err)
	}
	defer conn.Close()
	units, err := conn.ListUnitsByPatternsContext(ctx, nil, []string{"*.service"})
	if err != nil {
		return f, fmt.Errorf("ask systemd for its services: %w", err)
	}
	slices.SortFunc(units, func(a, b sd.UnitStatus) int { return cmp.Compare(a.Name, b.Name) })
	table, err := processes("/")
	if err != nil {
		return f, err
	}
	socks, err := sockets("/")
	if err != nil {
		return f, err
	}
	l := looker{conn: conn, table: table, socks: socks}
	if os.Geteuid() != 0 {
		f.Notes = append(f.Notes, "init was not started as root: it could not see which service listens where.")
	}
	for _, u := range units {
		if u.LoadState != "loaded" {
			continue
		}
		l.dependency(ctx, &f, u)
	}
	nameClusters(f.Clusters)
	for _, u := range units {
		if u.LoadState == "loaded" && u.ActiveState == "active" {
			l.service(ctx, &f, u)
		}
	}
	return f, nil
}

// looker is what one look knows of the host.
type looker struct {
	conn  *sd.Conn
	table map[string]*unitOf
	socks []socket
}

// listens are the ports of a unit that can be reached from this host, smallest first.
func (l looker) listens(unit string) (ports []int) {
	u := l.table[unit]
	if u == nil {
		return nil
	}
	for _, s := range l.socks {
		if s.listens && u.sockets[s.inode] && (s.loopback || s.any) && !slices.Contains(ports, s.local) {
			ports = append(ports, s.local)
		}
	}
	slices.Sort(ports)
	return ports
}

// connected reports whether a process of the unit has a connection to the port.
func (l looker) connected(unit string, port int) bool {
	u := l.table[unit]
	return u != nil && slices.ContainsFunc(l.socks, func(s socket) bool { return !s.listens && s.remote == port && u.sockets[s.inode] })
}

func (l looker) runs(unit string, names ...string) bool {
	u := l.table[unit]
	return u != nil && slices.ContainsFunc(names, func(n string) bool { return slices.Contains(u.commands, n) })
}

// dependency recognises databases, Redis and Ollama by their programs.
func (l looker) dependency(ctx context.Context, f *Found, u sd.UnitStatus) {
	ports := l.listens(u.Name)
	m := cluster.FindStringSubmatch(u.Name)
	switch {
	case m != nil || l.runs(u.Name, "postgres"):
		c := Cluster{Unit: u.Name, Port: 5432, Socket: "/run/postgresql", Running: u.ActiveState == "active"}
		if m != nil {
			c.readDebian(ctx, m[1], m[2])
		}
		if len(ports) > 0 {
			c.Port = ports[0]
		}
		for _, dir := range []string{"/run/postgresql", "/tmp"} {
			if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf(".s.PGSQL.%d", c.Port))); err == nil {
				c.Socket = dir
				break
			}
		}
		f.Clusters = append(f.Clusters, c)
	case l.runs(u.Name, "redis-server", "valkey-server") && len(ports) > 0:
		f.Plain = append(f.Plain, Plain{Name: Name(u.Name), Unit: u.Name, Type: "redis", Port: ports[0]})
	case l.runs(u.Name, "ollama") && len(ports) > 0:
		f.Plain = append(f.Plain, Plain{Name: Name(u.Name), Unit: u.Name, Type: "ollama", Port: ports[0]})
	}
}

// readDebian asks Debian's own tool for port and data directory.
func (c *Cluster) readDebian(ctx context.Context, version, name string) {
	out, err := exec.CommandContext(ctx, "pg_lsclusters", "--no-header").Output()
	if err != nil {
		return // another distribution: the port is taken from the socket
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line) // version cluster port status owner data log
		if len(f) < 6 || f[0] != version || f[1] != name {
			continue
		}
		if port, err := strconv.Atoi(f[2]); err == nil {
			c.Port = port
		}
		c.DataDir = f[5]
	}
}

// nameClusters calls a single cluster postgres, and several after their units.
func nameClusters(list []Cluster) {
	for i := range list {
		list[i].Name = "postgres"
		if len(list) > 1 {
			list[i].Name = Name(strings.ReplaceAll(list[i].Unit, "@", "-"))
		}
	}
}

// service recognises MCP servers by their words, and asks them for their health.
func (l looker) service(ctx context.Context, f *Found, u sd.UnitStatus) {
	ports := l.listens(u.Name)
	if slices.ContainsFunc(f.Clusters, func(c Cluster) bool { return c.Unit == u.Name }) ||
		slices.ContainsFunc(f.Plain, func(p Plain) bool { return p.Unit == u.Name }) {
		return
	}
	props, err := l.conn.GetAllPropertiesContext(ctx, u.Name)
	if err != nil {
		return // it has gone since it was listed
	}
	why := soundsLikeMCP(u, props)
	if why == "" {
		if len(ports) > 0 && !system.MatchString(u.Name) {
			f.Others = append(f.Others, Other{Unit: u.Name, Ports: ports})
		}
		return
	}
	s := Service{Unit: u.Name, Why: why, Ports: ports}
	if limit, ok := props["MemoryMax"].(uint64); ok && limit < 1<<62 {
		s.MemoryMax = limit
	}
	for _, port := range ports {
		if s.ask(ctx, port) {
			break
		}
	}
	words := strings.Fields(fmt.Sprint(props["Requires"], props["Wants"], props["BindsTo"]))
	for i, w := range words {
		words[i] = strings.Trim(w, "[]")
	}
	for _, c := range f.Clusters {
		meta := slices.Contains(words, "postgresql.service") && len(f.Clusters) == 1
		if l.connected(u.Name, c.Port) || slices.Contains(words, c.Unit) || meta {
			s.Needs = append(s.Needs, c.Name)
		}
	}
	for _, p := range f.Plain {
		if l.connected(u.Name, p.Port) || slices.Contains(words, p.Unit) {
			s.Needs = append(s.Needs, p.Name)
		}
	}
	f.Services = append(f.Services, s)
}

// mcp is the word by itself: mcp-server, codebase_mcp, but not "smcpd".
var mcp = regexp.MustCompile(`(?i)(^|[^a-z])mcp([^a-z]|$)`)

// soundsLikeMCP says what makes a unit look like an MCP server.
func soundsLikeMCP(u sd.UnitStatus, props map[string]any) string {
	switch {
	case mcp.MatchString(u.Name):
		return "an MCP server by the name of its unit"
	case mcp.MatchString(u.Description):
		return "an MCP server by its description"
	}
	commands, _ := props["ExecStart"].([][]any)
	for _, c := range commands {
		if len(c) > 1 && mcp.MatchString(fmt.Sprint(c[1])) {
			return "an MCP server by its command"
		}
	}
	return ""
}

// ask looks for a health reply on a port, with the eyes of the daemon.
func (s *Service) ask(ctx context.Context, port int) bool {
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	for _, path := range healthPaths {
		w, err := probe.NewHTTPHealth(probe.Endpoint{URL: base + path, Timeout: 2 * time.Second})
		if err == nil && s.told(w.Look(ctx, nil)) {
			s.URL = base + path
			return true
		}
	}
	w, err := probe.NewMCPHealth(probe.MCPEndpoint{Endpoint: probe.Endpoint{URL: base + "/mcp", Timeout: 2 * time.Second}}, "health://status")
	if err == nil && s.told(w.Look(ctx, nil)) {
		s.URL, s.MCP = base+"/mcp", true
		return true
	}
	return false
}

// told keeps what a health reply says, and reports whether it was one.
func (s *Service) told(facts detect.Facts) bool {
	status := facts.Text(detect.HealthStatus)
	if facts.Text(detect.HTTPOutcome) != detect.OutcomeReply || !slices.Contains([]string{"healthy", "degraded", "unhealthy"}, status) {
		return false
	}
	s.Says = status
	if size, ok := facts.Num(detect.PoolMax); ok {
		s.Pool = true
		s.Says += fmt.Sprintf(", a pool of at most %.0f connections", size)
	}
	return true
}
