package egress_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/egress"
)

func parsed(t testing.TB, s string) *url.URL {
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}

func TestOnlyTheConfiguredSchemeHostAndPortAreAdmitted(t *testing.T) {
	o, err := egress.OriginOf(parsed(t, "https://Example.org/mcp?x=1"))
	require.NoError(t, err)
	require.Equal(t, "https://example.org:443", o.String())
	for _, s := range []string{"https://example.org/other", "https://EXAMPLE.ORG:443/", "https://example.org./"} {
		require.NoError(t, o.Admits(parsed(t, s)), s)
	}
	for _, s := range []string{
		"http://example.org/", "https://example.org:8443/", "https://example.org.evil.net/", "https://evil.net/example.org",
		"https://example.org@evil.net/", "//evil.net/x", "/only/a/path", "ftp://example.org/", "https:///x", "https://[::1]/", "wss://example.org/",
	} {
		err := o.Admits(parsed(t, s))
		refused, ok := errors.AsType[*egress.RefusedError](err)
		require.True(t, ok, "%s: %v", s, err)
		require.Contains(t, refused.Error(), "https://example.org:443 only")
	}
	require.Error(t, egress.Origin{}.Admits(parsed(t, "https://example.org/")), "nothing configured admits nothing")
	for _, s := range []string{"", "/x", "unix:///run/x.sock", "https://"} {
		_, err := egress.NewTransport(egress.Way{}, parsed(t, s))
		require.Error(t, err, s)
	}
}

func TestARefusalNamesNoSecretAndSendsNothing(t *testing.T) {
	var asked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer other.Close()
	tr, err := egress.NewTransport(egress.Way{}, parsed(t, "http://127.0.0.1:1/"))
	require.NoError(t, err)
	req, err := http.NewRequest(http.MethodPost, strings.Replace(other.URL, "://", "://user:hunter2@", 1)+"/T000/hunter3", strings.NewReader("secret"))
	require.NoError(t, err)
	resp, err := egress.Client(tr).Do(req)
	if resp != nil {
		_ = resp.Body.Close()
	}
	refused, ok := errors.AsType[*egress.RefusedError](err)
	require.True(t, ok, "%v", err)
	require.NotContains(t, refused.Error(), "hunter")
	require.Contains(t, refused.Error(), other.URL)
	require.Zero(t, asked.Load())
}

func TestNothingAServerAnswersNamesANewPlace(t *testing.T) {
	var leaked atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Add(1) }))
	defer thief.Close()
	for _, status := range []int{300, 301, 302, 303, 305, 307, 308} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for _, secure := range []bool{false, true} { // also from https to plain http
				h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Location", thief.URL+"/leak")
					w.Header().Set("Link", "<"+thief.URL+">; rel=alternate")
					w.Header().Set("Alt-Svc", `h2="`+strings.TrimPrefix(thief.URL, "http://")+`"; ma=86400`)
					w.Header().Set("Refresh", "0; url="+thief.URL)
					w.WriteHeader(status)
				})
				s := httptest.NewUnstartedServer(h)
				way := egress.Way{Keep: true}
				if secure {
					s.StartTLS()
					way.TLS = &tls.Config{InsecureSkipVerify: true}
				} else {
					s.Start()
				}
				tr, err := egress.NewTransport(way, parsed(t, s.URL))
				require.NoError(t, err)
				for range 2 { // an alternative service would be for the second
					req, err := http.NewRequest(method, s.URL, strings.NewReader("secret"))
					require.NoError(t, err)
					req.Header.Set("Authorization", "Bearer secret")
					resp, err := egress.Client(tr).Do(req)
					require.NoError(t, err)
					require.Equal(t, status, resp.StatusCode, "the answer itself is handed over")
					_ = resp.Body.Close()
				}
				tr.CloseIdleConnections()
				s.Close()
			}
		}
	}
	require.Zero(t, leaked.Load())
}

func TestAProxyOfTheEnvironmentSeesNoPlainRequest(t *testing.T) {
	var seen atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	var dialled []string
	dial := func(_ context.Context, _, address string) (net.Conn, error) {
		dialled = append(dialled, address)
		return nil, io.ErrUnexpectedEOF
	}
	ask := func(w egress.Way, address string) {
		w.Dial = dial
		tr, err := egress.NewTransport(w, parsed(t, address))
		require.NoError(t, err)
		_, err = egress.Client(tr).Get(address) //nolint:bodyclose // there is no answer
		require.Error(t, err)
	}
	ask(egress.Way{}, "https://one.test/")
	ask(egress.Way{}, "http://two.test/")
	ask(egress.Way{ProxyFromEnvironment: true}, "http://three.test/")
	require.Equal(t, []string{"one.test:443", "two.test:80", "three.test:80"}, dialled)
	dialled = nil
	ask(egress.Way{Proxy: parsed(t, "http://configured.test:3128")}, "http://four.test/")
	require.Equal(t, []string{"configured.test:3128"}, dialled, "one that the configuration names is used")
}
