package probe

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/egress"
)

// MCPEndpoint says where and how to speak MCP.
type MCPEndpoint struct {
	// Endpoint.URL is that of the MCP endpoint: http://host:8000/mcp, or .../sse with SSE. Method
	// and Body are not used. Timeout bounds each call, session set-up included.
	Endpoint
	// SSE selects the older transport (2024-11-05) instead of streamable HTTP.
	SSE bool
}

// protocolVersion is what we propose. The real servers (mcp 1.16.0) know it or answer with their
// own; proposing the newest would cost one more request at each new session.
const protocolVersion = "2025-06-18"

// mcpClient keeps one MCP session and makes it anew when it is lost: a server that restarts
// forgets its sessions, which is no failure.
type mcpClient struct {
	endpoint Endpoint
	sse      bool
	to       *url.URL
	secure   *tls.Config // nil for plain http
	header   http.Header
	client   *mcp.Client

	mu      sync.Mutex // one call at a time; guards what follows
	version string     // of the protocol that the server has named when it refused ours; "" = ours
	tap     *tap
	session *mcp.ClientSession
	end     context.CancelFunc

	goodbyes sync.WaitGroup // to sessions that were given up while they were being made
}

func newMCPClient(e MCPEndpoint) (*mcpClient, error) {
	ep, u, err := e.withDefaults()
	if err != nil {
		return nil, err
	}
	var secure *tls.Config
	if u.Scheme == "https" {
		if secure, err = ep.TLS.config(u.Hostname()); err != nil {
			return nil, err
		}
	}
	header := ep.header(u)
	u.User, u.Fragment = nil, ""
	ep.URL = u.String()
	impl := &mcp.Implementation{Name: "recoveryd", Version: "1"}
	// No capabilities: we only ask.
	client := mcp.NewClient(impl, &mcp.ClientOptions{Capabilities: &mcp.ClientCapabilities{}})
	return &mcpClient{endpoint: ep, sse: e.SSE, to: u, secure: secure, header: header, client: client}, nil
}

// identity is the same for two clients that ask the same server in the same way and as the same
// user. It holds the credential.
func (c *mcpClient) identity() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %t\n", c.endpoint.URL, c.sse)
	_ = c.header.Write(&b) // sorted; a Builder takes everything
	return b.String()
}

// do performs one call, in a session that is kept from earlier looks when there is one. A kept
// session that turns out to be lost is replaced and the call repeated, once.
func (c *mcpClient) do(ctx context.Context, call func(context.Context, *mcp.ClientSession) error) error {
	for {
		kept := c.session != nil
		if err := c.connect(ctx); err != nil {
			c.drop()
			c.abandon()
			if v := c.offered(err); v != "" && v != or(c.version, protocolVersion) && ctx.Err() == nil {
				if c.version == "" {
					c.version = v
					continue
				}
				c.version = "" // it has changed its mind: the next look begins with ours
			}
			return err
		}
		c.tap.reset()
		err := call(ctx, c.session)
		if err == nil {
			return nil
		}
		lost := c.lost(err)
		if !lost {
			return err
		}
		c.drop() // the tap stays: what it saw tells what went wrong
		if !kept || ctx.Err() != nil {
			return err
		}
	}
}

// lost reports whether a session cannot be used any more.
func (c *mcpClient) lost(err error) bool {
	if isTimeout(err) || errors.Is(err, context.Canceled) {
		return false // the next call shows
	}
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	if b := c.tap.bad; b != nil {
		// 400 and 404 are how servers say that they do not know the session.
		return b.Status == http.StatusBadRequest || b.Status == http.StatusNotFound || !rejected(err)
	}
	if _, isRPC := errors.AsType[*jsonrpc.Error](err); isRPC && c.tap.err == nil {
		return false
	}
	return true
}

// rejected reports an error after which the SDK keeps its connection.
func rejected(err error) bool {
	e, ok := errors.AsType[*jsonrpc.Error](err)
	return ok && e != nil
}

// connect makes a session when there is none. ctx bounds the set-up, not the session.
func (c *mcpClient) connect(ctx context.Context) error {
	if c.session != nil {
		return nil
	}
	line, err := newTap(c.endpoint, c.sse, c.to, c.secure, c.header)
	if err != nil {
		return err
	}
	c.tap = line
	hc := egress.Client(line)
	var transport mcp.Transport = &mcp.StreamableClientTransport{
		Endpoint: c.endpoint.URL, HTTPClient: hc, MaxRetries: -1, DisableStandaloneSSE: true, MaxEventSize: c.endpoint.MaxBody,
	}
	if c.sse {
		transport = &mcp.SSEClientTransport{Endpoint: c.endpoint.URL, HTTPClient: hc, MaxEventSize: c.endpoint.MaxBody}
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	c.end = end
	// When the time is up the SDK tells the server that it gives up, and closing waits for that to be
	// heard, five seconds with a server that hears nothing. So the line is cut first.
	detach := context.AfterFunc(ctx, func() { line.drop(); end() })
	session, err := c.client.Connect(life, guarded{transport, line}, &mcp.ClientSessionOptions{ProtocolVersion: or(c.version, protocolVersion)})
	if !detach() && err == nil { // ctx ended in the last moment, and took the session with it
		c.session = session
		return ctx.Err()
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	c.session = session
	return err
}

// refusedVersion is the error by which a server refuses the version that was proposed: it names those that it
// speaks (specification 2025-06-18, "Error Handling" of the lifecycle).
type refusedVersion struct {
	Error struct {
		Data json.RawMessage `json:"data"`
	} `json:"error"`
}

// offered is the version that a server which refused ours can be spoken to in: the newest of those that it
// names and we know, or else its newest; "" when it names none.
func (c *mcpClient) offered(err error) string {
	var data struct {
		Supported []string `json:"supported"`
	}
	if e, ok := errors.AsType[*jsonrpc.Error](err); ok && e != nil {
		_ = json.Unmarshal(e.Data, &data) // of another shape: it names none
	}
	if c.tap == nil {
		return ""
	}
	c.tap.mu.Lock()
	bad := c.tap.bad
	c.tap.mu.Unlock()
	if bad != nil && len(data.Supported) == 0 { // the same in a response of status 400
		var refused refusedVersion
		if json.Unmarshal(bad.Body, &refused) == nil {
			_ = json.Unmarshal(refused.Error.Data, &data)
		}
	}
	if len(data.Supported) == 0 && supportedText.MatchString(err.Error()) { // only in words: "(supported versions: 2025-03-26, 2024-11-05)"
		data.Supported = versionText.FindAllString(supportedText.FindString(err.Error()), -1)
	}
	versions := slices.DeleteFunc(data.Supported, func(v string) bool { return !versionForm.MatchString(v) })
	slices.Sort(versions)
	known := mcp.SupportedProtocolVersions()
	best := ""
	for _, v := range versions {
		if slices.Contains(known, v) || !slices.Contains(known, best) {
			best = v
		}
	}
	return best
}

var (
	supportedText = regexp.MustCompile(`(?i)\bsupport(?:ed|s)?\b[^:]*:.*`)
	versionText   = regexp.MustCompile(`\d{4}-\d\d-\d\d`)
)

// versionForm is the form of every version of the protocol: the day of its publication.
var versionForm = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)

// drop gives the session up without telling the server.
func (c *mcpClient) drop() {
	if c.tap != nil {
		c.tap.drop()
	}
	if c.end != nil {
		c.end()
	}
	if c.session != nil {
		_ = c.session.Close() // sends nothing any more
	}
	c.session, c.end = nil, nil
}

// abandon tells the server that a session is not wanted whose set-up was not finished in time: a
// server that is slow would else keep one more of them after each look. It does not wait; close does.
func (c *mcpClient) abandon() {
	line := c.tap
	if line == nil || line.sessionID() == "" {
		return
	}
	c.goodbyes.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodDelete, c.endpoint.URL, http.NoBody)
		if err != nil { // the session was begun under this very address
			return
		}
		req.Header = c.header.Clone()
		req.Header.Set(sessionHeader, line.sessionID())
		if resp, err := line.base.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
	})
}

// close ends the session politely.
func (c *mcpClient) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.goodbyes.Wait()
	if c.session == nil {
		return nil
	}
	err := c.session.Close()
	c.drop()
	if err != nil {
		return fmt.Errorf("end the MCP session: %w", errors.New(clean(bare(err), maxSentence)))
	}
	return nil
}

// failure describes a failed call as a Reply, for ReadHealth.
func (c *mcpClient) failure(ctx context.Context, err, hurried error) Reply {
	var r Reply
	switch _, s := classify(err); {
	case errors.Is(ctx.Err(), context.Canceled):
		_, r.Error = FactsFromError(context.Canceled)
		return r
	case hurried != nil && isTimeout(err):
		r.Error = hurried.Error()
		return r
	case c.tap == nil:
		r.Outcome, r.Error = detect.OutcomeGarbage, s
		return r
	}
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	if b := c.tap.bad; b != nil {
		return *b
	}
	r.Status = c.tap.status
	rpc, isRPC := errors.AsType[*jsonrpc.Error](err)
	tooMuch, isTooMuch := errors.AsType[tooMuchError](c.tap.err)
	switch {
	case isTooMuch:
		r.Outcome, r.Error = detect.OutcomeGarbage, string(tooMuch)
	case errors.Is(c.tap.err, errOtherTransport):
		r.Outcome, r.Error = detect.OutcomeGarbage, errOtherTransport.Error()
	case isTimeout(err) && c.tap.asked != "":
		r.Outcome, r.Error = detect.OutcomeGarbage, fmt.Sprintf("the server asks for %s instead of answering; a probe answers no request", c.tap.asked)
	case isTimeout(err) && c.session == nil && c.tap.begun:
		r.Outcome, r.Error = detect.OutcomeGarbage, "the server began to answer, and no session of MCP came of it in time"
	case errors.Is(c.tap.err, errTooLarge):
		r.Outcome, r.Error = detect.OutcomeTooLarge, fmt.Sprintf("the body is larger than %d bytes", c.endpoint.MaxBody)
	case isTimeout(err) && !c.tap.connected:
		r.Outcome, r.Error = detect.OutcomeConnect, "no answer to the connection request"
	case isTimeout(err):
		r.Outcome, r.Error = detect.OutcomeNoReply, "the connection was accepted, and no complete answer came in time"
	case c.tap.err != nil:
		r.Outcome, r.Error = FactsFromError(c.tap.err)
	case c.tap.ended:
		r.Outcome, r.Error = detect.OutcomeReset, "the server ended the event stream before its answer"
	case isRPC:
		r.Outcome, r.Error = detect.OutcomeRPC, fmt.Sprintf("code %d: %s", rpc.Code, rpc.Message)
	default:
		// The transport worked to the end; what it carried was not MCP.
		r.Outcome, r.Error = detect.OutcomeGarbage, "what came is not MCP: "+bare(err)
	}
	return r
}

// stamp adds what every reply has.
func stamp(r Reply, start time.Time) Reply {
	if r.At.IsZero() {
		r.At = time.Now()
	}
	r.Latency = time.Since(start)
	return r
}
