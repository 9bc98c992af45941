package app

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/detect/probe"
	"github.com/recoveryd/recoveryd/pkg/platform"
)

// subjectsOf builds the lookers of every target. Errors name the target.
func subjectsOf(c *config.Config, adapters map[string]platform.Adapter) ([]engine.Subject, error) {
	asked, err := rulesAsk(c)
	if err != nil {
		return nil, err
	}
	var out []engine.Subject
	for _, t := range c.Targets {
		l, err := lookerOf(t, adapters[t.Platform], asked)
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", t.Name, err)
		}
		out = append(out, engine.Subject{Name: t.Name, Looker: l, Interval: t.Interval})
	}
	return out, nil
}

// lookerOf builds one target's looker from its checks and from what the operator's rules ask.
func lookerOf(t config.Target, ad platform.Adapter, asked asking) (*probe.Looker, error) {
	lc := probe.LookerConfig{Target: t.Name, Deadline: deadlineOf(t)}
	if unit := targetOf(t).Object; ad != nil && unit != "" {
		lc.Inspect = func(ctx context.Context) (detect.Facts, error) { return ad.Inspect(ctx, unit) }
	}
	var first []suspicious
	if t.Kind == config.KindOfService {
		lc.Trend = probe.NewTrend(probe.TrendConfig{MemoryLimit: float64(t.Memory.Limit)})
	}
	for _, h := range t.Health {
		w, err := healthOf(h)
		if err != nil {
			return nil, fmt.Errorf("health check %s: %w", redactURL(h.URL), err)
		}
		// The port and the processes are looked at when the health reply is missing or bad, and
		// when memory runs short: on a quiet day they would tell nothing and cost the most.
		always, extra, err := lookHarder(t, addressOf(h.URL), asked)
		if err != nil {
			return nil, fmt.Errorf("health check %s: %w", redactURL(h.URL), err)
		}
		first = append(first, suspicious{first: w, always: always, extra: extra, memory: uint64(t.Memory.Limit), high: t.Memory.High})
	}
	for _, s := range t.Synthetic {
		w, err := syntheticOf(s)
		if err != nil {
			return nil, fmt.Errorf("synthetic check %s: %w", s.Name, err)
		}
		var health []string
		for _, h := range t.Health {
			health = append(health, h.URL)
		}
		w.Beside(health...)
		lc.Witnesses = append(lc.Witnesses, w)
	}
	if p := t.Postgres; p != nil {
		w, err := probe.NewPostgres(probe.PostgresConfig{DSN: probe.Secret(p.DSN.Reveal()), ConnectTimeout: p.ConnectTimeout, StatementTimeout: p.StatementTimeout})
		if err != nil {
			return nil, err
		}
		always, extra, err := lookHarder(t, w.Addr(), asked)
		if err != nil {
			return nil, err
		}
		first = append(first, suspicious{first: w, always: always, extra: extra})
	}
	if t.Check != nil {
		w, err := plainOf(*t.Check)
		if err != nil {
			return nil, fmt.Errorf("check: %w", err)
		}
		always, extra, err := lookHarder(t, cmp.Or(t.Check.Address, addressOf(t.Check.URL)), asked)
		if err != nil {
			return nil, fmt.Errorf("check: %w", err)
		}
		first = append(first, suspicious{first: w, always: always, extra: extra})
	}
	for _, s := range first {
		lc.Witnesses = append(lc.Witnesses, s)
	}
	glanceAt(&lc, t, ad, first, asked)
	paths := t.Disks
	if t.Postgres != nil && t.Postgres.DataDir != "" {
		paths = append([]string{t.Postgres.DataDir}, paths...)
	}
	for _, p := range asked.paths(t) {
		if !slices.Contains(paths, p) {
			paths = append(slices.Clip(paths), p)
		}
	}
	if asked.of(t, "host.") {
		lc.Witnesses = append(lc.Witnesses, probe.NewPressure())
	}
	if len(paths) > 0 {
		d, err := probe.NewDisk(paths...)
		if err != nil {
			return nil, fmt.Errorf("disks: %w", err)
		}
		lc.Witnesses = append(lc.Witnesses, d)
	}
	return probe.NewLooker(lc)
}

// glanceAt lets polls be content with what the platform said a moment ago while every check is plainly
// good. An operator's rule about memory or processes wants figures of the moment.
func glanceAt(lc *probe.LookerConfig, t config.Target, ad platform.Adapter, first []suspicious, asked asking) {
	g, ok := ad.(platform.Glancer)
	if !ok || lc.Inspect == nil || len(first) == 0 || asked.of(t, "memory.") || asked.of(t, "process.") {
		return
	}
	unit := targetOf(t).Object
	lc.Glance = func() (detect.Facts, bool) { return g.Glance(unit) }
	lc.Fine = func(f detect.Facts) bool {
		return !f.False(detect.SyntheticOK) && !slices.ContainsFunc(first, func(s suspicious) bool { return !s.fine(f, f) })
	}
}

// lookHarder builds the witnesses that are asked when the first one is not content: the kernel's
// view of the port, when there is one, and the process table. What an operator's rule looks at is
// asked always.
func lookHarder(t config.Target, addr string, asked asking) (always, extra []probe.Witness, err error) {
	sort := func(w probe.Witness, prefix string) {
		if asked.of(t, prefix) {
			always = append(always, w)
		} else {
			extra = append(extra, w)
		}
	}
	sort(probe.NewProcess(), "process.")
	if !asked.of(t, "host.") { // asked always by its own then
		extra = append(extra, probe.NewPressure())
	}
	if addr != "" {
		s, err := probe.NewSocket(probe.SocketConfig{Addr: addr, Unit: t.Object, Timeout: time.Second})
		if err != nil {
			return nil, nil, err
		}
		sort(s, "socket.")
	}
	return always, extra, nil
}

// deadlineOf is the bound of one whole look: the slowest check, the platform, and a little room.
func deadlineOf(t config.Target) time.Duration {
	d := time.Second
	for _, h := range t.Health {
		d = max(d, h.Timeout)
		if h.Type == config.TypeMCP {
			d = max(d, h.Timeout+time.Second) // the ping that follows a request without a reply
		}
	}
	for _, s := range t.Synthetic {
		d = max(d, s.Timeout)
	}
	if t.Check != nil {
		d = max(d, t.Check.Timeout)
	}
	if t.Postgres != nil {
		d = max(d, t.Postgres.ConnectTimeout+t.Postgres.StatementTimeout)
	}
	return d + 1500*time.Millisecond // Inspect 500 ms, the socket witness 1 s
}

// healthOf builds the witness of one health check.
func healthOf(h config.HealthCheck) (probe.Witness, error) {
	e := endpointOf(h.Call, h.Timeout)
	e.Terms = probe.Terms{Required: h.RequiredParts, Ignored: h.IgnoredParts}
	for word, means := range h.Words {
		if e.Terms.Words == nil {
			e.Terms.Words = map[string]probe.State{}
		}
		e.Terms.Words[word] = probe.State(fmt.Sprint(means))
	}
	if h.Type == config.TypeMCP {
		return probe.NewMCPHealth(probe.MCPEndpoint{Endpoint: e, SSE: h.Transport == "sse"}, h.Resource)
	}
	return probe.NewHTTPHealth(e)
}

// endpointOf translates how a server is asked.
func endpointOf(c config.Call, timeout time.Duration) probe.Endpoint {
	e := probe.Endpoint{URL: c.URL, Method: c.Method, Bearer: probe.Secret(c.BearerToken.Reveal()), Timeout: timeout, MaxBody: int(c.MaxBody),
		TLS: probe.TLS{CAFile: c.CAFile, SkipVerify: c.InsecureSkipVerify}}
	for _, h := range c.Headers {
		if e.Header == nil {
			e.Header = http.Header{}
		}
		e.Header.Add(h.Name, h.Value.Reveal())
	}
	return e
}

// syntheticOf builds the witness of one call of real work.
func syntheticOf(s config.SyntheticCheck) (*probe.Synthetic, error) {
	e := endpointOf(s.Call, s.Timeout)
	m, err := probe.NewMatch(s.Match)
	if err != nil {
		return nil, err
	}
	switch s.Type {
	case config.TypeMCP:
		return probe.NewSyntheticMCP(probe.MCPEndpoint{Endpoint: e, SSE: s.Transport == "sse"}, s.Tool, s.Arguments, m, s.Every)
	case config.TypeNDJSON:
		return probe.NewSyntheticNDJSON(e, s.Tool, s.Arguments, m, s.Every)
	}
	if s.Body != "" {
		e.Body = []byte(s.Body)
		if e.Method == "" {
			e.Method = http.MethodPost
		}
	}
	return probe.NewSyntheticHTTP(e, m, s.Every)
}

// plainOf builds the witness of a plain dependency.
func plainOf(c config.PlainCheck) (probe.Witness, error) {
	switch c.Type {
	case config.TypeRedis:
		return probe.NewRedis(probe.RedisConfig{Addr: c.Address, User: c.User, Password: probe.Secret(c.Password.Reveal()), Timeout: c.Timeout})
	case config.TypeTCP:
		return probe.NewTCP(c.Address, c.Timeout)
	case config.TypeOllama:
		return probe.NewOllama(probe.Endpoint{URL: c.URL, Timeout: c.Timeout})
	}
	return probe.NewHTTPPlain(probe.Endpoint{URL: c.URL, Timeout: c.Timeout}, probe.Match{})
}

// addressOf is the host and port of a URL; "" when it has none.
func addressOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if port == "" {
		return ""
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func redactURL(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		return u.Redacted()
	}
	return "(not a URL)"
}
