package escalatetest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// script answers each request by a function, which the test changes between attempts.
type script struct {
	mu  sync.Mutex
	fn  func(w http.ResponseWriter, r *http.Request, body []byte)
	got int
}

// ServeHTTP implements http.Handler.
func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // a client that breaks off is part of the tests
	s.mu.Lock()
	fn := s.fn
	s.got++
	s.mu.Unlock()
	fn(w, r, body)
}

func (s *script) set(fn func(w http.ResponseWriter, r *http.Request, body []byte)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fn = fn
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

// want is what a status must come to. It is written out here and shares nothing with the code
// under test.
func (h *HTTP) want(status int) string {
	switch {
	case slices.Contains(h.Accepts, status):
		return "delivered"
	case slices.Contains(h.Limited, status), status == 408, status == 425, status == 429:
		return "retry"
	case status >= 300 && status <= 499:
		return "final"
	}
	return "retry" // 1xx, undocumented 2xx, 5xx
}

func outcome(err error) string {
	if err == nil {
		return "delivered"
	}
	if _, ok := errors.AsType[*notice.RetryError](err); ok {
		return "retry"
	}
	if _, ok := errors.AsType[*notice.FinalError](err); ok {
		return "final"
	}
	return fmt.Sprintf("unclassified %T", err)
}

func (c Case) testStatuses(t *testing.T) {
	var s script
	n := c.New(t, Serve(t, &s), plenty)
	for status := 100; status <= 599; status++ {
		s.set(func(w http.ResponseWriter, r *http.Request, body []byte) {
			_, reply := c.HTTP.Success(r, body)
			if status < 200 { // as a broken server would: an informational status and no other
				conn, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d Strange\r\n\r\n", status)
					_ = conn.Close()
				}
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, reply) // 204 and 304 take none
		})
		_, err := n.Notify(t.Context(), notice.Delivery{Notice: Notice("status/t0"), Attempt: 1})
		require.Equal(t, c.HTTP.want(status), outcome(err), "status %d: %v", status, err)
		if err != nil && status >= 300 {
			require.Contains(t, err.Error(), strconv.Itoa(status))
		}
	}
}

func (c Case) testRedirect(t *testing.T) {
	var there, here script
	there.set(func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(http.StatusOK) })
	to := Serve(t, &there)
	n := c.New(t, Serve(t, &here), plenty)
	for _, status := range []int{301, 302, 303, 307, 308} {
		here.set(func(w http.ResponseWriter, r *http.Request, _ []byte) {
			http.Redirect(w, r, to+"/stolen?q="+url.QueryEscape(strings.Join(c.Secrets, ",")), status)
		})
		_, err := n.Notify(t.Context(), notice.Delivery{Notice: Notice("redirect/t0"), Attempt: 1})
		require.Equal(t, "final", outcome(err), "status %d: %v", status, err)
		c.requireSecretFree(t, "error", everyError(err))
	}
	require.Zero(t, there.count(), "the notice and its credentials went to another host")
}

func (c Case) testRetryAfter(t *testing.T) {
	var s script
	n := c.New(t, Serve(t, &s), plenty)
	const vendorClock = "Sun, 22 Nov 2026 03:00:00 GMT" // a date is relative to the vendor's clock, not to ours
	for _, tc := range []struct {
		name, header string
		want         time.Duration
	}{
		{"seconds", "37", 37 * time.Second},
		{"zero", "0", 0},
		{"an HTTP date", "Sun, 22 Nov 2026 03:01:30 GMT", 90 * time.Second},
		{"a date in the past", "Sun, 22 Nov 2026 02:00:00 GMT", 0},
		{"half an hour is capped", "1800", 5 * time.Minute},
		{"more than fits a duration is capped", "99999999999999999999", 5 * time.Minute},
		{"milliseconds are seen as such", "30000", 30 * time.Second},
		{"a moment in seconds since 1970 is capped", "1796071442", 5 * time.Minute},
		{"a far date is capped", "Sun, 22 Nov 2076 03:00:00 GMT", 5 * time.Minute},
		{"negative is ignored", "-5", 0},
		{"not a number is ignored", "NaN", 0},
		{"words are ignored", "soon", 0},
		{"absent", "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, status := range append([]int{429, 503}, c.HTTP.Limited...) {
				s.set(func(w http.ResponseWriter, _ *http.Request, _ []byte) {
					w.Header().Set("Date", vendorClock)
					if tc.header != "" {
						w.Header().Set("Retry-After", tc.header)
					}
					w.WriteHeader(status)
				})
				_, err := n.Notify(t.Context(), notice.Delivery{Notice: Notice("after/t0"), Attempt: 1})
				retry, ok := errors.AsType[*notice.RetryError](err)
				require.True(t, ok, "want *notice.RetryError, got %T: %v", err, err)
				require.Equal(t, tc.want, retry.After)
				if status != 503 {
					require.Equal(t, notice.ReasonRateLimited, retry.Reason)
				}
			}
		})
	}
}

func (c Case) testTimeouts(t *testing.T) {
	hang := func(w http.ResponseWriter, r *http.Request, _ []byte) { <-r.Context().Done() }
	for _, tc := range []struct {
		name string
		fn   func(w http.ResponseWriter, r *http.Request, body []byte)
		late bool // the status line came
	}{
		{"no answer", hang, false},
		{"a success status and then nothing", func(w http.ResponseWriter, r *http.Request, body []byte) {
			status, _ := c.HTTP.Success(r, body)
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(status)
			_ = http.NewResponseController(w).Flush()
			hang(w, r, body)
		}, true},
		{"a success status and a trickle", func(w http.ResponseWriter, r *http.Request, body []byte) {
			status, _ := c.HTTP.Success(r, body)
			w.WriteHeader(status)
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, " "); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(5 * time.Millisecond):
				}
			}
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s script
			s.set(tc.fn)
			n := c.New(t, Serve(t, &s), 150*time.Millisecond)
			start := time.Now()
			_, err := n.Notify(t.Context(), notice.Delivery{Notice: Notice("timeout/t0"), Attempt: 1})
			require.Less(t, time.Since(start), plenty, "the attempt was not bounded")
			if tc.late && !c.HTTP.BodyMatters {
				require.NoError(t, err, "the status line is the vendor's word")
				return
			}
			retry, ok := errors.AsType[*notice.RetryError](err)
			require.True(t, ok, "want *notice.RetryError, got %T: %v", err, err)
			require.Equal(t, notice.ReasonTimeout, retry.Reason)
		})
	}
}

func (c Case) testReplies(t *testing.T) {
	write := func(reply func(string) string) func(w http.ResponseWriter, r *http.Request, body []byte) {
		return func(w http.ResponseWriter, r *http.Request, body []byte) {
			status, good := c.HTTP.Success(r, body)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, reply(good))
		}
	}
	var flooded atomic.Int64
	for name, fn := range map[string]func(w http.ResponseWriter, r *http.Request, body []byte){
		"empty":         write(func(string) string { return "" }),
		"a web page":    write(func(string) string { return "<!doctype html><title>login</title>" }),
		"half of it":    write(func(s string) string { return s[:len(s)/2] }),
		"null":          write(func(string) string { return "null" }),
		"another shape": write(func(string) string { return `[1,2,{"ok":"maybe"}]` }),
		"zeros":         write(func(string) string { return strings.Repeat("\x00", 1000) }),
		"without end": func(w http.ResponseWriter, r *http.Request, body []byte) {
			status, good := c.HTTP.Success(r, body)
			w.WriteHeader(status)
			_, err := io.WriteString(w, good)
			for err == nil { // ends when the client has had enough, or never
				_, err = io.WriteString(w, strings.Repeat(" ", 1<<16))
				flooded.Add(1 << 16)
			}
		},
		"cut off": func(w http.ResponseWriter, r *http.Request, body []byte) {
			status, good := c.HTTP.Success(r, body)
			w.Header().Set("Content-Length", strconv.Itoa(len(good)+50))
			w.WriteHeader(status)
			_, _ = io.WriteString(w, good)
			_ = http.NewResponseController(w).Flush()
			reset(w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s script
			s.set(fn)
			n := c.New(t, Serve(t, &s), plenty)
			_, err := n.Notify(t.Context(), notice.Delivery{Notice: Notice("reply/t0"), Attempt: 1})
			// Sockets buffer a few megabytes that nobody reads.
			require.Less(t, flooded.Load(), int64(32<<20), "the reply was read without bound")
			if c.HTTP.BodyMatters || name == "a web page" { // nobody accepts with a page
				require.Equal(t, "retry", outcome(err), "nothing says that the vendor took it: %v", err)
				return
			}
			require.NoError(t, err, "the status line is the vendor's word")
		})
	}
	t.Run("no HTTP at all", func(t *testing.T) {
		var s script
		s.set(func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "220 mail.example.org ESMTP\r\n")
				_ = conn.Close()
			}
		})
		n := c.New(t, Serve(t, &s), plenty)
		_, err := n.Notify(t.Context(), notice.Delivery{Notice: Notice("reply/t0"), Attempt: 1})
		require.Equal(t, "retry", outcome(err), "%v", err)
	})
}

// testSecrets lets the vendor echo the whole request, credentials included, in every sort of
// failure: errors quote the vendor, and must not quote that.
func (c Case) testSecrets(t *testing.T) {
	logged := captureLog(t)
	check := func(t *testing.T, n notice.Notifier) {
		t.Helper()
		_, err := n.Notify(t.Context(), notice.Delivery{Notice: Notice("secret/t0"), Attempt: 1})
		if err != nil {
			c.requireSecretFree(t, "error", everyError(err))
		}
	}
	var s script
	n := c.New(t, Serve(t, &s), plenty)
	for _, status := range []int{200, 201, 202, 204, 302, 400, 401, 403, 404, 407, 410, 413, 420, 422, 429, 500, 502, 503} {
		s.set(func(w http.ResponseWriter, r *http.Request, body []byte) {
			dump, _ := httputil.DumpRequest(r, false)
			w.Header().Set("Location", r.URL.String())
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "%s %s %s", strings.Join(c.Secrets, " "), dump, body)
		})
		check(t, n)
	}
	s.set(func(w http.ResponseWriter, r *http.Request, body []byte) { // as a Slack refusal, as a JSON error
		_, _ = fmt.Fprintf(w, `{"ok":false,"error":%q,"errors":[%q]}`, strings.Join(c.Secrets, " "), body)
	})
	check(t, n)
	tls := httptest.NewTLSServer(&s)
	defer tls.Close()
	check(t, c.New(t, tls.URL, plenty)) // a certificate that nobody trusts
	check(t, c.New(t, strings.Replace(Serve(t, &s), "http:", "https:", 1), plenty))
	check(t, c.New(t, "http://127.0.0.1:1", plenty))
	c.requireSecretFree(t, "standard log", logged.String())
}

func (c Case) testKey(t *testing.T) {
	var mu sync.Mutex
	var keys []string
	var s script
	s.set(func(w http.ResponseWriter, r *http.Request, body []byte) {
		mu.Lock()
		keys = append(keys, c.HTTP.Key(r, body))
		mu.Unlock()
		status, reply := c.HTTP.Success(r, body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, reply)
	})
	base := Serve(t, &s)
	take := func(n notice.Notice, attempt int) string {
		t.Helper()
		mu.Lock()
		keys = nil
		mu.Unlock()
		deliver(t, c.New(t, base, plenty), notice.Delivery{Notice: n, Attempt: attempt}) // a new one each time: a restart
		mu.Lock()
		defer mu.Unlock()
		require.NotEmpty(t, keys)
		require.NotEmpty(t, keys[len(keys)-1])
		return keys[len(keys)-1]
	}
	long := strings.Repeat("x", 600)
	for _, key := range []string{"inc-1/t0", long + "a"} {
		first := take(Notice(key), 1)
		require.Equal(t, first, take(Notice(key), 2), "a retry has the same key")
		require.Equal(t, first, take(As(Notice(key), notice.Resolve), 1), "a resolve has the key of its trigger")
	}
	require.NotEqual(t, take(Notice(long+"a"), 1), take(Notice(long+"b"), 1), "two long keys stay two")
	require.NotEqual(t, take(Notice("inc-1/t0"), 1), take(Notice("inc-1/t1"), 1), "each tier has its own key")
}

// everyError prints an error and everything below it in every way.
func everyError(err error) string {
	var b strings.Builder
	for e := err; e != nil; e = errors.Unwrap(e) {
		fmt.Fprintf(&b, "%v\n%+v\n%#v\n", e, e, e)
	}
	return b.String()
}

func secretForms(s string) []string {
	return []string{s, url.QueryEscape(s), url.PathEscape(s), strings.Trim(strconv.Quote(s), `"`), base64.StdEncoding.EncodeToString([]byte(s))}
}
