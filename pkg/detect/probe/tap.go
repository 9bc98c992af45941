package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// tap is the HTTP side of one MCP session. The SDK reports most troubles as a text or a closed
// connection; the tap keeps what really came: the status, the headers, the beginning of the body,
// or the error of the transport. It also adds our headers and bounds what is read.
type tap struct {
	base    *http.Transport
	header  http.Header
	maxBody int
	// life ends when the session is given up: requests under way are then cut, and no more are
	// sent. Without that the SDK would wait for the answer to its goodbyes and cancellations.
	life context.Context
	drop context.CancelFunc

	mu        sync.Mutex // guards what follows
	status    int        // of the last response
	connected bool       // a connection was made since the last reset
	bad       *Reply     // the first response that is no MCP answer
	err       error      // the first transport error
	ended     bool       // the event stream of an SSE session ended
	session   string     // what the server calls the session that it began
}

// sessionHeader carries the server's name of a session, after the specification of MCP
// (2025-06-18, "Session Management").
const sessionHeader = "Mcp-Session-Id"

var (
	errDropped  = errors.New("the session was given up")
	errTooLarge = errors.New("the body is larger than the bound")
)

// closeTimeout bounds the goodbye to a server, which may not answer any more.
const closeTimeout = time.Second

func newTransport(e Endpoint, host string, https bool) (*http.Transport, error) {
	t := &http.Transport{
		DisableKeepAlives:      true, // see exchange: a kept connection hides a server that stopped accepting
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
	if https {
		var err error
		if t.TLSClientConfig, err = e.TLS.config(host); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// newTap makes a tap with a transport of its own, whose dialler tells the tap of connections.
func newTap(base *http.Transport, header http.Header, maxBody int) *tap {
	t := &tap{base: base.Clone(), header: header, maxBody: maxBody}
	t.life, t.drop = context.WithCancel(context.Background())
	d := net.Dialer{KeepAlive: -1}
	t.base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		if err == nil {
			t.mu.Lock()
			t.connected = true
			t.mu.Unlock()
		}
		return conn, err
	}
	return t
}

// reset forgets the troubles of earlier calls.
func (t *tap) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bad, t.err, t.connected = nil, nil, false
}

// begun gives what the server calls the session, empty before it has answered and without sessions.
func (t *tap) begun() string {
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
	if t.life.Err() != nil {
		return nil, errDropped
	}
	ctx, cancel := context.WithCancel(req.Context())
	if req.Method == http.MethodDelete {
		timer := time.AfterFunc(closeTimeout, cancel)
		defer timer.Stop()
	}
	detach := context.AfterFunc(t.life, cancel)
	release := func() { detach(); cancel() }
	req = req.Clone(ctx)
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
	t.status = resp.StatusCode
	t.session = or(t.session, resp.Header.Get(sessionHeader))
	t.mu.Unlock()
	resp.Body = &tappedBody{tap: t, body: resp.Body, left: t.maxBody, stream: req.Method == http.MethodGet, release: release}
	if !isAnswer(resp) {
		err = t.keep(resp)
	}
	return resp, err
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
			RetryAfter: resp.Header.Get("Retry-After"), Server: resp.Header.Get("Server"), Body: body, TooLarge: more, At: time.Now(),
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
	stream  bool   // the event stream of an SSE session: it lives long, only its events are bounded
}

func (b *tappedBody) Read(p []byte) (int, error) {
	if !b.stream {
		if b.left <= 0 {
			// One more byte tells a body of exactly the bound from a longer one.
			if n, err := b.body.Read(p[:min(len(p), 1)]); n == 0 {
				return 0, err
			}
			b.tap.note(errTooLarge)
			return 0, errTooLarge
		}
		p = p[:min(len(p), b.left)]
	}
	n, err := b.body.Read(p)
	b.left -= n
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

func (b *tappedBody) Close() error {
	err := b.body.Close()
	b.release()
	return err
}
