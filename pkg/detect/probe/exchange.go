package probe

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
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
// and the error that made it incomplete. Outcome and Error of the reply are filled in. It ends at the
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
	case errors.Is(err, io.ErrUnexpectedEOF) && r.Status != 0:
		err = protocolError(fmt.Sprintf("the reply was cut short after %d bytes of its body", len(r.Body)))
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
	watched := &watchedReader{Reader: conn}
	limited := &io.LimitedReader{R: watched, N: maxHeader}
	defer func() {
		if err != nil && watched.failed != nil {
			err = watched.failed
		}
	}()
	if x.in == nil {
		x.in = bufio.NewReaderSize(limited, readAtOnce)
	} else {
		x.in.Reset(limited)
	}
	defer x.in.Reset(nil) // hold no closed connection
	resp, err := x.response(limited)
	if err != nil {
		return Reply{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // the connection is closed anyway
	r = Reply{Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"), RetryAfter: resp.Header.Get("Retry-After"),
		Server: resp.Header.Get("Server"), Location: resp.Header.Get("Location")}
	limited.N = int64(x.maxBody) + maxHeader // chunk lines and trailers come on top of the body
	body := io.Reader(resp.Body)
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		zip, err := gzip.NewReader(body)
		if err != nil {
			return r, asProtocol(err)
		}
		body = zip // the bound below is for what comes out
	}
	x.body, r.TooLarge, err = readBound(body, x.body[:0], x.maxBody)
	r.Body = x.body
	if limited.N <= 0 {
		r.TooLarge, err = true, nil
	}
	return r, asProtocol(err)
}

// watchedReader keeps the error of a connection. The parser of a header line forgets it when part
// of the line had come, and would call a slow server malformed.
type watchedReader struct {
	io.Reader
	failed error
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.failed = err
	}
	return n, err
}

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
