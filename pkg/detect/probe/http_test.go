package probe

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

func healthyBody(t testing.TB) string {
	b, err := os.ReadFile("testdata/replies/a-healthy.json")
	require.NoError(t, err)
	return string(b)
}

// newHTTP makes the witness. It is patient where the endpoint does not say how long to wait.
func newHTTP(t testing.TB, e Endpoint) *HTTPHealth {
	if e.Timeout == 0 {
		e.Timeout = patient
	}
	h, err := NewHTTPHealth(e)
	require.NoError(t, err)
	return h
}

// raw starts a TCP server that handles each connection with serve.
func raw(t testing.TB, serve func(*net.TCPConn)) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close() //nolint:errcheck // a test server
				serve(c.(*net.TCPConn))
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/health/status"
}

// request reads one request header.
func request(c net.Conn) {
	buf := make([]byte, 4096)
	_, _ = c.Read(buf)
}

// silence holds a connection until the other side closes it.
func silence(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

const (
	noStatus  = -1
	anyStatus = -2 // it depends on when the reset overtakes the header
	// anyOutcome: how much came depends on that too.
	anyOutcome = ""
)

func TestHTTPHealthOnWhatServersDo(t *testing.T) {
	healthy := healthyBody(t)
	write := func(s string) func(*net.TCPConn) {
		return func(c *net.TCPConn) { request(c); _, _ = io.WriteString(c, s) }
	}
	zipped := func(s string) string {
		z := gzipped(s)
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(z), z)
	}
	cases := []struct {
		name    string
		serve   func(*net.TCPConn)
		outcome string
		status  float64
		why     string // part of http.error
	}{
		{"a plain reply", write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + healthy), detect.OutcomeReply, 200, ""},
		{"a chunked reply", write(fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(healthy), healthy)), detect.OutcomeReply, 200, ""},
		{"HTTP/1.0", write("HTTP/1.0 503 Service Unavailable\r\n\r\n" + healthy), detect.OutcomeReply, 503, ""},
		{"informational responses come first", write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" + healthy), detect.OutcomeReply, 200, ""},
		{"informational responses for ever", write(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 50)), detect.OutcomeGarbage, noStatus, "without end"},
		{"compressed though nobody asked", write(zipped(healthy)), detect.OutcomeReply, 200, ""},
		{"a small body that unpacks to a huge one", write(zipped(strings.Repeat(" ", 8<<20))), detect.OutcomeTooLarge, 200, "larger than"},
		{"a compressed body that is none", write("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot gzip at all"), detect.OutcomeGarbage, 200, "protocol"},
		{"a body beyond the bound", write("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 2<<20)), detect.OutcomeTooLarge, 200, "larger than"},
		{"a chunk line without end", write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + strings.Repeat("x", 2<<20)), detect.OutcomeGarbage, 200, "protocol"},
		{"a header beyond the bound", write("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2<<20)), detect.OutcomeGarbage, noStatus, "header"},
		{"closes without a word", request1(func(c *net.TCPConn) {}), detect.OutcomeReset, noStatus, "closed"},
		{"resets the connection", request1(func(c *net.TCPConn) { _ = c.SetLinger(0) }), detect.OutcomeReset, noStatus, "reset"},
		{"cut short in the middle of its JSON", write("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + healthy[:40]), detect.OutcomePartial, 200, "closed"},
		{"closed before the end that it announced", write("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + healthy), detect.OutcomeReply, 200, "has no end"},
		{"only HTTP/2, and closes", write("\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80"), detect.OutcomeGarbage, noStatus, "only HTTP/2"},
		{"an alert of TLS", write("\x15\x03\x01\x00\x02\x02\x46"), detect.OutcomeTLS, noStatus, "expects https"},
		{"an answer of a cache", write("HTTP/1.1 304 Not Modified\r\n\r\n"), detect.OutcomeGarbage, 304, "a cache answers"},
		{"compressed by brotli", write("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\n\x8b\x03\x80"), detect.OutcomeGarbage, 200, "compressed (br)"},
		{"deflate as the standard means it", write("HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + deflated(healthy, true)), detect.OutcomeReply, 200, ""},
		{"deflate as many send it", write("HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + deflated(healthy, false)), detect.OutcomeReply, 200, ""},
		{"compressed twice, and says so", write("HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\n\r\n" + gzipped(gzipped(healthy))), detect.OutcomeReply, 200, ""},
		{"compressed twice, and says once", write("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzipped(gzipped(healthy))), detect.OutcomeReply, 200, ""},
		{"compressed without a word", write("HTTP/1.1 200 OK\r\n\r\n" + gzipped(healthy)), detect.OutcomeReply, 200, ""},
		{"compressed again and again", write("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzipped(gzipped(gzipped(gzipped(healthy))))), detect.OutcomeGarbage, 200, "more than 3 times"},
		{"a compressed body that is cut", write("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzipped(healthy)[:30]), detect.OutcomePartial, 200, "closed"},
		{"reset in the middle of the body", request1(func(c *net.TCPConn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"+healthy)
			_ = c.SetLinger(0)
		}), anyOutcome, anyStatus, "reset"},
		{"accepts and never answers", silenceTCP, detect.OutcomeNoReply, noStatus, "no complete answer"},
		{"sends a header and hangs", request1(func(c *net.TCPConn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
			silence(c)
		}), detect.OutcomePartial, 200, "no end within"},
		{"drips one byte at a time", request1(func(c *net.TCPConn) {
			tick := time.NewTicker(brief / 10)
			defer tick.Stop()
			for range tick.C {
				if _, err := io.WriteString(c, "H"); err != nil {
					return
				}
			}
		}), detect.OutcomePartial, noStatus, "no complete HTTP header"},
		{"speaks another protocol", write("-ERR unknown command 'GET'\r\n"), detect.OutcomeGarbage, noStatus, "protocol"},
		{"redirects to a login", write("HTTP/1.1 301 Moved\r\nLocation: /login?next=secret\r\nContent-Length: 0\r\n\r\n"), detect.OutcomeRedirect, 301, "it points to /login and is not followed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			timeout := patient
			if c.outcome == detect.OutcomeNoReply || c.outcome == detect.OutcomePartial && c.why != "closed" {
				timeout = brief
			}
			h := newHTTP(t, Endpoint{URL: raw(t, c.serve), Timeout: timeout})
			f := h.Look(t.Context(), nil)
			checkFacts(t, f)
			if c.outcome == anyOutcome {
				require.Contains(t, []string{detect.OutcomeReset, detect.OutcomePartial, detect.OutcomeReply}, f.Text(detect.HTTPOutcome))
				return
			}
			require.Equal(t, c.outcome, f.Text(detect.HTTPOutcome), "%v", f)
			require.Contains(t, f.Text(detect.HTTPError), c.why)
			if v, ok := f.Num(detect.HTTPStatus); c.status != anyStatus {
				require.Equal(t, c.status == noStatus, !ok)
				require.True(t, !ok || v == c.status)
			}
			d, ok := f.Duration(detect.HTTPLatency)
			require.True(t, ok)
			if c.outcome == detect.OutcomeNoReply {
				require.GreaterOrEqual(t, d, brief)
			}
			// The witness is reused: a second look must be as good as the first.
			require.Equal(t, c.outcome, h.Look(t.Context(), nil).Text(detect.HTTPOutcome))
		})
	}
}

// TestHTTPHealthOnRepliesWithoutAnEnd: a server that has sent anything is neither silent nor hung. What
// is complete in itself is read; anything else is not known.
func TestHTTPHealthOnRepliesWithoutAnEnd(t *testing.T) {
	healthy := healthyBody(t)
	for _, c := range []struct {
		name, sent, outcome string
		status              float64
		why                 string // part of http.error
	}{
		{"a length that is too large, on an open connection", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + healthy, detect.OutcomeReply, 200, "no end within"},
		{"no length, on an open connection", "HTTP/1.1 200 OK\r\n\r\n" + healthy, detect.OutcomeReply, 200, "no end within"},
		{"chunks without a last one", fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(healthy), healthy), detect.OutcomeReply, 200, "no end within"},
		{"compressed, on an open connection", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzipped(healthy), detect.OutcomeReply, 200, "no end within"},
		{"a word on an open connection may go on", "HTTP/1.1 200 OK\r\n\r\nok", detect.OutcomePartial, 200, `"ok"`},
		{"an error that never ends", "HTTP/1.1 503 Service Unavailable\r\n\r\n<html>", detect.OutcomePartial, 503, "no end within"},
		{"a wrong path that never ends is a wrong path", "HTTP/1.1 404 Not Found\r\n\r\n<html><title>Nothing here", detect.OutcomeNotFound, 404, "Nothing here"},
		{"a refusal that never ends is a refusal", "HTTP/1.1 401 Unauthorized\r\n\r\n{", detect.OutcomeDenied, 401, ""},
		{"an event stream", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: endpoint\ndata: /messages/?session_id=abc\n\n", detect.OutcomeStream, 200, "endpoint"},
		{"an event stream that is silent", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", detect.OutcomeStream, 200, "event stream"},
		{"an event stream that brings the reply", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"status\":\"healthy\"}\n\n", detect.OutcomeReply, 200, "no end within"},
		{"only HTTP/2", "\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80", detect.OutcomeGarbage, noStatus, "only HTTP/2"},
		{"changes to another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", detect.OutcomeGarbage, 101, "101"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHTTP(t, Endpoint{URL: raw(t, request1(func(tcp *net.TCPConn) { _, _ = io.WriteString(tcp, c.sent); silence(tcp) })), Timeout: brief})
			f := h.Look(t.Context(), nil)
			checkFacts(t, f)
			require.Equal(t, c.outcome, f.Text(detect.HTTPOutcome), "%v", f)
			require.Contains(t, f.Text(detect.HTTPError), c.why)
			got, ok := f.Num(detect.HTTPStatus)
			require.Equal(t, c.status == noStatus, !ok)
			require.True(t, !ok || got == c.status)
			d, _ := f.Duration(detect.HTTPLatency)
			require.Less(t, d, brief, "a reply without an end is not a slow one")
		})
	}
}

func gzipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, s)
	_ = z.Close()
	return b.String()
}

// deflated is compressed by deflate, in the wrapping of zlib or bare.
func deflated(s string, wrapped bool) string {
	var b bytes.Buffer
	var w io.WriteCloser = zlib.NewWriter(&b)
	if !wrapped {
		w, _ = flate.NewWriter(&b, flate.DefaultCompression)
	}
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

func silenceTCP(c *net.TCPConn) { silence(c) }

func request1(serve func(*net.TCPConn)) func(*net.TCPConn) {
	return func(c *net.TCPConn) { request(c); serve(c) }
}

func TestHTTPHealthWithoutAServer(t *testing.T) {
	addr := closedPort(t)
	f := newHTTP(t, Endpoint{URL: "http://" + addr + "/"}).Look(t.Context(), nil)
	require.Equal(t, detect.OutcomeRefused, f.Text(detect.HTTPOutcome))
	require.Equal(t, "connection refused by "+addr, f.Text(detect.HTTPError))

	f = newHTTP(t, Endpoint{URL: "http://no-such-host.invalid/"}).Look(t.Context(), nil)
	require.Equal(t, detect.OutcomeDNS, f.Text(detect.HTTPOutcome))
}

func TestHTTPHealthSendsWhatWasConfigured(t *testing.T) {
	var got *http.Request
	var body string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		_, _ = io.WriteString(w, `{"status":"healthy"}`)
	}))
	defer s.Close()
	h := newHTTP(t, Endpoint{
		URL: strings.Replace(s.URL, "http://", "http://someone:pass@", 1) + "/search?q=a b", Method: "POST",
		Header: http.Header{"X-Probe": {"1"}}, Bearer: "token-of-ours", Body: []byte(`{"q":1}`),
	})
	f := h.Look(t.Context(), nil)
	require.Equal(t, "healthy", f.Text(detect.HealthStatus))
	require.Equal(t, "POST", got.Method)
	require.Equal(t, "Bearer token-of-ours", got.Header.Get("Authorization"))
	require.Equal(t, "1", got.Header.Get("X-Probe"))
	require.Equal(t, "recoveryd", got.Header.Get("User-Agent"))
	require.Equal(t, `{"q":1}`, body)
	require.True(t, got.Close, "a connection of its own for each look")

	h = newHTTP(t, Endpoint{URL: strings.Replace(s.URL, "http://", "http://someone:pass@", 1)})
	h.Look(t.Context(), nil)
	user, pass, ok := got.BasicAuth()
	require.True(t, ok)
	require.Equal(t, "someone:pass", user+":"+pass)
}

func TestHTTPHealthOverTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":"healthy"}`)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains about handshakes that are meant to fail
	s.StartTLS()
	defer s.Close()
	ca := t.TempDir() + "/ca.pem"
	require.NoError(t, os.WriteFile(ca, certificatePEM(s.Certificate().Raw), 0o600))
	look := func(e Endpoint) detect.Facts { return newHTTP(t, e).Look(t.Context(), nil) }

	f := look(Endpoint{URL: s.URL})
	require.Equal(t, detect.OutcomeTLS, f.Text(detect.HTTPOutcome))
	require.Contains(t, f.Text(detect.HTTPError), "unknown authority")

	f = look(Endpoint{URL: s.URL, TLS: TLS{CAFile: ca}})
	require.Equal(t, detect.OutcomeReply, f.Text(detect.HTTPOutcome), "%v", f)

	f = look(Endpoint{URL: s.URL, TLS: TLS{CAFile: ca, ServerName: "another.example"}})
	require.Equal(t, detect.OutcomeTLS, f.Text(detect.HTTPOutcome))
	require.Contains(t, f.Text(detect.HTTPError), "another name")

	f = look(Endpoint{URL: s.URL, TLS: TLS{SkipVerify: true}})
	require.Equal(t, detect.OutcomeReply, f.Text(detect.HTTPOutcome))

	f = look(Endpoint{URL: strings.Replace(s.URL, "https", "http", 1)})
	require.Equal(t, detect.OutcomeTLS, f.Text(detect.HTTPOutcome), "plain http to a TLS port: %v", f)

	plain := httptest.NewServer(s.Config.Handler)
	defer plain.Close()
	f = look(Endpoint{URL: strings.Replace(plain.URL, "http", "https", 1)})
	require.Equal(t, detect.OutcomeTLS, f.Text(detect.HTTPOutcome), "https to a plain port: %v", f)

	f = look(Endpoint{URL: strings.Replace(raw(t, silenceTCP), "http", "https", 1), Timeout: brief})
	require.Equal(t, detect.OutcomeNoReply, f.Text(detect.HTTPOutcome), "a handshake that nobody answers: %v", f)
}

// A certificate that is over, or that will be valid later (a clock that is wrong here or there), says nothing about
// the service behind it.
func TestACertificateThatIsOverIsNotHeldAgainstTheService(t *testing.T) {
	for name, valid := range map[string][2]time.Duration{"over": {-48 * time.Hour, -time.Hour}, "not yet valid": {time.Hour, 48 * time.Hour}} {
		t.Run(name, func(t *testing.T) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			require.NoError(t, err)
			tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(valid[0]), NotAfter: time.Now().Add(valid[1]),
				IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
			der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
			require.NoError(t, err)
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"status":"healthy"}`) }))
			s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.StartTLS()
			defer s.Close()
			ca := t.TempDir() + "/ca.pem"
			require.NoError(t, os.WriteFile(ca, certificatePEM(der), 0o600))
			f := newHTTP(t, Endpoint{URL: s.URL, TLS: TLS{CAFile: ca}}).Look(t.Context(), nil)
			require.Equal(t, detect.OutcomeTLS, f.Text(detect.HTTPOutcome), "%v", f)
			require.Contains(t, f.Text(detect.HTTPError), "expired or is not yet valid")
		})
	}
}

func TestHTTPHealthStaysSilentAsLongAsItWasAsked(t *testing.T) {
	var asked atomic.Int32
	body, err := os.ReadFile("testdata/replies/task-rate-limited.json")
	require.NoError(t, err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", "59")
		w.WriteHeader(500)
		_, _ = w.Write(body)
	}))
	defer s.Close()
	h := newHTTP(t, Endpoint{URL: s.URL})
	one := detect.Facts{detect.WorkloadRun: detect.Word("one")}
	f := h.Look(t.Context(), one)
	require.Equal(t, detect.OutcomeLimited, f.Text(detect.HTTPOutcome))

	f = h.Look(t.Context(), one)
	require.EqualValues(t, 1, asked.Load())
	require.Contains(t, f[detect.HTTPOutcome].Err, "not asked: the server limits requests")
	left, _ := f.Num(detect.HTTPRetryAfter)
	require.InDelta(t, 59, left, 1)

	// A new process has a new limiter: verification after a restart must not wait for the old one.
	h.Look(t.Context(), detect.Facts{detect.WorkloadRun: detect.Word("two")})
	require.EqualValues(t, 2, asked.Load())
}

func TestHoldIsBoundedAndOnlyForRateLimits(t *testing.T) {
	now := time.Unix(1000, 0)
	limited := func(wait detect.Reading) detect.Facts {
		return detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeLimited), detect.HTTPRetryAfter: wait}
	}
	for _, c := range []struct {
		name string
		f    detect.Facts
		want time.Duration
	}{
		{"what it asks for", limited(detect.Num(30)), 30 * time.Second},
		{"a minute when it does not say", detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeLimited)}, time.Minute},
		{"a minute when it says something unreadable", limited(detect.NotMeasured("soon")), time.Minute},
		{"five minutes at most", limited(detect.Num(86400)), 5 * time.Minute},
		{"not for an unhealthy reply with a wait", detect.Facts{
			detect.HTTPOutcome: detect.Word(detect.OutcomeReply), detect.HTTPRetryAfter: detect.Num(60)}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h hold
			h.note(c.f, nil, now)
			require.Equal(t, c.want, h.left(nil, now))
			require.Zero(t, h.left(nil, now.Add(c.want)))
		})
	}
}

func TestALookThatIsCalledOffOrCutShortProvesNothing(t *testing.T) {
	url := raw(t, silenceTCP)
	h := newHTTP(t, Endpoint{URL: url, Timeout: 10 * time.Second})

	ctx, cancel := context.WithCancel(t.Context())
	stop := time.AfterFunc(brief, cancel)
	defer stop.Stop()
	f := h.Look(ctx, nil)
	require.Equal(t, "the look was called off", f[detect.HTTPOutcome].Err)

	ctx, cancel = context.WithTimeout(t.Context(), brief)
	defer cancel()
	f = h.Look(ctx, nil)
	require.Contains(t, f[detect.HTTPOutcome].Err, "of 10s were left for the request")

	f = h.Look(ctx, nil) // no time at all
	require.NotEmpty(t, f[detect.HTTPOutcome].Err, "%v", f)
}

func TestNewHTTPHealthRefusesWhatCannotWork(t *testing.T) {
	for _, c := range []struct {
		name, want string
		e          Endpoint
	}{
		{"no URL", "not one of http or https", Endpoint{}},
		{"another scheme", "not one of http or https", Endpoint{URL: "unix:///run/x"}},
		{"no host", "not one of http or https", Endpoint{URL: "http:///path"}},
		{"an unreadable URL with a password", "cannot be parsed", Endpoint{URL: "http://u:hunter2@[::1/"}},
		{"a password in a URL of another scheme", "not one of http or https", Endpoint{URL: "ftp://u:hunter2@host/"}},
		{"a CA file that is not there", "read the CA file", Endpoint{URL: "https://h/", TLS: TLS{CAFile: "/nonexistent"}}},
		{"a certificate without its key", "needs both", Endpoint{URL: "https://h/", TLS: TLS{CertFile: "/x"}}},
		{"a negative timeout", "negative", Endpoint{URL: "http://h/", Timeout: -1}},
		{"a method that is none", "make the request", Endpoint{URL: "http://h/", Method: "GET /"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewHTTPHealth(c.e)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}
