package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// The limits of health checks against the MCP servers, as measured.
const (
	// slowestFullPool: with its pool full, a server takes 1001 ms to say so. A deadline has to
	// leave room above that, or "pool" looks like "hung".
	slowestFullPool = 1500 * time.Millisecond
	// pollAllowance: with more health requests a minute than this from one client, a server
	// answers 500 and looks down.
	pollAllowance = 60
)

func (k *checker) health(path string, t Target) {
	if t.Kind != KindOfService {
		return
	}
	perMinute := map[string]float64{}
	for i, h := range t.Health {
		p := k.Positions.Item(path+".health", i)
		k.call(p, h.Type, h.Call)
		k.shorter(p+".timeout", h.Timeout, path+".interval", t.Interval)
		if h.Timeout < slowestFullPool {
			k.risk(p+".timeout", "a server whose pool is full takes a second to say so, and would look hung", "use 3s")
		}
		k.terms(p, h)
		if h.Type != TypeMCP && k.Positions.Has(p+".resource") {
			k.noEffect(p+".resource", "type "+h.Type, "type mcp")
		}
		if u, err := url.Parse(h.URL); err == nil && t.Interval > 0 && !h.BearerToken.IsSet() {
			perMinute[u.Host] += float64(time.Minute) / float64(t.Interval)
		}
		if t.Latency > 0 && t.Latency >= h.Timeout {
			k.fail(strictyaml.Problem{Path: path + ".latency", What: "is never reached: the health check gives up before", Got: strictyaml.WriteDuration(t.Latency), Want: "less than " + strictyaml.WriteDuration(h.Timeout)})
		}
	}
	for _, n := range perMinute {
		if n >= pollAllowance {
			k.risk(path+".interval", fmt.Sprintf("%.0f health checks a minute: some servers answer more than %d with an error and look down", n, pollAllowance), "use 5s, or give recoveryd a bearer_token of its own")
			break
		}
	}
}

// terms judges what is taught about a health reply.
func (k *checker) terms(p string, h HealthCheck) {
	for _, w := range slices.Sorted(maps.Keys(h.Words)) {
		if means, ok := h.Words[w].(string); !ok || !slices.Contains([]string{"healthy", "degraded", "unhealthy"}, means) {
			k.fail(strictyaml.Problem{Path: p + ".words", What: fmt.Sprintf("says something else of %q", w), Got: fmt.Sprint(h.Words[w]), Want: "healthy, degraded or unhealthy"})
		}
	}
	for _, part := range h.RequiredParts {
		if slices.Contains(h.IgnoredParts, part) {
			k.fail(strictyaml.Problem{Path: p + ".ignored_parts", What: "contradicts required_parts", Got: part, Want: "each part in one of them"})
		}
	}
}

func (k *checker) synthetic(path string, t Target) {
	var names, paths []string
	for i, s := range t.Synthetic {
		p := k.Positions.Item(path+".synthetic", i)
		names, paths = append(names, s.Name), append(paths, p+".name")
		k.call(p, s.Type, s.Call)
		k.shorter(p+".timeout", s.Timeout, p+".every", s.Every)
		if !k.Sound(p + ".type") {
			continue
		}
		if s.Type == TypeHTTP {
			if s.Tool != "" {
				k.noEffect(p+".tool", "type http", "type mcp or ndjson")
			}
			if s.Arguments != nil {
				k.noEffect(p+".arguments", "type http", "type mcp or ndjson")
			}
			continue
		}
		if s.Body != "" {
			k.noEffect(p+".body", "type "+s.Type, "type http")
		}
		if s.Tool == "" {
			k.fail(strictyaml.Problem{Path: p + ".tool", What: "is missing", Want: "the name of the tool to call"})
		}
	}
	k.unique("the name", names, paths)
}

const mcpAddress = "looks like the address of an MCP server, which answers a plain request with an error or a stream without end"

// call judges what health and synthetic checks have in common.
func (k *checker) call(p, kind string, c Call) {
	if kind != TypeHTTP && c.Method != "" {
		k.noEffect(p+".method", "type "+kind, "type http")
	}
	if kind != TypeMCP && k.Positions.Has(p+".transport") {
		k.noEffect(p+".transport", "type "+kind, "type mcp")
	}
	k.headers(p, c)
	u, err := url.Parse(c.URL)
	if err != nil || c.URL == "" {
		return
	}
	if last := strings.TrimRight(u.Path, "/"); kind == TypeHTTP && strings.HasSuffix(last, "/sse") {
		k.risk(p+".url", mcpAddress, "write type: mcp and transport: sse")
	} else if kind == TypeHTTP && strings.HasSuffix(last, "/mcp") {
		k.risk(p+".url", mcpAddress, "write type: mcp")
	} else if kind == TypeMCP && c.Transport != "sse" && strings.HasSuffix(last, "/sse") {
		k.risk(p+".url", "looks like the address of an MCP server of the older transport, which is asked in another way", "write transport: sse")
	} else if kind == TypeMCP && c.Transport == "sse" && strings.HasSuffix(last, "/mcp") {
		k.risk(p+".url", "looks like the address of an MCP server of the streamable transport, which is asked in another way", "leave out transport: sse")
	}
	if u.User != nil {
		k.fail(strictyaml.Problem{Path: p + ".url", What: "holds a user name or password", Want: "a plain address", Hint: "send them in headers, with value_file"})
	}
	if c.BearerToken.Source() != "" && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		k.risk(p+".bearer_token", "the token is sent to another host without encryption", "use https")
	}
	if u.Scheme != "https" {
		if c.InsecureSkipVerify {
			k.noEffect(p+".insecure_skip_verify", u.Scheme, "https")
		}
		if c.CAFile != "" {
			k.noEffect(p+".ca_file", u.Scheme, "https")
		}
		return
	}
	switch {
	case c.InsecureSkipVerify && c.CAFile != "":
		k.fail(strictyaml.Problem{Path: p + ".insecure_skip_verify", What: "contradicts ca_file", Got: "true", Want: "false"})
	case c.InsecureSkipVerify:
		k.risk(p+".insecure_skip_verify", "anybody in the network can answer for this server", "name its certificate in ca_file")
	}
}

// telling are the headers that carry a secret; others may well stand in the file.
var telling = []string{"authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"}

func (k *checker) headers(p string, c Call) {
	var names, paths []string
	for i, h := range c.Headers {
		here := k.Positions.Item(p+".headers", i)
		name := strings.ToLower(h.Name)
		names, paths = append(names, name), append(paths, here+".name")
		if h.Value.Source() == "literal" && slices.Contains(telling, name) {
			k.risk(here+".value", strictyaml.SecretHere, "put it into a file of its own and name that with value_file")
		}
		if name == "authorization" && c.BearerToken.Source() != "" {
			k.fail(strictyaml.Problem{Path: here + ".name", What: "contradicts bearer_token", Got: h.Name, Hint: "keep one of them"})
		}
		if strings.ContainsAny(h.Value.Reveal(), "\r\n") {
			k.fail(strictyaml.Problem{Path: here + ".value", What: "has more than one line"})
		}
	}
	k.unique("the header", names, paths)
}

// plain judges the check of a plain dependency.
func (k *checker) plain(path string, t Target) {
	p, c := path+".check", *t.Check
	k.shorter(p+".timeout", c.Timeout, path+".interval", t.Interval)
	if !k.Sound(p + ".type") {
		return
	}
	wants, other := "address", "url"
	if c.Type == TypeOllama || c.Type == TypeHTTP {
		wants, other = other, wants
	}
	values := map[string]string{"address": c.Address, "url": c.URL}
	if values[wants] == "" {
		k.fail(strictyaml.Problem{Path: p + "." + wants, What: "is missing", Want: strictyaml.FormText(wants)})
	}
	if values[other] != "" {
		k.noEffect(p+"."+other, "type "+c.Type, wants)
	}
	if u, err := url.Parse(c.URL); err == nil && u.User != nil {
		k.fail(strictyaml.Problem{Path: p + ".url", What: "holds a user name or password", Want: "a plain address"})
	}
	if c.Type == TypeRedis {
		return
	}
	if c.User != "" {
		k.noEffect(p+".user", "type "+c.Type, "type redis")
	}
	if c.Password.Source() != "" {
		k.noEffect(p+".password", "type "+c.Type, "type redis")
	}
}

// postgres judges how a database is asked.
func (k *checker) postgres(path string, t Target) {
	p, c := path+".postgres", *t.Postgres
	k.shorter(p+".connect_timeout", c.ConnectTimeout+c.StatementTimeout, path+".interval", t.Interval)
	dsn := c.DSN.Reveal()
	if dsn == "" {
		return
	}
	if !strings.Contains(dsn, "=") && !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		k.fail(strictyaml.Problem{Path: p + ".dsn", What: "is not a connection string", Want: `"host=/run/postgresql user=recoveryd dbname=postgres", or postgres://...`})
		return
	}
	if strings.Contains(dsn, ":6432") || strings.Contains(dsn, "port=6432") {
		k.risk(p+".dsn", "port 6432 is that of a pooler, which hides the state of the server behind it", "connect to the server itself, usually port 5432")
	}
}

// shorter reports a deadline that is not shorter than the time between two tries, so that looks
// would pile up. The deadline of a database is the sum of two keys.
func (k *checker) shorter(path string, timeout time.Duration, everyPath string, every time.Duration) {
	if timeout < every || !k.Sound(path, everyPath, strings.Replace(path, "connect_timeout", "statement_timeout", 1)) {
		return
	}
	key := everyPath[strings.LastIndex(everyPath, ".")+1:]
	p := strictyaml.Problem{Path: path, What: "is not shorter than " + key, Got: strictyaml.WriteDuration(timeout), Want: "less than " + strictyaml.WriteDuration(every)}
	if strings.HasSuffix(path, ".connect_timeout") {
		p.What = "together with statement_timeout is not shorter than " + key
	}
	if !k.Positions.Has(path) && k.Positions.Has(everyPath) {
		p.Path = everyPath
		p.What, p.Got, p.Want = "is not longer than the timeout of a check", strictyaml.WriteDuration(every), "more than "+strictyaml.WriteDuration(timeout)
	}
	k.fail(p)
}

// noEffect reports a key that does nothing beside another setting.
func (k *checker) noEffect(path, got, want string) {
	k.fail(strictyaml.Problem{Path: path, What: "has no effect", Got: got, Want: want, Hint: "leave it out"})
}
