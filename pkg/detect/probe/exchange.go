package probe

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/pkg/egress"
)

// exchange performs one HTTP request after another, each on a connection of its own.
//
// It uses net/http's request and response formats without its Transport: that keeps connections,
// follows deadlines in goroutines of its own and does not say in which phase a deadline passed,
// and the phase is what tells a hung server from an unreachable one.
type exchange struct {
	timeout time.Duration
	maxBody int
	addr    string
	tls     *tls.Config // nil for plain http
	req     *http.Request
	raw     []byte // the rendered request
	numeric bool   // the address needs no name server

	mu   sync.Mutex // one exchange at a time; guards what follows
	in   *bufio.Reader
	body []byte // reused; a Reply's Body points into it
	seen arrival
}

// arrival is what came of a reply: a server that has sent anything is not silent.
type arrival struct {
	io.Reader
	bytes  int
	last   time.Time         // when the last of them came
	head   [maxGreeting]byte // the first of them
	failed error             // the error of the connection
}

func newExchange(e Endpoint) (*exchange, error) {
	e, u, err := e.withDefaults()
	if err != nil {
		return nil, err
	}
	x := &exchange{timeout: e.Timeout, maxBody: e.MaxBody, addr: address(u)}
	_, err = netip.ParseAddrPort(x.addr)
	x.numeric = err == nil
	if u.Scheme == "https" {
		if x.tls, err = e.TLS.config(u.Hostname()); err != nil {
			return nil, err
		}
	}
	if x.req, x.raw, err = e.request(u); err != nil {
		return nil, err
	}
	return x, nil
}

// identity is the same for two exchanges that send the same request to the same server. It holds
// the credential.
func (x *exchange) identity() string {
	return fmt.Sprintf("%s %t %s", x.addr, x.tls != nil, x.raw)
}

// do sends the request and gives use what came of it: the reply, whose body use must not keep,
// and the error that made it incomplete: a partialError where a part of it came. Outcome and Error of the reply are filled in. It ends at the
// endpoint's timeout, by a moment (zero = none) and with ctx, whichever comes first.
func (x *exchange) do(ctx context.Context, by time.Time, use func(Reply, error)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	start := time.Now()
	deadline := start.Add(x.timeout)
	if !by.IsZero() && by.Before(deadline) {
		deadline = by
	}
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	r, err := x.roundTrip(ctx, deadline)
	r.At = time.Now()
	r.Latency = r.At.Sub(start)
	switch {
	case err == nil:
	case errors.Is(ctx.Err(), context.Canceled):
		err = context.Canceled // the connection failed under the reader because we cut it
	case isTimeout(err) && deadline.Sub(start) < x.timeout*9/10:
		err = hurriedError{deadline.Sub(start), x.timeout}
	case r.Status == 0 && x.seen.speaks() != nil:
		r.Latency, err = x.seen.last.Sub(start), x.seen.speaks()
	case x.seen.bytes > 0 && isCut(err):
		r.Latency = x.seen.last.Sub(start) // a reply without an end is not a slow one
		err = partialError{status: r.Status, bytes: x.seen.bytes, body: len(r.Body), waited: deadline.Sub(start), cut: err,
			head: clean(string(x.seen.head[:min(x.seen.bytes, maxGreeting)]), maxGreeting)}
	}
	r.Outcome, r.Error = FactsFromError(err)
	use(r, err)
}

// roundTrip returns what it got of the reply even when it also returns an error.
func (x *exchange) roundTrip(ctx context.Context, deadline time.Time) (Reply, error) {
	dialCtx, cancel := context.Context(due{ctx, deadline}), func() {}
	if !x.numeric { // who asks for names keeps no deadline by itself
		dialCtx, cancel = context.WithDeadline(ctx, deadline)
	}
	defer cancel()
	x.seen = arrival{}
	conn, err := egress.Dial(dialCtx, "tcp", x.addr)
	if err != nil {
		return Reply{}, err
	}
	defer conn.Close() //nolint:errcheck // nothing depends on it
	if err := conn.SetDeadline(deadline); err != nil {
		return Reply{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if x.tls != nil {
		secure := tls.Client(conn, x.tls)
		if err := secure.HandshakeContext(dialCtx); err != nil {
			return Reply{}, handshakeError(err)
		}
		conn = secure
	}
	if _, err := conn.Write(x.raw); err != nil {
		return Reply{}, err
	}
	return x.receive(conn)
}

// due is a context that tells a deadline and does not end at it, for a callee that keeps the time
// itself, as a connection does. A context with a timer costs an idle daemon a turn of its scheduler
// even when it is cancelled in time.
type due struct {
	context.Context
	at time.Time
}

// Deadline implements context.Context.
func (d due) Deadline() (time.Time, bool) { return d.at, true }

// handshakeError keeps a timeout in the handshake from looking like one while connecting, and an
// end of the connection there from looking like a server that closes after the request.
func handshakeError(err error) error {
	if errors.Is(err, io.EOF) {
		return tls.RecordHeaderError{Msg: "closed during the TLS handshake"}
	}
	return err
}

func (x *exchange) receive(conn io.Reader) (r Reply, err error) {
	x.seen.Reader = conn
	defer func() {
		x.seen.Reader = nil // hold no closed connection
		if err != nil && x.seen.failed != nil {
			err = x.seen.failed
		}
	}()
	limited := &io.LimitedReader{R: &x.seen, N: maxHeader}
	if x.in == nil {
		x.in = bufio.NewReaderSize(limited, readAtOnce)
	} else {
		x.in.Reset(limited)
	}
	defer x.in.Reset(nil)
	resp, err := x.response(limited)
	if err != nil {
		return Reply{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // the connection is closed anyway
	r = Reply{Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"), RetryAfter: resp.Header.Get("Retry-After"),
		Server: resp.Header.Get("Server"), Location: resp.Header.Get("Location")}
	limited.N = int64(x.maxBody) + maxHeader // chunk lines and trailers come on top of the body
	x.body, r.TooLarge, err = readBound(resp.Body, x.body[:0], x.maxBody)
	r.Body = x.body
	if limited.N <= 0 {
		r.TooLarge, err = true, nil
	}
	// An empty body that nothing ends but the connection may as well be the end of the server.
	r.NoBody = err == nil && len(r.Body) == 0 && (resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0)
	if r.TooLarge || len(r.Body) == 0 {
		return r, asProtocol(err)
	}
	var damaged error
	r.Body, r.TooLarge, damaged = unpack(r.Body, resp.Header.Values("Content-Encoding"), x.maxBody)
	if err == nil || !errors.Is(damaged, io.ErrUnexpectedEOF) {
		err = cmp.Or(damaged, err)
	}
	return r, asProtocol(err)
}

// Read keeps what the parser of a header forgets when part of a line had come: the error of the
// connection. It would call a slow server malformed.
func (a *arrival) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	if n > 0 {
		if a.bytes < len(a.head) {
			copy(a.head[a.bytes:], p[:n])
		}
		a.bytes, a.last = a.bytes+n, time.Now()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		a.failed = err
	}
	return n, err
}

// speaks recognises by its first bytes a server that answers in another protocol, and says which.
func (a *arrival) speaks() error {
	switch h := a.head[:min(a.bytes, len(a.head))]; {
	case len(h) >= 9 && h[3] == 4 && bytes.Equal(h[5:9], []byte{0, 0, 0, 0}) && h[0] == 0: // a SETTINGS frame, RFC 9113 section 6.5
		return protocolError("the server speaks only HTTP/2 on this port: give the url of one that speaks HTTP/1.1")
	case len(h) >= 3 && (h[0] == 21 || h[0] == 22) && h[1] == 3: // an alert or a handshake of TLS, RFC 8446 section 5.1
		return plainToTLSError{}
	case len(h) > 0:
		if who := firstWords(h); who != "" && !bytes.HasPrefix(h, []byte("HTTP/")) {
			return protocolError("what answers is no HTTP server, but " + who)
		}
	}
	return nil
}

// plainToTLSError says that a server wants TLS, and was asked without.
type plainToTLSError struct{}

func (plainToTLSError) Error() string { return wantsTLS }

const wantsTLS = "the server expects https, and was asked in plain http"

// response reads the header of the final response; informational ones before it are skipped.
func (x *exchange) response(limited *io.LimitedReader) (*http.Response, error) {
	for range 6 {
		resp, err := http.ReadResponse(x.in, x.req)
		if err != nil && limited.N <= 0 {
			return nil, protocolError(fmt.Sprintf("a header of more than %d bytes", maxHeader))
		}
		if err != nil {
			return nil, asProtocol(err)
		}
		if resp.StatusCode < 100 || resp.StatusCode > 199 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
	return nil, protocolError("informational responses without end")
}

// readAtOnce is how much of a reply is read at once: nearly every health reply is shorter, header and
// all, and each check keeps a buffer of this size.
const readAtOnce = 1024

// readBound appends at most limit bytes to buf and reports whether there were more.
func readBound(r io.Reader, buf []byte, limit int) ([]byte, bool, error) {
	for {
		if cap(buf)-len(buf) < 512 {
			grown := make([]byte, len(buf), min(2*cap(buf)+1024, limit+513))
			copy(grown, buf)
			buf = grown
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > limit {
			return buf[:limit], true, nil
		}
		if errors.Is(err, io.EOF) {
			return buf, false, nil
		}
		if err != nil {
			return buf, false, err
		}
	}
}
