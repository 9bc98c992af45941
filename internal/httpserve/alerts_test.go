package httpserve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"
)

func TestAlertsAreTakenFromThisHostOnlyAsJSONAndBounded(t *testing.T) {
	var got []string
	s := &Server{bodies: semaphore.NewWeighted(webhooks), o: Options{Gatherer: prometheus.NewRegistry(), Alerts: func(body []byte) (any, error) {
		if string(body) == "bad" {
			return nil, errors.New("this is no webhook of Alertmanager")
		}
		got = append(got, string(body))
		return map[string]int{"taken": 1}, nil
	}}}
	h := s.routes(false)
	for _, c := range []struct {
		name, from, kind, body string
		code                   int
		says                   string
		mark                   func(*http.Request)
	}{
		{"from this host", "127.0.0.1:5000", "application/json", "{}", http.StatusOK, `"taken": 1`, nil},
		{"from this host, over IPv6, with a charset", "[::1]:5000", "application/json; charset=utf-8", "{}", http.StatusOK, "", nil},
		{"from another host", "10.0.0.7:5000", "application/json", "{}", http.StatusForbidden, "this host only", nil},
		{"from nowhere", "", "application/json", "{}", http.StatusForbidden, "this host only", nil},
		{"from a form in a browser", "127.0.0.1:5000", "application/x-www-form-urlencoded", "{}", http.StatusUnsupportedMediaType, "application/json", nil},
		{"without a type", "127.0.0.1:5000", "", "{}", http.StatusUnsupportedMediaType, "application/json", nil},
		{"what is no webhook", "127.0.0.1:5000", "application/json", "bad", http.StatusBadRequest, "no webhook", nil},
		{"through a proxy that says for whom", "127.0.0.1:5000", "application/json", "{}", http.StatusForbidden, "not through a proxy", func(r *http.Request) { r.Header.Set("X-Forwarded-For", "10.0.0.7") }},
		{"through a proxy of the newer kind", "127.0.0.1:5000", "application/json", "{}", http.StatusForbidden, "not through a proxy", func(r *http.Request) { r.Header.Set("Forwarded", "for=127.0.0.1") }},
		{"through a proxy that says who it is", "127.0.0.1:5000", "application/json", "{}", http.StatusForbidden, "not through a proxy", func(r *http.Request) { r.Header.Set("Via", "1.1 varnish") }},
		{"through a proxy that passes its own name on", "127.0.0.1:5000", "application/json", "{}", http.StatusForbidden, "not through a proxy", func(r *http.Request) { r.Host = "status.example.org" }},
		{"through nginx as it comes", "127.0.0.1:5000", "application/json", "{}", http.StatusForbidden, "not through a proxy", func(r *http.Request) { r.Proto, r.ProtoMinor = "HTTP/1.0", 0 }},
		{"too much", "127.0.0.1:5000", "application/json", strings.Repeat(" ", maxWebhook+1), http.StatusRequestEntityTooLarge, "max_alerts", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(got)
			r := httptest.NewRequest(http.MethodPost, "/api/v1/alerts", strings.NewReader(c.body))
			r.RemoteAddr, r.Host = c.from, "127.0.0.1:9465"
			if c.mark != nil {
				c.mark(r)
			}
			if c.kind != "" {
				r.Header.Set("Content-Type", c.kind)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.Equal(t, c.code, w.Code, w.Body)
			require.Contains(t, w.Body.String(), c.says)
			require.Equal(t, c.code == http.StatusOK, len(got) > before)
		})
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/alerts", nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
}

func TestAlertsAreTakenOverTheControlSocket(t *testing.T) {
	taken := 0
	socket := filepath.Join(t.TempDir(), "control.sock")
	s, err := New(Options{Gatherer: prometheus.NewRegistry(), Logger: zap.NewNop(), Socket: socket, Alerts: func([]byte) (any, error) { taken++; return taken, nil }})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, s.Stop(ctx))
	})
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	resp, err := client.Post("http://recoveryd/api/v1/alerts", "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, 1, taken)
}
