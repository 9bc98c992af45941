package discover

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrNothing says that nothing was found that could be watched without guessing.
var ErrNothing = errors.New("nothing was found that recoveryd knows how to watch")

// Config writes the configuration.
func (f Found) Config() (string, error) {
	if len(f.Services)+len(f.Clusters)+len(f.Plain) == 0 {
		return "", ErrNothing
	}
	watchable := len(f.Clusters) + len(f.Plain)
	for _, s := range f.Services {
		if s.URL != "" {
			watchable++
		}
	}
	if watchable == 0 {
		return "", ErrNothing
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# What "recoveryd init" found on %s, on %s. Read it, then:
#
#   recoveryd setup --apply       gives recoveryd the rights that this file needs, and no others
#   recoveryd doctor              checks that everything is in place
#   systemctl reload recoveryd    (or: restart)
#   recoveryd status              shows the verdicts
#
# In mode observe recoveryd looks, diagnoses and tells, and touches nothing. When you have read its
# history for a while, write auto, and run setup again: it needs more rights then.
# Every key: man 5 recoveryd.yaml
version: 1
mode: observe
`, f.Host, f.When)
	b.WriteString("\ntargets:\n")
	for _, c := range f.Clusters {
		c.write(&b)
	}
	for _, p := range f.Plain {
		p.write(&b)
	}
	for _, s := range f.Services {
		s.write(&b, f)
	}
	f.writeOthers(&b)
	b.WriteString(`
# Who is told. Without a notifier problems are only logged (journalctl -u recoveryd).
# notifiers:
#   - {name: pagerduty, type: pagerduty, routing_key_file: /etc/recoveryd/pagerduty.key}
#   - {name: slack, type: slack, webhook_url_file: /etc/recoveryd/slack.url}
`)
	for _, n := range f.Notes {
		fmt.Fprintf(&b, "\n# %s\n", n)
	}
	return b.String(), nil
}

func (c Cluster) write(b *strings.Builder) {
	state := ""
	if !c.Running {
		state = " It was not running."
	}
	fmt.Fprintf(b, `  # PostgreSQL on port %d.%s The role recoveryd is made by "recoveryd setup".
  - name: %s
    kind: postgres
    unit: %s
    postgres:
      dsn: host=%s port=%d user=recoveryd dbname=postgres
`, c.Port, state, c.Name, quoted(c.Unit), c.Socket, c.Port)
	if c.DataDir != "" {
		fmt.Fprintf(b, "      data_dir: %s # a full disk is no reason for a restart\n", quoted(c.DataDir))
	}
}

func (p Plain) write(b *strings.Builder) {
	check := fmt.Sprintf("{type: redis, address: 127.0.0.1:%d}", p.Port)
	if p.Type == "ollama" {
		check = fmt.Sprintf(`{type: ollama, url: "http://127.0.0.1:%d"}`, p.Port)
	}
	fmt.Fprintf(b, "  - name: %s\n    kind: plain\n    unit: %s\n    check: %s\n", p.Name, quoted(p.Unit), check)
}

func (s Service) write(b *strings.Builder, f Found) {
	if s.URL == "" {
		fmt.Fprintf(b, `  # %s looks like an MCP server (%s), but no health reply was found on port %s.
  # - name: %s
  #   kind: service
  #   unit: %s
  #   health: [{url: "http://127.0.0.1:%d/health/status"}]
`, s.Unit, s.Why, list(s.Ports), Name(s.Unit), quoted(s.Unit), first(s.Ports))
		return
	}
	fmt.Fprintf(b, "  # %s; its health reply said: %s.\n  - name: %s\n    kind: service\n    unit: %s\n", s.Why, s.Says, Name(s.Unit), quoted(s.Unit))
	if len(s.Needs) > 0 {
		fmt.Fprintf(b, "    depends_on: [%s] # it was connected to it, or its unit says so\n", strings.Join(s.Needs, ", "))
	}
	if s.MCP {
		fmt.Fprintf(b, "    health: [{type: mcp, url: %q}]\n", s.URL)
	} else {
		fmt.Fprintf(b, "    health: [{url: %q}]\n", s.URL)
	}
	if s.Pool {
		database := "postgres"
		for _, c := range f.Clusters {
			for _, n := range s.Needs {
				if n == c.Name {
					database = n
				}
			}
		}
		fmt.Fprintf(b, `    # Its pool may be relieved and enlarged, when you say whose sessions they are (application_name in
    # pg_stat_activity) and how far: cap.
    # pool: {application: %s, database: %s, env_file: /run/recoveryd/env/%s.env, env_key: DB_POOL_SIZE, cap: 50}
`, Name(s.Unit), database, Name(s.Unit))
	}
	if s.MemoryMax > 0 {
		fmt.Fprintf(b, "    # memory: {cap: %dMiB} # MemoryMax=%dMiB may be raised up to this\n", s.MemoryMax>>20*2, s.MemoryMax>>20)
	}
}

func (f Found) writeOthers(b *strings.Builder) {
	if len(f.Others) == 0 {
		return
	}
	b.WriteString("\n  # These services listen too. To watch one, write a target like this:\n")
	for _, o := range f.Others {
		fmt.Fprintf(b, "  # - {name: %s, kind: plain, unit: %s, check: {type: tcp, address: 127.0.0.1:%d}}\n", Name(o.Unit), quoted(o.Unit), first(o.Ports))
	}
}

func list(ports []int) string {
	if len(ports) == 0 {
		return "(none)"
	}
	return strings.Trim(fmt.Sprint(ports), "[]")
}

func first(ports []int) int {
	if len(ports) == 0 {
		return 8000 // to be filled in: the line is a comment
	}
	return ports[0]
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._@-]+`)

// Name makes the name of a target from that of its unit.
func Name(unit string) string {
	n := notInNames.ReplaceAllString(strings.TrimSuffix(unit, ".service"), "-")
	n = strings.TrimLeft(n, "._@-")
	if len(n) > 63 {
		n = n[:63]
	}
	if n == "" {
		n = "service"
	}
	return n
}

// quoted writes a text so that YAML reads it as it is. Names of units may hold backslashes.
func quoted(s string) string {
	if strings.ContainsAny(s, `\:#'"{}[],&*!|>% `) || strings.HasPrefix(s, "@") {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return s
}
