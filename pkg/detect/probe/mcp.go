package probe

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// DefaultResource is the health resource of the real MCP servers.
const DefaultResource = "health://status"

// pingTimeout bounds the ping that follows a health request without a reply.
const pingTimeout = time.Second

// MCPHealth asks an MCP server for its health: initialize once, then resources/read of the health
// resource at each look, whose text ReadHealth decodes. The session is kept between looks and made
// anew when the server has forgotten it; the connections below it are not kept.
//
// A server without the resource is judged by ping and tools/list: http.outcome is "reply" and
// there is no health.status, since nothing stated one. After a reply that did not come, a ping
// tells (as http.ping) whether the server still runs and hangs on something that it needs.
type MCPHealth struct {
	client   *mcpClient
	resource string
	pingWait time.Duration // pingTimeout, except in tests
	hold     hold

	without *mcp.ClientSession // the session whose server has no such resource; guarded by client.mu
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

	var text string
	err := c.do(callCtx, func(ctx context.Context, s *mcp.ClientSession) (err error) {
		text, err = m.read(ctx, s)
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
	r := stamp(Reply{Status: c.tap.last(), Body: []byte(text)}, start)
	if m.without == c.session {
		r.Outcome = detect.OutcomeReply
	}
	return ReadHealth(r)
}

// read returns the text of the health resource, or "" and no error when the server has none and
// works otherwise.
func (m *MCPHealth) read(ctx context.Context, s *mcp.ClientSession) (string, error) {
	caps := s.InitializeResult().Capabilities
	if m.without != s && caps != nil && caps.Resources != nil {
		res, err := s.ReadResource(ctx, &mcp.ReadResourceParams{URI: m.resource})
		switch {
		case err == nil && len(res.Contents) > 0:
			if res.Contents[0].Text == "" {
				return string(res.Contents[0].Blob), nil
			}
			return res.Contents[0].Text, nil
		case err == nil:
			return "", errors.New("the resource has no contents")
		case !isNoResource(err):
			return "", err
		}
	}
	m.without = s
	if err := s.Ping(ctx, nil); err != nil {
		return "", err
	}
	if caps != nil && caps.Tools != nil {
		if _, err := s.ListTools(ctx, nil); err != nil {
			return "", err
		}
	}
	return "", nil
}

// isNoResource recognises the error of a server that does not have the resource. The protocol
// has a code for it, and the real SDKs use others and say it in words.
func isNoResource(err error) bool {
	e, ok := errors.AsType[*jsonrpc.Error](err)
	if !ok {
		return false
	}
	const resourceNotFound = -32002
	if e.Code == resourceNotFound || e.Code == jsonrpc.CodeMethodNotFound {
		return true
	}
	msg := strings.ToLower(e.Message)
	return strings.Contains(msg, "unknown resource") || strings.Contains(msg, "resource not found")
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
