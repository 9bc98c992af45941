package probe

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/yosida95/uritemplate/v3"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// DefaultResource is the health resource of the real MCP servers.
const DefaultResource = "health://status"

// pingTimeout bounds the ping that follows a health request without a reply.
const pingTimeout = time.Second

// absentFor is how long a server is believed that it has no such resource, in one session: one without session ids never
// says that it was replaced by a newer version.
const absentFor = 10 * time.Minute

// maxPages bounds how much of a server's lists is read to find one resource.
const maxPages = 10

// MCPHealth asks an MCP server for its health: initialize once, then resources/read of the health
// resource at each look, whose text ReadHealth decodes. The session is kept between looks and made
// anew when the server has forgotten it; the connections below it are not kept.
//
// A server without the resource is judged by ping and tools/list: http.outcome is "reply", health.instead says it,
// and there is no health.status, since nothing stated one. Whether there is such a resource, the server's own
// capabilities, lists and templates tell, and not the code of an error: each SDK has another. After a reply that did
// not come, a ping tells (as http.ping) whether the server still runs and hangs on something that it needs.
type MCPHealth struct {
	client   *mcpClient
	resource string
	pingWait time.Duration // pingTimeout, except in tests
	hold     hold

	// Guarded by client.mu.
	without      *mcp.ClientSession // the session whose server has no such resource
	withoutUntil time.Time
	had          bool // the resource was read once: then an error of the read is the server's trouble, listed or not
}

var _ Heir = (*MCPHealth)(nil)

// NewMCPHealth makes the witness. An empty resource means DefaultResource.
func NewMCPHealth(e MCPEndpoint, resource string) (*MCPHealth, error) {
	c, err := newMCPClient(e)
	if err != nil {
		return nil, err
	}
	resource = or(resource, DefaultResource)
	return &MCPHealth{client: c, resource: resource, pingWait: pingTimeout, hold: hold{asks: c.identity() + resource}}, nil
}

// Name is "mcp".
func (m *MCPHealth) Name() string { return "mcp" }

// Leads names the fact that says whether it could look.
func (m *MCPHealth) Leads() string { return detect.HTTPOutcome }

// Close ends the session. Looks after it make a new one.
func (m *MCPHealth) Close() error { return m.client.close() }

// Inherit implements Heir.
func (m *MCPHealth) Inherit(from Witness) {
	if old, ok := from.(*MCPHealth); ok {
		m.hold.inherit(&old.hold)
	}
}

// Look asks once.
func (m *MCPHealth) Look(ctx context.Context, unit detect.Facts) detect.Facts {
	if left := m.hold.left(unit, time.Now()); left > 0 {
		return m.hold.facts(left)
	}
	c := m.client
	c.mu.Lock()
	defer c.mu.Unlock()
	start := time.Now()
	callCtx, cancel, hurried := within(ctx, c.endpoint.Timeout)
	defer cancel()

	var r Reply
	err := c.do(callCtx, func(ctx context.Context, s *mcp.ClientSession) (err error) {
		r, err = m.read(ctx, s)
		return err
	})
	if err != nil {
		f := ReadHealth(stamp(c.failure(ctx, err, hurried), start))
		if f.Text(detect.HTTPOutcome) == detect.OutcomeNoReply && c.session != nil {
			f[detect.HTTPPing] = m.ping(ctx)
		}
		m.hold.note(f, unit, time.Now())
		return f
	}
	r.Status, r.Terms = c.tap.last(), c.endpoint.Terms
	f := ReadHealth(stamp(r, start))
	if m.without == c.session {
		f[detect.HealthInstead] = detect.Word(clean("it has no resource "+m.resource+" and is judged by ping and tools/list", maxSentence))
	}
	return f
}

// read returns what the health resource says, or that the server works where it has none.
func (m *MCPHealth) read(ctx context.Context, s *mcp.ClientSession) (Reply, error) {
	caps := s.InitializeResult().Capabilities
	if caps == nil {
		caps = &mcp.ServerCapabilities{}
	}
	absent := m.without == s && time.Now().Before(m.withoutUntil)
	if !absent && caps.Resources != nil {
		res, err := s.ReadResource(ctx, &mcp.ReadResourceParams{URI: m.resource})
		if err == nil {
			m.without, m.had = nil, true
			return contentOf(res, m.resource), nil
		}
		if !rejected(err) || m.had {
			return Reply{}, err
		}
		if there, listErr := m.offered(ctx, s); listErr != nil && !rejected(listErr) {
			return Reply{}, listErr
		} else if there || listErr != nil && !noSuchMethod(listErr) {
			return Reply{}, err // the resource is there, or nothing can be learnt: the server's own words count
		}
	}
	if !absent {
		m.without, m.withoutUntil = s, time.Now().Add(absentFor)
	}
	if err := s.Ping(ctx, nil); err != nil && !noSuchMethod(err) { // not to know ping is an answer, too
		return Reply{}, err
	}
	if caps.Tools != nil {
		if _, err := s.ListTools(ctx, nil); err != nil {
			return Reply{}, err
		}
	}
	return Reply{Outcome: detect.OutcomeReply}, nil
}

// contentOf is the content that is asked for, or else the first, as a reply to judge.
func contentOf(res *mcp.ReadResourceResult, uri string) Reply {
	if len(res.Contents) == 0 {
		return Reply{Outcome: detect.OutcomeGarbage, Error: "the resource " + uri + " is there, and has no contents"}
	}
	c := res.Contents[0]
	for _, other := range res.Contents {
		if other.URI == uri {
			c = other
			break
		}
	}
	if c.Text == "" {
		return Reply{Body: c.Blob, ContentType: c.MIMEType}
	}
	return Reply{Body: []byte(c.Text), ContentType: c.MIMEType}
}

// offered reports whether the server lists the health resource, or a template that it comes from.
func (m *MCPHealth) offered(ctx context.Context, s *mcp.ClientSession) (bool, error) {
	cursor := ""
	for range maxPages {
		page, err := s.ListResources(ctx, &mcp.ListResourcesParams{Cursor: cursor})
		if err != nil {
			return false, err
		}
		for _, r := range page.Resources {
			if r != nil && r.URI == m.resource {
				return true, nil
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	cursor = ""
	for range maxPages {
		page, err := s.ListResourceTemplates(ctx, &mcp.ListResourceTemplatesParams{Cursor: cursor})
		if noSuchMethod(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		for _, t := range page.ResourceTemplates {
			if t != nil && isFrom(t.URITemplate, m.resource) {
				return true, nil
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	return false, nil
}

// isFrom reports whether a URI can come from a template (RFC 6570). One that begins with a variable fits everything and
// says nothing.
func isFrom(template, uri string) bool {
	t, err := uritemplate.New(template)
	if err != nil || len(template) > maxTemplate || strings.HasPrefix(template, "{") {
		return false
	}
	return t.Regexp().MatchString(uri)
}

// maxTemplate is longer than a template of a resource, in bytes, and keeps its regular expression small.
const maxTemplate = 512

// noSuchMethod reports an answer that says that the server does not know the method.
func noSuchMethod(err error) bool {
	e, ok := errors.AsType[*jsonrpc.Error](err)
	return ok && e.Code == jsonrpc.CodeMethodNotFound
}

func (m *MCPHealth) ping(ctx context.Context) detect.Reading {
	if ctx.Err() != nil {
		return detect.NotMeasured("no time was left for a ping")
	}
	ctx, cancel, hurried := within(ctx, m.pingWait)
	defer cancel()
	err := m.client.session.Ping(ctx, nil)
	switch {
	case err == nil:
		return detect.Flag(true)
	case hurried != nil && isTimeout(err):
		return detect.NotMeasured(hurried.Error())
	case errors.Is(ctx.Err(), context.Canceled):
		return detect.NotMeasured("the look was called off")
	}
	if _, answered := errors.AsType[*jsonrpc.Error](err); answered {
		return detect.Flag(true) // an error is an answer too
	}
	m.client.drop()
	return detect.Flag(false)
}
