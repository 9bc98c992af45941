package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// mcpFake is an MCP server made with the SDK, whose parts can be changed while it runs.
type mcpFake struct {
	url string

	mu       sync.Mutex
	handler  http.Handler
	resource func(context.Context) (string, error) // nil: the server has no resources
	tool     func(context.Context) (string, error)
	front    http.HandlerFunc // answers instead, when set
	requests []string         // methods of JSON-RPC requests, and HTTP verbs other than POST
	sse      bool
	json     bool // answers in plain JSON instead of event streams
}

func newMCPFake(t testing.TB, set func(*mcpFake)) *mcpFake {
	m := &mcpFake{resource: func(context.Context) (string, error) { return healthyBody(t), nil }}
	if set != nil {
		set(m)
	}
	m.restart()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.record(r)
		m.mu.Lock()
		h, front := m.handler, m.front
		m.mu.Unlock()
		if front != nil {
			front(w, r)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	m.url = s.URL + "/mcp"
	return m
}

func (m *mcpFake) record(r *http.Request) {
	what := r.Method
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		var msg struct{ Method string }
		_ = json.Unmarshal(body, &msg)
		what = msg.Method
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests = append(m.requests, what)
}

// seen returns and forgets the requests so far.
func (m *mcpFake) seen() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := strings.Join(m.requests, " ")
	m.requests = nil
	return s
}

func (m *mcpFake) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// restart forgets all sessions, as a restart of the process does.
func (m *mcpFake) restart() {
	server := mcp.NewServer(&mcp.Implementation{Name: "fake", Version: "1"}, nil)
	if m.resource != nil {
		server.AddResource(&mcp.Resource{URI: DefaultResource, Name: "health", MIMEType: "text/plain"},
			func(ctx context.Context, _ *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
				m.mu.Lock()
				read := m.resource
				m.mu.Unlock()
				text, err := read(ctx)
				return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: DefaultResource, Text: text}}}, err
			})
	}
	if m.tool != nil {
		type in struct {
			Query string `json:"query"`
		}
		mcp.AddTool(server, &mcp.Tool{Name: "search"}, func(ctx context.Context, _ *mcp.CallToolRequest, _ in) (*mcp.CallToolResult, any, error) {
			m.mu.Lock()
			call := m.tool
			m.mu.Unlock()
			text, err := call(ctx)
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, err
		})
	}
	get := func(*http.Request) *mcp.Server { return server }
	m.set(func() {
		if m.sse {
			m.handler = mcp.NewSSEHandler(get, nil)
			return
		}
		m.handler = mcp.NewStreamableHTTPHandler(get, &mcp.StreamableHTTPOptions{JSONResponse: m.json})
	})
}

func newMCP(t testing.TB, m *mcpFake) *MCPHealth {
	h, err := NewMCPHealth(MCPEndpoint{Endpoint: Endpoint{URL: m.url, Timeout: patient}, SSE: m.sse}, "")
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func TestMCPHealthOverEveryTransport(t *testing.T) {
	for name, set := range map[string]func(*mcpFake){
		"streamable, event streams": func(*mcpFake) {},
		"streamable, plain JSON":    func(m *mcpFake) { m.json = true },
		"SSE":                       func(m *mcpFake) { m.sse = true },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMCPFake(t, set)
			h := newMCP(t, m)
			f := h.Look(t.Context(), nil)
			checkFacts(t, f)
			require.Equal(t, detect.OutcomeReply, f.Text(detect.HTTPOutcome), "%v", f)
			require.Equal(t, "healthy", f.Text(detect.HealthStatus))
			require.Equal(t, "connected", f.Text(detect.HealthDatabase))
			limit, _ := f.Num(detect.PoolMax)
			require.EqualValues(t, 30, limit)
			require.Contains(t, m.seen(), "initialize notifications/initialized resources/read")

			f = h.Look(t.Context(), nil)
			require.Equal(t, detect.OutcomeReply, f.Text(detect.HTTPOutcome))
			require.Equal(t, "resources/read", m.seen(), "the session is kept")

			m.restart()
			f = h.Look(t.Context(), nil)
			require.Equal(t, detect.OutcomeReply, f.Text(detect.HTTPOutcome), "a lost session is no failure: %v", f)

			m.set(func() {
				m.resource = func(context.Context) (string, error) {
					b, err := os.ReadFile("testdata/replies/g-validation.json")
					return string(b), err
				}
			})
			f = h.Look(t.Context(), nil)
			require.Equal(t, "unhealthy", f.Text(detect.HealthStatus), "unhealthy comes as a successful read")
		})
	}
}

func TestMCPHealthOfAServerWithoutTheResource(t *testing.T) {
	for name, set := range map[string]func(*mcpFake){
		"no resources at all":        func(m *mcpFake) { m.resource = nil; m.tool = func(context.Context) (string, error) { return "", nil } },
		"no resources and no tools":  func(m *mcpFake) { m.resource = nil },
		"resources, but not this":    func(m *mcpFake) {},
		"the same over SSE":          func(m *mcpFake) { m.sse = true },
		"the same, with plain JSON":  func(m *mcpFake) { m.json = true },
		"no resources over SSE, too": func(m *mcpFake) { m.resource = nil; m.sse = true },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMCPFake(t, set)
			h, err := NewMCPHealth(MCPEndpoint{Endpoint: Endpoint{URL: m.url, Timeout: patient}, SSE: m.sse}, "health://elsewhere")
			require.NoError(t, err)
			defer h.Close() //nolint:errcheck // end of the test
			f := h.Look(t.Context(), nil)
			require.Equal(t, detect.OutcomeReply, f.Text(detect.HTTPOutcome), "%v", f)
			require.NotContains(t, f.Names(), detect.HealthStatus, "nobody stated one")
			require.Contains(t, m.seen(), "ping")
			h.Look(t.Context(), nil)
			require.NotContains(t, m.seen(), "resources/read", "asked once a session")
		})
	}
}

func TestMCPHealthOnTroubles(t *testing.T) {
	page := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	limited, err := os.ReadFile("testdata/replies/task-rate-limited.json")
	require.NoError(t, err)
	events := `{"type":"start","ts":1}` + "\n" + `{"type":"error","ts":2,"error":{"code":"INVALID_TOOL_NAME","message":"Tool name is required"}}` + "\n"
	for _, c := range []struct {
		name    string
		front   http.HandlerFunc
		outcome string
		status  float64
	}{
		{"a wrong path", page(404, "text/plain", "404 page not found"), detect.OutcomeNotFound, 404},
		{"a wrong method", page(405, "text/plain", ""), detect.OutcomeNotFound, 405},
		{"no credential", page(401, "application/json", `{"error":"invalid_token"}`), detect.OutcomeDenied, 401},
		{"a web page", page(200, "text/html", "<!DOCTYPE html><html></html>"), detect.OutcomeHTML, 200},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/login", http.StatusTemporaryRedirect)
		}, detect.OutcomeRedirect, 307},
		{"an error without a body", page(500, "text/plain", "Internal Server Error"), detect.OutcomeHTTPError, 500},
		{"a proxy without a backend", page(502, "text/html", "<html>bad gateway</html>"), detect.OutcomeGateway, 502},
		{"a rate limit at 500", page(500, "application/json", string(limited)), detect.OutcomeLimited, 500},
		{"a rate limit at 429", page(429, "application/json", `{}`), detect.OutcomeLimited, 429},
		{"not JSON in JSON's clothes", page(200, "application/json", "OK"), detect.OutcomeGarbage, 200},
		{"JSON that is no JSON-RPC", page(200, "application/json", `{"status":"healthy"}`), detect.OutcomeGarbage, 200},
		{"events of task-mcp", page(200, "application/x-ndjson", events), detect.OutcomeGarbage, 200},
		{"an endless body", page(200, "application/json", `"`+strings.Repeat("x", 1<<20)), detect.OutcomeTooLarge, 200},
		{"an RPC error at initialize", func(w http.ResponseWriter, r *http.Request) {
			var msg struct{ ID json.RawMessage }
			_ = json.NewDecoder(r.Body).Decode(&msg)
			page(200, "application/json", fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32603,"message":"boom password=hunter2"}}`, msg.ID))(w, r)
		}, detect.OutcomeRPC, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMCPFake(t, func(m *mcpFake) { m.front = c.front })
			h := newMCP(t, m)
			for range 2 { // before a session, and again
				f := h.Look(t.Context(), nil)
				checkFacts(t, f)
				require.Equal(t, c.outcome, f.Text(detect.HTTPOutcome), "%v", f)
				status, _ := f.Num(detect.HTTPStatus)
				require.Equal(t, c.status, status)
				require.NotContains(t, f.Text(detect.HTTPError), "hunter2")
				h.hold.until = time.Time{}
			}
			// The server comes to its senses, and a session can be had.
			m.set(func() { m.front = nil })
			require.Equal(t, detect.OutcomeReply, h.Look(t.Context(), nil).Text(detect.HTTPOutcome))
			// And loses them in the middle of a session.
			m.set(func() { m.front = c.front })
			f := h.Look(t.Context(), nil)
			require.Equal(t, c.outcome, f.Text(detect.HTTPOutcome), "in a session: %v", f)
		})
	}
}

func TestMCPHealthErrorOfTheRead(t *testing.T) {
	m := newMCPFake(t, func(m *mcpFake) {
		m.resource = func(context.Context) (string, error) { return "", fmt.Errorf("pool is gone") }
	})
	f := newMCP(t, m).Look(t.Context(), nil)
	require.Equal(t, detect.OutcomeRPC, f.Text(detect.HTTPOutcome), "%v", f)
	require.Contains(t, f.Text(detect.HTTPError), "pool is gone")
	status, _ := f.Num(detect.HTTPStatus)
	require.EqualValues(t, 200, status, "an RPC error comes with HTTP 200")
}

// With PostgreSQL frozen the real server's health read hangs for ever, while the server lives.
func TestMCPHealthThatHangsInTheReadIsTellingFromADeadServer(t *testing.T) {
	for name, sse := range map[string]bool{"streamable": false, "SSE": true} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			var frozen atomic.Bool
			m := newMCPFake(t, func(m *mcpFake) {
				m.sse = sse
				m.resource = func(ctx context.Context) (string, error) {
					if frozen.Load() {
						select {
						case <-release:
						case <-ctx.Done():
						}
					}
					return healthyBody(t), nil
				}
			})
			h := newMCP(t, m)
			waits := func(reply, ping time.Duration) { h.client.endpoint.Timeout, h.pingWait = reply, ping }
			require.Equal(t, detect.OutcomeReply, h.Look(t.Context(), nil).Text(detect.HTTPOutcome), "a session")
			frozen.Store(true)
			waits(brief, patient)
			for range 2 {
				f := h.Look(t.Context(), nil)
				require.Equal(t, detect.OutcomeNoReply, f.Text(detect.HTTPOutcome), "%v", f)
				require.True(t, f.True(detect.HTTPPing), "it still answers a ping: %v", f)
			}
			close(release)
			waits(patient, patient)
			require.Equal(t, detect.OutcomeReply, h.Look(t.Context(), nil).Text(detect.HTTPOutcome))

			// Now the whole server hangs, in its session and for new ones.
			m.set(func() { m.front = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() } })
			waits(brief, brief)
			f := h.Look(t.Context(), nil)
			require.Equal(t, detect.OutcomeNoReply, f.Text(detect.HTTPOutcome), "%v", f)
			require.True(t, f.False(detect.HTTPPing), "%v", f)
			// Nobody waits for a goodbye, which takes the SDK five seconds. The best of some looks counts:
			// the machine may be busy.
			requireOnce(t, func() bool {
				start := time.Now()
				f = h.Look(t.Context(), nil)
				require.Equal(t, detect.OutcomeNoReply, f.Text(detect.HTTPOutcome), "%v", f)
				return time.Since(start) < brief+4*time.Second
			})
			m.set(func() { m.front = nil })
			waits(patient, patient)
			require.Equal(t, detect.OutcomeReply, h.Look(t.Context(), nil).Text(detect.HTTPOutcome))
		})
	}
}

// requireOnce gives a thing that must be quick several tries to be so.
func requireOnce(t *testing.T, quick func() bool) {
	t.Helper()
	for range 5 {
		if quick() {
			return
		}
	}
	require.Fail(t, "it was slow at every try")
}

func TestMCPHealthWithoutAServer(t *testing.T) {
	look := func(url string, sse bool, timeout time.Duration) detect.Facts {
		h, err := NewMCPHealth(MCPEndpoint{Endpoint: Endpoint{URL: url, Timeout: timeout}, SSE: sse}, "")
		require.NoError(t, err)
		f := h.Look(t.Context(), nil)
		checkFacts(t, f)
		return f
	}
	for _, sse := range []bool{false, true} {
		for _, c := range []struct{ name, url, outcome string }{
			{"nothing listens", "http://" + closedPort(t) + "/mcp", detect.OutcomeRefused},
			{"accepts and never answers", raw(t, silenceTCP), detect.OutcomeNoReply},
			{"closes without a word", raw(t, request1(func(*net.TCPConn) {})), detect.OutcomeReset},
			{"resets", raw(t, request1(func(c *net.TCPConn) { _ = c.SetLinger(0) })), detect.OutcomeReset},
			{"no such name", "http://no-such-host.invalid/mcp", detect.OutcomeDNS},
			{"https asked of plain http", strings.Replace(raw(t, request1(func(c *net.TCPConn) {
				_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			})), "http", "https", 1), detect.OutcomeTLS},
		} {
			t.Run(fmt.Sprintf("%s, SSE %v", c.name, sse), func(t *testing.T) {
				timeout := patient
				if c.outcome == detect.OutcomeNoReply {
					timeout = brief
					requireOnce(t, func() bool { // and the SDK's five seconds of goodbye are not waited for
						start := time.Now()
						look(c.url, sse, timeout)
						return time.Since(start) < timeout+4*time.Second
					})
				}
				f := look(c.url, sse, timeout)
				require.Equal(t, c.outcome, f.Text(detect.HTTPOutcome), "%v", f)
			})
		}
	}
}

// The Python server of the real targets answers a session that it does not know with 400.
func TestMCPHealthMakesASessionAnewOn400(t *testing.T) {
	m := newMCPFake(t, nil)
	h := newMCP(t, m)
	require.Equal(t, detect.OutcomeReply, h.Look(t.Context(), nil).Text(detect.HTTPOutcome))
	var refused atomic.Int32
	m.set(func() {
		handler := m.handler
		m.front = func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Mcp-Session-Id") != "" && refused.Add(1) == 1 {
				http.Error(w, "Bad Request: No valid session ID provided", http.StatusBadRequest)
				return
			}
			handler.ServeHTTP(w, r)
		}
	})
	m.seen()
	f := h.Look(t.Context(), nil)
	require.Equal(t, detect.OutcomeReply, f.Text(detect.HTTPOutcome), "%v", f)
	// The SDK itself may say goodbye to the session in between.
	require.Equal(t, "resources/read initialize notifications/initialized resources/read", strings.Replace(m.seen(), "DELETE ", "", 1))
}

func TestMCPHealthSaysGoodbyeAndLeaksNothing(t *testing.T) {
	for _, sse := range []bool{false, true} {
		func() {
			m := newMCPFake(t, func(m *mcpFake) { m.sse = sse })
			h, err := NewMCPHealth(MCPEndpoint{Endpoint: Endpoint{URL: m.url, Timeout: patient}, SSE: sse}, "")
			require.NoError(t, err)
			require.NoError(t, h.Close(), "before any look")
			for range 3 {
				require.Equal(t, detect.OutcomeReply, h.Look(t.Context(), nil).Text(detect.HTTPOutcome))
				m.restart()
			}
			m.set(func() { m.front = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() } })
			h.client.endpoint.Timeout, h.pingWait = brief, brief
			require.Equal(t, detect.OutcomeNoReply, h.Look(t.Context(), nil).Text(detect.HTTPOutcome))
			h.client.endpoint.Timeout = patient
			m.set(func() { m.front = nil })
			require.Equal(t, detect.OutcomeReply, h.Look(t.Context(), nil).Text(detect.HTTPOutcome))
			m.seen()
			require.NoError(t, h.Close())
			if !sse {
				require.Equal(t, "DELETE", m.seen(), "the server may forget the session")
			}
			require.Equal(t, detect.OutcomeReply, h.Look(t.Context(), nil).Text(detect.HTTPOutcome), "a look after Close makes a new one")
			require.NoError(t, h.Close())
		}()
	}
	// Goroutines of the fake server's forgotten sessions remain; none of the client's may.
	var stacks string
	require.Eventually(t, func() bool {
		buf := make([]byte, 4<<20)
		stacks = string(buf[:runtime.Stack(buf, true)])
		for _, ours := range []string{"ClientConn)", "(*ClientSession)", "(*persistConn)", "(*mcpClient)", "(*tap)"} {
			if strings.Contains(stacks, ours) {
				return false
			}
		}
		return true
	}, waitFor, tick, "%s", &stacks)
}

func TestMCPHealthGivesASessionBackThatWasNotMadeInTime(t *testing.T) {
	m := newMCPFake(t, nil)
	m.set(func() {
		whole := m.handler
		m.front = func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			if strings.Contains(string(body), "notifications/initialized") {
				<-r.Context().Done()
				return
			}
			whole.ServeHTTP(w, r)
		}
	})
	h, err := NewMCPHealth(MCPEndpoint{Endpoint: Endpoint{URL: m.url, Timeout: 5 * brief}}, "")
	require.NoError(t, err)
	require.Equal(t, detect.OutcomeNoReply, h.Look(t.Context(), nil).Text(detect.HTTPOutcome))
	require.NoError(t, h.Close())
	require.Equal(t, "initialize notifications/initialized DELETE", m.seen())
}

func TestMCPHealthSendsItsCredential(t *testing.T) {
	var auth atomic.Value
	m := newMCPFake(t, nil)
	m.front = func(w http.ResponseWriter, r *http.Request) {
		auth.Store(r.Header.Get("Authorization"))
		m.handler.ServeHTTP(w, r)
	}
	h, err := NewMCPHealth(MCPEndpoint{Endpoint: Endpoint{URL: m.url, Bearer: "ours"}}, "")
	require.NoError(t, err)
	defer h.Close() //nolint:errcheck // end of the test
	require.Equal(t, detect.OutcomeReply, h.Look(t.Context(), nil).Text(detect.HTTPOutcome))
	require.Equal(t, "Bearer ours", auth.Load())
}
