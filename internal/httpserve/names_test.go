package httpserve

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestNoOtherNameAndNoOtherPageIsServed(t *testing.T) {
	pages := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("page")) })
	s := &Server{o: Options{Gatherer: prometheus.NewRegistry(), Pages: pages, Names: func() Names {
		return Names{External: "https://Status.example.org/recoveryd", Host: "db-1.example.org", More: []string{"probe.example.org", "fd00::7"}}
	}}}
	h := s.guard(s.routes(false))
	ask := func(method, path, host, local string, head ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		r.Host = host
		a, err := net.ResolveTCPAddr("tcp", local)
		require.NoError(t, err)
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, a))
		for _, line := range head {
			k, v, _ := strings.Cut(line, ": ")
			r.Header.Add(k, v)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	const loopback, outside = "127.0.0.1:9465", "10.0.0.5:9465"
	for _, c := range []struct {
		host, local string
		code        int
	}{
		{"127.0.0.1:9465", loopback, 200}, {"localhost", loopback, 200}, {"LocalHost.:9465", loopback, 200}, {"app.localhost:80", loopback, 200}, {"[::1]:9465", loopback, 200},
		{"127.8.8.8", loopback, 200}, {"", loopback, 200}, // HTTP/1.0
		{"status.example.org", loopback, 200}, {"status.example.org.:443", loopback, 200}, {"probe.example.org:9465", loopback, 200}, {"[fd00::7]:9465", loopback, 200},
		{"10.0.0.5:9465", outside, 200}, {"db-1:9465", outside, 200}, {"db-1.example.org", outside, 200},
		{"evil.example:9465", loopback, 421}, {"evil.example", outside, 421}, {"127.0.0.1.evil.example", loopback, 421}, {"localhost.evil.example", loopback, 421},
		{"evil-localhost", loopback, 421}, {"example.org", loopback, 421}, {"a.status.example.org", loopback, 421},
		{"10.0.0.5:9465", loopback, 421}, {"db-1:9465", loopback, 421}, {"0.0.0.0:9465", loopback, 421}, {"2130706433", loopback, 421}, {"10.0.0.6", outside, 421},
	} {
		for _, path := range []string{"/metrics", "/", "/stream", "/incidents/x/stream"} {
			w := ask(http.MethodGet, path, c.host, c.local)
			require.Equal(t, c.code, w.Code, "%s of %q at %s: %s", path, c.host, c.local, w.Body)
			if c.code == 421 {
				require.Contains(t, w.Body.String(), "http.hosts", "it says what to do")
			}
		}
	}
	for _, c := range []struct {
		head []string
		code int
	}{
		{[]string{"Origin: http://127.0.0.1:9465"}, 200}, {[]string{"Origin: https://status.example.org"}, 200}, {[]string{"Origin: http://probe.example.org:81"}, 200},
		{[]string{"Sec-Fetch-Site: same-origin"}, 200}, {[]string{"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"}, 200},
		{[]string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}, 200}, // a link in a page that was sent
		{[]string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, 403}, {[]string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors"}, 403}, {[]string{"Sec-Fetch-Site: cross-site"}, 403},
		{[]string{"Origin: http://evil.example"}, 403}, {[]string{"Origin: null"}, 403}, {[]string{"Origin: http://127.0.0.1:3000"}, 403},
		{[]string{"Origin: http://status.example.org"}, 403}, {[]string{"Origin: https://status.example.org:8443"}, 403},
		{[]string{"Origin: http://127.0.0.1:9465", "Origin: http://evil.example"}, 403}, {[]string{"Origin: ://"}, 403},
	} {
		for _, path := range []string{"/metrics", "/stream"} {
			w := ask(http.MethodGet, path, "127.0.0.1:9465", loopback, c.head...)
			require.Equal(t, c.code, w.Code, "%s with %q: %s", path, c.head, w.Body)
		}
	}
	require.Equal(t, 403, ask(http.MethodPost, "/api/v1/alerts", "127.0.0.1:9465", loopback, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate").Code, "a form of a foreign page")
}
