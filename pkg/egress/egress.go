// Package egress is the one way out: every connection and every HTTP client of recoveryd is made here, and here is
// where a request is refused that would go anywhere but to the configured scheme, host and port.
//
// What a server answers never names a new place: a redirect, an endpoint event of MCP, a Location, Link or Alt-Svc header
// are text. Credentials would go along with the request, and so would our own view of the network, which the host's
// outside may not have. internal/archtest fails when another package makes a client or dials by itself.
//
// A name means what the name server says at that moment. https is the answer to one that lies, and the addresses that
// recoveryd's own unit may reach (recoveryd setup derives them) are the answer to one that is plain.
//
// Start reading at [Client].
package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Origin is the scheme, host and port of an address. The zero value admits nothing.
type Origin struct{ scheme, host, port string }

// OriginOf is the origin of an http or https address.
func OriginOf(u *url.URL) (Origin, error) {
	o := Origin{scheme: strings.ToLower(u.Scheme), host: strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), port: u.Port()}
	switch {
	case o.host == "":
		return Origin{}, errors.New("the address names no host")
	case o.scheme == "http" && o.port == "":
		o.port = "80"
	case o.scheme == "https" && o.port == "":
		o.port = "443"
	case o.scheme != "http" && o.scheme != "https":
		return Origin{}, fmt.Errorf("the scheme %q is neither http nor https", u.Scheme)
	}
	return o, nil
}

// String is the origin as an address, such as https://example.org:443.
func (o Origin) String() string {
	if o == (Origin{}) {
		return "no place"
	}
	return o.scheme + "://" + net.JoinHostPort(o.host, o.port)
}

// RefusedError says that a request was not sent, because it would have gone to another place than the configured one.
type RefusedError struct {
	To         string // scheme, host and port; without path and user, which may be secrets
	Configured string
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("the server names %s for our requests; they go to %s only, as configured", e.To, e.Configured)
}

// Admits returns nil for an address at this origin, and a *RefusedError for any other.
func (o Origin) Admits(u *url.URL) error {
	got, err := OriginOf(u)
	if err == nil && got == o && o != (Origin{}) {
		return nil
	}
	to := got.String()
	if err != nil {
		to = fmt.Sprintf("an address that is none (%v)", err)
	}
	return &RefusedError{To: to, Configured: o.String()}
}

// Way says how a client reaches its one origin. The zero value goes straight, with the system's roots, and opens a
// connection for each request.
type Way struct {
	// TLS of https and of a proxy that is spoken to in https; nil = TLS 1.2 or newer with the system's roots.
	TLS *tls.Config
	// Proxy that requests go through; nil = none. It sees everything that is sent over plain http.
	Proxy *url.URL
	// ProxyFromEnvironment takes HTTPS_PROXY and NO_PROXY, for https only: the proxy sees the host's name and no more.
	ProxyFromEnvironment bool
	// Keep keeps idle connections for the next request, for half a minute, and speaks HTTP/2 where the server does.
	Keep bool
	// Header bounds the header of a reply, in bytes; 0 = 64 KiB.
	Header int64
	// Dial makes the connections; nil = [Dial]. It is for callers that watch them and call Dial themselves.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Transport sends requests to one origin.
type Transport struct {
	origins []Origin
	base    *http.Transport
}

// NewTransport makes the transport to the origins of the configured addresses: one, or the members of one cluster.
func NewTransport(w Way, to ...*url.URL) (*Transport, error) {
	t := &Transport{base: &http.Transport{
		TLSClientConfig: w.TLS, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: w.Header, DialContext: w.Dial,
		DisableCompression: true, // a reply is bounded in the bytes that come, which unpacking would undo
		DisableKeepAlives:  !w.Keep, ForceAttemptHTTP2: w.Keep, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
	}}
	if w.TLS == nil {
		t.base.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if w.Header == 0 {
		t.base.MaxResponseHeaderBytes = 64 << 10
	}
	if w.Dial == nil {
		t.base.DialContext = Dial
	}
	switch {
	case w.Proxy != nil:
		t.base.Proxy = http.ProxyURL(w.Proxy)
	case w.ProxyFromEnvironment:
		t.base.Proxy = func(r *http.Request) (*url.URL, error) {
			if r.URL.Scheme != "https" {
				return nil, nil //nolint:nilnil // no proxy is what nil means here
			}
			return http.ProxyFromEnvironment(r)
		}
	}
	for _, u := range to {
		o, err := OriginOf(u)
		if err != nil {
			return nil, err
		}
		t.origins = append(t.origins, o)
	}
	return t, nil
}

// RoundTrip implements http.RoundTripper. A request to another origin is not sent: *RefusedError.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	refused := Origin{}.Admits(r.URL)
	for _, o := range t.origins {
		if refused = o.Admits(r.URL); refused == nil {
			return t.base.RoundTrip(r)
		}
	}
	if r.Body != nil {
		_ = r.Body.Close() // the contract of a RoundTripper
	}
	return nil, refused
}

// CloseIdleConnections ends the connections that are kept.
func (t *Transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// Client makes requests by a transport of this package, or by one that wraps it. It follows no redirect, and keeps no cookie.
// Whoever asks bounds the time, by the context.
func Client(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Unix makes a client of whatever listens on a socket of this host; the host in an address means nothing to it.
func Unix(path string) *http.Client {
	return Client(&http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return Dial(ctx, "unix", path)
	}})
}

// dialer sends no keep-alives: what it connects lives for one exchange, or is watched by who has it.
var dialer = net.Dialer{KeepAlive: -1}

// Dial connects to a configured address. A name is asked for each time.
func Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return dialer.DialContext(ctx, network, address)
}

// DialTLS connects to a configured address with TLS from the first byte.
func DialTLS(ctx context.Context, network, address string, c *tls.Config) (net.Conn, error) {
	return (&tls.Dialer{NetDialer: &dialer, Config: c}).DialContext(ctx, network, address)
}
