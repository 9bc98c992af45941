package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/pkg/egress"
)

// tap is the HTTP side of one MCP session. The SDK reports most troubles as a text or a closed
// connection; the tap keeps what really came: the status, the headers, the beginning of the body,
// or the error of the transport. It also adds our headers and bounds what is read.
type tap struct {
	base    *egress.Transport
	header  http.Header
	maxBody int
	sse     bool // the older transport: its GET is the stream of the session
	// life ends when the session is given up: requests under way are then cut, and no more are
	// sent. Without that the SDK would wait for the answer to its goodbyes and cancellations.
	life context.Context
	drop context.CancelFunc

	mu       sync.Mutex // guards what follows
	place    string     // host and port of the first connection: a session stays where it began
	version  string     // of the protocol, as agreed; "" before that
	status   int        // of the last response
	ended    bool       // the event stream of an SSE session ended
	session  string     // what the server calls the session that it began
	calls    int        // so far
	lastCall            // what happened since the last reset
}

// lastCall is what happened since a call began.
type lastCall struct {
	connected bool   // a connection was made
	begun     bool   // the answer to the last request has begun
	bad       *Reply // the first response that is no MCP answer
	err       error  // the first transport error
	requests  int    // that we sent
	messages  int    // of the server
	pings     int    // of the server, that were answered
	asked     string // the method of the last request of the server that was not answered
}

// sessionHeader carries the server's name of a session, after the specification of MCP
// (2025-06-18, "Session Management").
const sessionHeader = "Mcp-Session-Id"

var (
	errDropped  = errors.New("the session was given up")
	errTooLarge = errors.New("the body is larger than the bound")
	// The older transport (2024-11-05) begins each stream with the address for messages.
	errOtherTransport = errors.New("the server speaks the older transport of MCP at this address: say transport: sse")
)

// closeTimeout bounds the goodbye to a server, which may not answer any more.
const closeTimeout = time.Second

// newTap makes the HTTP side of a new session.
func newTap(e Endpoint, sse bool, to *url.URL, secure *tls.Config, header http.Header) (*tap, error) {
	t := &tap{header: header, maxBody: e.MaxBody, sse: sse}
	base, err := egress.NewTransport(egress.Way{TLS: secure, Header: maxHeader, Dial: t.dial}, to)
	if err != nil {
		return nil, err
	}
	t.base = base
	t.life, t.drop = context.WithCancel(context.Background())
	return t, nil
}

// dial connects to where the session began: a name that means another address meanwhile is another server, which does not
// know the session and may be nobody's that we know.
func (t *tap) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	t.mu.Lock()
	place := or(t.place, addr)
	t.mu.Unlock()
	conn, err := egress.Dial(ctx, network, place)
	if err == nil {
		t.mu.Lock()
		t.connected, t.place = true, conn.RemoteAddr().String()
		t.mu.Unlock()
	}
	return conn, err
}

// reset forgets the troubles of earlier calls.
func (t *tap) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastCall = lastCall{}
	t.calls++
}

// sessionID gives what the server calls the session, empty before it has answered and without sessions.
func (t *tap) sessionID() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.session
}

// last is the status of the last response. A call that was given up may still bring one.
func (t *tap) last() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

// RoundTrip sends a request of the SDK.
func (t *tap) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.sends(); err != nil {
		return nil, err
	}
	if req.URL.User != nil { // ours has none: the server wrote this one
		err := &egress.RefusedError{To: "a user of its own choice", Configured: req.URL.Scheme + "://" + req.URL.Host}
		t.note(err)
		return nil, err
	}
	ctx, cancel := context.WithCancel(req.Context())
	if req.Method == http.MethodDelete {
		timer := time.AfterFunc(closeTimeout, cancel)
		defer timer.Stop()
	}
	detach := context.AfterFunc(t.life, cancel)
	release := func() { detach(); cancel() }
	req = req.Clone(ctx)
	t.mu.Lock()
	if t.version != "" {
		req.Header.Set("Mcp-Protocol-Version", t.version)
	}
	t.mu.Unlock()
	for k, v := range t.header {
		req.Header[k] = v
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		release()
		t.note(err)
		return nil, err
	}
	if req.Method == http.MethodDelete { // nobody reads the answer to a goodbye
		_ = resp.Body.Close()
		release()
		resp.Body = http.NoBody
		return resp, nil
	}
	t.mu.Lock()
	t.status, t.begun = resp.StatusCode, true
	t.session = or(t.session, resp.Header.Get(sessionHeader))
	t.mu.Unlock()
	resp.Body = &tappedBody{tap: t, body: resp.Body, left: t.maxBody, release: release,
		stream: t.sse && req.Method == http.MethodGet, events: isMediaType(resp, "text/event-stream")}
	if !isAnswer(resp) {
		err = t.keep(resp)
	}
	return resp, err
}

// sends counts a request and says why it must not be sent.
func (t *tap) sends() error {
	if t.life.Err() != nil {
		return errDropped
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun = false
	if t.requests++; t.requests <= maxRequests {
		return nil
	}
	err := tooMuchError(fmt.Sprintf("the server has the probe send over %d requests in one call: the session was given up", maxRequests))
	if t.err == nil {
		t.err = err
	}
	return err
}

// isAnswer reports whether a response is what MCP allows.
func isAnswer(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusAccepted, http.StatusNoContent:
		return true
	case http.StatusOK:
		return isMediaType(resp, "application/json") || isMediaType(resp, "text/event-stream") || resp.ContentLength == 0
	}
	return false
}

func isMediaType(resp *http.Response, want string) bool {
	got, _, _ := bytes.Cut([]byte(resp.Header.Get("Content-Type")), []byte{';'})
	return bytes.EqualFold(bytes.TrimSpace(got), []byte(want))
}

// keep reads the body of a response that is no answer, and leaves a copy for the SDK.
func (t *tap) keep(resp *http.Response) error {
	body, more, err := readBound(resp.Body, nil, t.maxBody)
	if errors.Is(err, errTooLarge) {
		more, err = true, nil
	}
	_ = resp.Body.Close()
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bad == nil {
		t.bad = &Reply{
			Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"),
			RetryAfter: resp.Header.Get("Retry-After"), Server: resp.Header.Get("Server"), Location: resp.Header.Get("Location"),
			Body: body, TooLarge: more, At: time.Now(),
		}
	}
	return nil
}

func (t *tap) note(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil && t.life.Err() == nil {
		t.err = err
	}
}

// tappedBody bounds a body and tells the tap how it ended.
type tappedBody struct {
	tap     *tap
	body    io.ReadCloser
	left    int
	release func() // ends the request's context
	stream  bool   // the event stream of an SSE session: it lives long, so its bound is one of each call
	events  bool   // an event stream
	calls   int    // of the tap, when left was set
	begin   []byte // of an event stream
	json    jsonEnd
}

func (b *tappedBody) Read(p []byte) (int, error) {
	b.tap.mu.Lock()
	if b.stream && b.calls != b.tap.calls {
		b.calls, b.left = b.tap.calls, b.tap.maxBody
	}
	b.tap.mu.Unlock()
	if b.left <= 0 {
		// One more byte tells a body of exactly the bound from a longer one.
		if n, err := b.body.Read(p[:min(len(p), 1)]); n == 0 {
			return 0, err
		}
		b.tap.note(errTooLarge)
		return 0, errTooLarge
	}
	n, err := b.body.Read(p[:min(len(p), b.left)])
	b.left -= n
	switch {
	case b.events && !b.stream && b.older(p[:n]):
		err = errOtherTransport
	case !b.events && b.json.ends(p[:n]):
		err = io.EOF // the answer is complete, whatever follows, or does not
	}
	switch {
	case err == nil:
	case b.stream:
		b.tap.mu.Lock()
		b.tap.ended = true
		b.tap.mu.Unlock()
	case !errors.Is(err, io.EOF):
		b.tap.note(err)
	}
	return n, err
}

// older reports an answer that begins as the older transport does.
func (b *tappedBody) older(p []byte) bool {
	const name = "endpoint"
	if room := 64 - len(b.begin); room > 0 {
		b.begin = append(b.begin, p[:min(len(p), room)]...)
	}
	rest, ok := bytes.CutPrefix(b.begin, []byte("event:"))
	return ok && bytes.HasPrefix(bytes.TrimLeft(rest, " "), []byte(name))
}

// jsonEnd finds the end of one JSON object or list in what comes in pieces.
type jsonEnd struct {
	depth           int
	quoted, escaped bool
	over            bool
}

// ends reports whether the value is complete with these bytes.
func (j *jsonEnd) ends(p []byte) bool {
	for _, c := range p {
		switch {
		case j.escaped:
			j.escaped = false
		case j.quoted:
			j.quoted, j.escaped = c != '"', c == '\\'
		case c == '"':
			j.quoted = true
		case c == '{', c == '[':
			j.depth++
		case c == '}', c == ']':
			j.depth--
			j.over = j.over || j.depth == 0
		}
	}
	return j.over
}

func (b *tappedBody) Close() error {
	err := b.body.Close()
	b.release()
	return err
}
