package wire_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

// Most of this package is proved by the conformance suite, through every notifier. Here is what
// the suite cannot see.

func request(t testing.TB, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader("x"))
	require.NoError(t, err)
	return req
}

func TestRedaction(t *testing.T) {
	secret := `p"w /ü+<x>`
	c, err := wire.New("vendor", wire.Config{}, nil, secret, "", "abc", "supersecret", "super")
	require.NoError(t, err)
	for _, text := range []string{
		secret, `{"password":"p\"w /ü+\u003cx\u003e"}`, "p%22w+%2F%C3%BC%2B%3Cx%3E", "p%22w%20%2F%C3%BC+%3Cx%3E",
	} {
		require.NotContains(t, c.Redact(text), "%C3%BC", text)
		require.NotContains(t, c.Redact(text), "ü", text)
	}
	require.Equal(t, "<secret>", c.Redact("supersecret"), "the longer one goes first")
	require.Equal(t, "abc", c.Redact("abc"), "three letters are no secret: they would mangle every text")
	inner := errors.New("token supersecret")
	err = c.Final(notice.ReasonAuth, fmt.Errorf("outer: %w", inner))
	require.EqualError(t, err, "auth: vendor: outer: token <secret>")
	require.NotErrorIs(t, err, inner, "the cause would show it")
	err = c.Final(notice.ReasonAuth, fmt.Errorf("outer: %w", io.ErrUnexpectedEOF))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestSecretIsNotPrinted(t *testing.T) {
	type holder struct{ S wire.Secret }
	h := holder{wire.NewSecret("supersecret")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		require.NotContains(t, fmt.Sprintf(verb, h), "supersecret")
		require.NotContains(t, fmt.Sprintf(verb, h), fmt.Sprintf("%x", "supersecret"))
	}
	require.Equal(t, "supersecret", h.S.Reveal())
	require.Empty(t, wire.Secret{}.Reveal())
}

func TestProxy(t *testing.T) {
	var seen []string
	proxy := escalatetest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Proxy-Authorization"), r.URL.String())
		w.WriteHeader(http.StatusProxyAuthRequired)
		_, _ = io.WriteString(w, "wrong password proxysecret")
	}))
	c, err := wire.New("vendor", wire.Config{Proxy: strings.Replace(proxy, "://", "://user:proxysecret@", 1)}, []*url.URL{request(t, "http://vendor.example/").URL})
	require.NoError(t, err)
	req := request(t, "http://vendor.example/hook")
	reply, err := c.Do(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, []string{"Basic dXNlcjpwcm94eXNlY3JldA==", "http://vendor.example/hook"}, seen)
	err = c.Verdict(req.URL, reply, wire.Rules{Accept: []int{200}})
	require.ErrorContains(t, err, "407")
	require.NotContains(t, err.Error(), "proxysecret")
}

func TestNothingIsSentToAnotherPlaceThanTheConfiguredOne(t *testing.T) {
	asked := 0
	vendor := escalatetest.Serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	for _, to := range [][]*url.URL{nil, {request(t, "http://vendor.example/").URL}, {request(t, "https"+strings.TrimPrefix(vendor, "http")).URL}} {
		c, err := wire.New("vendor", wire.Config{}, to, "hunter2hunter2")
		require.NoError(t, err)
		_, err = c.Do(t.Context(), request(t, vendor+"/hunter2hunter2"))
		require.ErrorContains(t, err, "as configured")
		require.NotContains(t, err.Error(), "hunter2")
	}
	require.Zero(t, asked)
}

func TestWrongConfig(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for want, cfg := range map[string]wire.Config{
		"not be negative":   {Timeout: -time.Second},
		"http.proxy":        {Proxy: "user:secretpassword@"},
		"http.ca_file: ope": {CAFile: "/nonexistent"},
		"no certificate in": {CAFile: empty},
	} {
		_, err := wire.New("vendor", cfg, nil)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secretpassword")
	}
}

func TestRetryAfterCapIsConfigurable(t *testing.T) {
	vendor := escalatetest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	c, err := wire.New("vendor", wire.Config{RetryAfterCap: 2 * time.Minute}, []*url.URL{request(t, vendor).URL})
	require.NoError(t, err)
	reply, err := c.Do(t.Context(), request(t, vendor))
	require.NoError(t, err)
	require.Equal(t, 2*time.Minute, c.RetryAfter(reply))
}

func TestSnippetIsOneShortLine(t *testing.T) {
	c, err := wire.New("vendor", wire.Config{}, nil, "supersecret")
	require.NoError(t, err)
	got := c.Snippet([]byte("a\nb\x1b[2J " + strings.Repeat("x", 220) + " supersecret tail " + strings.Repeat("y", 1000)))
	require.LessOrEqual(t, len([]rune(got)), 240)
	require.NotContains(t, got, "\n")
	require.NotContains(t, got, "supers", "a secret is hidden before the text is cut")
}
