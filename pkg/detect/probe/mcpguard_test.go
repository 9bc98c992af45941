package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// asked is one message that a hand-made MCP server got.
type asked struct {
	ID     json.RawMessage
	Method string
	Params struct {
		Cursor, URI, Name, ProtocolVersion string
	}
	Result json.RawMessage // of an answer to the server
	header http.Header
	ended  <-chan struct{} // the client has hung up
}

// handMade is an MCP server that answers what the SDK's would not.
type handMade struct {
	*httptest.Server
	mu   sync.Mutex
	seen []asked
	// stream is the newest event stream of the older transport; nil in the streamable one.
	stream chan string
}

// byHand starts a server of the streamable transport. answer writes what is sent back.
func byHand(t testing.TB, answer func(w http.ResponseWriter, a asked)) *handMade {
	h := &handMade{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := h.take(r)
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		answer(w, a)
	}))
	t.Cleanup(func() { h.CloseClientConnections(); h.Close() })
	return h
}

// byHandSSE starts a server of the older transport; endpoint is what it names for messages, and answer gives the events
// that follow a message.
func byHandSSE(t testing.TB, endpoint string, answer func(a asked) string) *handMade {
	h := &handMade{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			a := h.take(r)
			w.WriteHeader(http.StatusAccepted)
			select {
			case h.newest() <- answer(a):
			case <-r.Context().Done():
			}
			return
		}
		events := make(chan string, 10) // of this session alone: an older one may not have noticed its end yet
		h.mu.Lock()
		h.stream = events
		h.mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "event: endpoint\ndata: %s\n\n", endpoint)
		w.(http.Flusher).Flush()
		for {
			select {
			case s := <-events:
				_, _ = io.WriteString(w, s)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}))
	t.Cleanup(func() { h.CloseClientConnections(); h.Close() })
	return h
}

func (h *handMade) newest() chan string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stream
}

func (h *handMade) take(r *http.Request) asked {
	a := asked{header: r.Header.Clone(), ended: r.Context().Done()}
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &a)
	if a.Method == "" {
		a.Method = r.Method
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, a)
	return a
}

// methods are those that the server was asked, and forgets them.
func (h *handMade) methods() (list []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.seen {
		list = append(list, a.Method)
	}
	h.seen = nil
	return list
}

func (h *handMade) probe(t testing.TB, sse bool) *MCPHealth {
	p, err := NewMCPHealth(MCPEndpoint{Endpoint: Endpoint{URL: h.URL + "/mcp", Timeout: patient, Bearer: "ours"}, SSE: sse}, "")
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// result is a message that answers.
func result(a asked, body string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, a.ID, body)
}

func rpcError(a asked, code int, message string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%q}}`, a.ID, code, message)
}

const greeting = `{"protocolVersion":"2025-06-18","capabilities":{"tools":{},"resources":{}},"serverInfo":{"name":"hand","version":"1"}}`

// wellMade is what a server without a health resource answers.
func wellMade(a asked) string {
	switch a.Method {
	case "initialize":
		return result(a, greeting)
	case "resources/read":
		return rpcError(a, -32602, "MCP error -32602: Resource health://status not found")
	case "resources/list":
		return result(a, `{"resources":[]}`)
	case "resources/templates/list":
		return result(a, `{"resourceTemplates":[]}`)
	case "tools/list":
		return result(a, `{"tools":[]}`)
	case "ping":
		return result(a, `{}`)
	}
	return ""
}

func respond(w http.ResponseWriter, message string) {
	if message == "" {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, message)
}

// The codes are those of the SDKs for TypeScript (-32602), the specification and Go (-32002), Python (0), C# (-32603 and
// -32602), Rust (-32002) and servers without the method (-32601).
func TestWhetherThereIsAHealthResourceIsAskedOfTheServer(t *testing.T) {
	for _, code := range []int{-32602, -32002, -32601, -32603, -32600, 0, 1, 404} {
		for name, c := range map[string]struct {
			list, templates string
			want            string
		}{
			"not listed":                {`{"resources":[]}`, `{"resourceTemplates":[]}`, detect.OutcomeReply},
			"others are listed":         {`{"resources":[{"uri":"demo://a","name":"a"}]}`, `{"resourceTemplates":[{"uriTemplate":"demo://{x}","name":"t"}]}`, detect.OutcomeReply},
			"listed":                    {`{"resources":[{"uri":"health://status","name":"h"}]}`, `{"resourceTemplates":[]}`, detect.OutcomeRPC},
			"from a template":           {`{"resources":[]}`, `{"resourceTemplates":[{"uriTemplate":"health://{part}","name":"t"}]}`, detect.OutcomeRPC},
			"a template of everything":  {`{"resources":[]}`, `{"resourceTemplates":[{"uriTemplate":"{+uri}","name":"t"}]}`, detect.OutcomeReply},
			"a template that is broken": {`{"resources":[]}`, `{"resourceTemplates":[{"uriTemplate":"health://{","name":"t"}]}`, detect.OutcomeReply},
		} {
			t.Run(fmt.Sprintf("%d, %s", code, name), func(t *testing.T) {
				h := byHand(t, func(w http.ResponseWriter, a asked) {
					switch a.Method {
					case "resources/read":
						respond(w, rpcError(a, code, "something in words"))
					case "resources/list":
						respond(w, result(a, c.list))
					case "resources/templates/list":
						respond(w, result(a, c.templates))
					default:
						respond(w, wellMade(a))
					}
				})
				p := h.probe(t, false)
				f := p.Look(t.Context(), nil)
				checkFacts(t, f)
				require.Equal(t, c.want, f.Text(detect.HTTPOutcome), "%v", f)
				if c.want == detect.OutcomeRPC {
					require.Contains(t, f.Text(detect.HTTPError), "something in words")
					require.NotContains(t, f, detect.HealthInstead)
					return
				}
				require.Contains(t, f.Text(detect.HealthInstead), "no resource health://status")
				h.methods()
				p.Look(t.Context(), nil)
				require.Equal(t, []string{"ping", "tools/list"}, h.methods(), "asked once in a session")
				p.withoutUntil = time.Time{}
				p.Look(t.Context(), nil)
				require.Contains(t, h.methods(), "resources/read", "and again after a while")
			})
		}
	}
}

func TestAnErrorOfAResourceThatWasReadBeforeIsNoAbsence(t *testing.T) {
	var broken atomic.Bool
	h := byHand(t, func(w http.ResponseWriter, a asked) {
		if a.Method == "resources/read" && !broken.Load() {
			respond(w, result(a, `{"contents":[{"uri":"health://status","text":"{\"status\":\"healthy\"}"}]}`))
			return
		}
		respond(w, wellMade(a)) // which lists nothing
	})
	p := h.probe(t, false)
	require.Equal(t, "healthy", p.Look(t.Context(), nil).Text(detect.HealthStatus))
	broken.Store(true)
	f := p.Look(t.Context(), nil)
	require.Equal(t, detect.OutcomeRPC, f.Text(detect.HTTPOutcome), "%v", f)
}

func TestAResourceOnALaterPageIsFoundAndEndlessPagesEnd(t *testing.T) {
	for _, endless := range []bool{false, true} {
		h := byHand(t, func(w http.ResponseWriter, a asked) {
			switch {
			case a.Method == "resources/list" && a.Params.Cursor == "":
				respond(w, result(a, `{"resources":[],"nextCursor":"2"}`))
			case a.Method == "resources/list" && endless:
				respond(w, result(a, `{"resources":[],"nextCursor":"2"}`))
			case a.Method == "resources/list":
				respond(w, result(a, `{"resources":[{"uri":"health://status","name":"h"}]}`))
			case a.Method == "resources/templates/list" && endless:
				respond(w, result(a, `{"resourceTemplates":[],"nextCursor":"x"}`))
			default:
				respond(w, wellMade(a))
			}
		})
		f := h.probe(t, false).Look(t.Context(), nil)
		want := detect.OutcomeRPC
		if endless {
			want = detect.OutcomeReply
		}
		require.Equal(t, want, f.Text(detect.HTTPOutcome), "%v", f)
		require.LessOrEqual(t, len(h.methods()), maxRequests)
	}
}

func TestServersThatAreWellInOtherWays(t *testing.T) {
	greet := func(a asked, body string) string {
		if a.Method == "initialize" {
			return result(a, body)
		}
		return wellMade(a)
	}
	for name, answer := range map[string]func(http.ResponseWriter, asked){
		"no capabilities at all": func(w http.ResponseWriter, a asked) {
			respond(w, greet(a, `{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"x","version":"1"}}`))
		},
		"capabilities of null": func(w http.ResponseWriter, a asked) {
			respond(w, greet(a, `{"protocolVersion":"2025-06-18","capabilities":null,"serverInfo":{"name":"x","version":"1"}}`))
		},
		"no ping": func(w http.ResponseWriter, a asked) {
			if a.Method == "ping" {
				respond(w, rpcError(a, -32601, "Method not found"))
				return
			}
			respond(w, wellMade(a))
		},
		"no lists of resources": func(w http.ResponseWriter, a asked) {
			if strings.HasPrefix(a.Method, "resources/") {
				respond(w, rpcError(a, -32601, "Method not found"))
				return
			}
			respond(w, wellMade(a))
		},
		"an older version": func(w http.ResponseWriter, a asked) {
			respond(w, greet(a, strings.Replace(greeting, "2025-06-18", "2024-10-07", 1)))
		},
		"a version of the future": func(w http.ResponseWriter, a asked) {
			respond(w, greet(a, strings.Replace(greeting, "2025-06-18", "2031-01-01", 1)))
		},
		"no version": func(w http.ResponseWriter, a asked) {
			respond(w, greet(a, `{"capabilities":{"tools":{}},"serverInfo":{"name":"x"}}`))
		},
		"a number for a version": func(w http.ResponseWriter, a asked) { respond(w, greet(a, `{"protocolVersion":7,"capabilities":{}}`)) },
		"200 and null for a notification": func(w http.ResponseWriter, a asked) {
			if m := wellMade(a); m != "" {
				respond(w, m)
				return
			}
			respond(w, "null")
		},
		"a stream that stays open after the answer": func(w http.ResponseWriter, a asked) {
			m := wellMade(a)
			if m == "" {
				respond(w, m)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "event: message\ndata: %s\n\n", m)
			w.(http.Flusher).Flush()
			<-a.ended
		},
		"JSON whose connection stays open after the answer": func(w http.ResponseWriter, a asked) {
			m := wellMade(a)
			w.Header().Set("Content-Type", "application/json")
			if m == "" {
				w.WriteHeader(http.StatusAccepted)
				return
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(m)+100))
			_, _ = io.WriteString(w, m)
			w.(http.Flusher).Flush()
			<-a.ended
		},
		"a few pings and notifications before the answer": func(w http.ResponseWriter, a asked) {
			m := wellMade(a)
			if m == "" {
				respond(w, m)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 5 {
				fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":\"p%d\",\"method\":\"ping\"}\n\n", i)
				fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":1}}\n\n")
			}
			fmt.Fprintf(w, "data: %s\n\n", m)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := byHand(t, answer).probe(t, false)
			for range 2 {
				f := p.Look(t.Context(), nil)
				checkFacts(t, f)
				require.Equal(t, detect.OutcomeReply, f.Text(detect.HTTPOutcome), "%v", f)
			}
		})
	}
}

func TestTheVersionOfTheServerStandsInTheHeader(t *testing.T) {
	h := byHand(t, func(w http.ResponseWriter, a asked) {
		if a.Method == "initialize" {
			respond(w, result(a, strings.Replace(greeting, "2025-06-18", "2024-11-05", 1)))
			return
		}
		respond(w, wellMade(a))
	})
	h.probe(t, false).Look(t.Context(), nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	require.Greater(t, len(h.seen), 3)
	for _, a := range h.seen[1:] {
		require.Equal(t, "2024-11-05", a.header.Get("Mcp-Protocol-Version"), a.Method)
	}
}

func TestAServerThatRefusesOurVersionIsAskedInOneOfItsOwn(t *testing.T) {
	for name, c := range map[string]struct {
		supported string
		status    int
		want      string // the versions that were proposed
	}{
		"one older":                 {`["2025-03-26"]`, 200, "2025-06-18 2025-03-26"},
		"with status 400":           {`["2024-11-05","2025-03-26"]`, 400, "2025-06-18 2025-03-26"},
		"the newest that we know":   {`["2025-03-26","2031-01-01"]`, 200, "2025-06-18 2025-03-26"},
		"none that we know":         {`["2024-10-07"]`, 200, "2025-06-18 2024-10-07"},
		"only ours, and refuses":    {`["2025-06-18"]`, 200, "2025-06-18"},
		"no list":                   {`"all"`, 200, "2025-06-18"},
		"nothing that is a version": {`["latest", "draft"]`, 200, "2025-06-18"},
	} {
		t.Run(name, func(t *testing.T) {
			var proposed []string
			h := byHand(t, func(w http.ResponseWriter, a asked) {
				if a.Method != "initialize" {
					respond(w, wellMade(a))
					return
				}
				proposed = append(proposed, a.Params.ProtocolVersion)
				if len(proposed) == 2 {
					respond(w, result(a, strings.Replace(greeting, "2025-06-18", a.Params.ProtocolVersion, 1)))
					return
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":"Unsupported protocol version","data":{"supported":%s,"requested":"2025-06-18"}}}`, a.ID, c.supported)
			})
			f := h.probe(t, false).Look(t.Context(), nil)
			require.Equal(t, c.want, strings.Join(proposed, " "))
			if len(proposed) == 2 {
				require.Equal(t, detect.OutcomeReply, f.Text(detect.HTTPOutcome), "%v", f)
				return
			}
			require.Equal(t, detect.OutcomeRPC, f.Text(detect.HTTPOutcome), "%v", f)
			require.Contains(t, f.Text(detect.HTTPError), "Unsupported protocol version")
		})
	}
}

func TestAServerThatNamesItsVersionsInWordsIsAskedInOneOfThem(t *testing.T) {
	var proposed []string
	h := byHand(t, func(w http.ResponseWriter, a asked) {
		if a.Method == "initialize" {
			if proposed = append(proposed, a.Params.ProtocolVersion); a.Params.ProtocolVersion != "2025-03-26" {
				respond(w, rpcError(a, -32000, "Bad Request: Unsupported protocol version 2025-06-18 (supported versions: 2025-03-26, 2024-11-05)"))
				return
			}
			respond(w, result(a, strings.Replace(greeting, "2025-06-18", "2025-03-26", 1)))
			return
		}
		respond(w, wellMade(a))
	})
	f := h.probe(t, false).Look(t.Context(), nil)
	require.Equal(t, detect.OutcomeReply, f.Text(detect.HTTPOutcome), "%v", f)
	require.Equal(t, []string{"2025-06-18", "2025-03-26"}, proposed)
}

// The words of a health resource need not be JSON.
func TestAHealthResourceOfPlainTextIsReadThroughTheDialects(t *testing.T) {
	for text, want := range map[string]string{
		"OK": "healthy", "ok\n": "healthy", "pass": "healthy", "status: DOWN": "unhealthy", "degraded": "degraded",
		"[+]ping ok\n[-]db failed: reason withheld\nhealthz check failed": "unhealthy",
	} {
		m := newMCPFake(t, func(m *mcpFake) { m.resource = func(context.Context) (string, error) { return text, nil } })
		f := newMCP(t, m).Look(t.Context(), nil)
		require.Equal(t, detect.OutcomeReply, f.Text(detect.HTTPOutcome), "%q: %v", text, f)
		require.Equal(t, want, f.Text(detect.HealthStatus), "%q: %v", text, f)
	}
}

// flood is what a hostile server sends between a question and its answer.
func flood(kind string, n int) string {
	var b strings.Builder
	for i := range n {
		switch kind {
		case "notifications/message":
			fmt.Fprintf(&b, "data: {\"jsonrpc\":\"2.0\",\"method\":%q,\"params\":{\"level\":\"info\",\"data\":%d}}\n\n", kind, i)
		case "answers to nothing":
			fmt.Fprintf(&b, "data: {\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{}}\n\n", 1_000_000+i)
		default:
			fmt.Fprintf(&b, "data: {\"jsonrpc\":\"2.0\",\"id\":\"q%d\",\"method\":%q,\"params\":{}}\n\n", i, kind)
		}
	}
	return b.String()
}

func TestWhatAServerAsksIsNotAnsweredAndAFloodEndsTheSession(t *testing.T) {
	for _, sse := range []bool{false, true} {
		for _, kind := range []string{"sampling/createMessage", "roots/list", "elicitation/create", "ping", "notifications/message", "answers to nothing", "made/up"} {
			t.Run(fmt.Sprintf("%s, sse %v", kind, sse), func(t *testing.T) {
				var h *handMade
				events := func(a asked) string {
					m := wellMade(a)
					if m == "" {
						return ": nothing\n\n"
					}
					return flood(kind, 2000) + "data: " + m + "\n\n"
				}
				if sse {
					h = byHandSSE(t, "/messages", events)
				} else {
					h = byHand(t, func(w http.ResponseWriter, a asked) {
						if wellMade(a) == "" {
							w.WriteHeader(http.StatusAccepted)
							return
						}
						w.Header().Set("Content-Type", "text/event-stream")
						_, _ = io.WriteString(w, events(a))
					})
				}
				p := h.probe(t, sse)
				before := runtime.NumGoroutine()
				open := descriptors(t)
				for range 3 {
					f := p.Look(t.Context(), nil)
					checkFacts(t, f)
					require.Equal(t, detect.OutcomeGarbage, f.Text(detect.HTTPOutcome), "%v", f)
					require.Contains(t, f.Text(detect.HTTPError), "without pause")
					require.Contains(t, f.Text(detect.HTTPError), kind)
					require.Less(t, runtime.NumGoroutine(), before+60)
					require.Less(t, descriptors(t), open+30)
				}
				answers := 0
				for _, a := range h.methods() {
					if a == http.MethodPost {
						answers++
					}
				}
				require.LessOrEqual(t, answers, 3*maxPings, "of requests that the server made")
			})
		}
	}
}

// descriptors counts what this process has open.
func descriptors(t testing.TB) int {
	d, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(d)
}

func TestAServerThatAsksInsteadOfAnsweringIsNotHung(t *testing.T) {
	h := byHandSSE(t, "/messages", func(a asked) string {
		if a.Method == "ping" {
			return "data: {\"jsonrpc\":\"2.0\",\"id\":\"s\",\"method\":\"sampling/createMessage\",\"params\":{}}\n\n"
		}
		if m := wellMade(a); m != "" {
			return "data: " + m + "\n\n"
		}
		return ": nothing\n\n"
	})
	p := h.probe(t, true)
	p.client.endpoint.Timeout = 10 * brief
	f := p.Look(t.Context(), nil)
	require.Equal(t, detect.OutcomeGarbage, f.Text(detect.HTTPOutcome), "%v", f)
	require.Contains(t, f.Text(detect.HTTPError), "sampling/createMessage")
}

func TestAnIdleStreamThatFloodsIsGivenUpAndTheNextLookBeginsAnew(t *testing.T) {
	h := byHandSSE(t, "/messages", func(a asked) string {
		if m := wellMade(a); m != "" {
			return "data: " + m + "\n\n"
		}
		return ": nothing\n\n"
	})
	p := h.probe(t, true)
	require.Equal(t, detect.OutcomeReply, p.Look(t.Context(), nil).Text(detect.HTTPOutcome))
	h.newest() <- flood("notifications/message", 2000)
	require.Eventually(t, func() bool { p.client.tap.mu.Lock(); defer p.client.tap.mu.Unlock(); return p.client.tap.err != nil }, waitFor, tick)
	f := p.Look(t.Context(), nil)
	require.Equal(t, detect.OutcomeReply, f.Text(detect.HTTPOutcome), "%v", f)
	require.Contains(t, strings.Join(h.methods(), " "), "initialize notifications/initialized", "in a new session")
}

func TestRequestsAndCredentialsStayAtTheConfiguredPlace(t *testing.T) {
	var leaked atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Add(1) }))
	t.Cleanup(thief.Close)
	host := strings.TrimPrefix(thief.URL, "http://")
	for _, endpoint := range []string{
		thief.URL + "/leak", "//" + host + "/leak", "https://" + host + "/", "http://user:pw@" + host + "/", "http:\\\\" + host + "/",
		"gopher://" + host + "/", "HTTP://" + strings.Replace(host, "127.0.0.1", "localhost", 1) + "/",
	} {
		f := byHandSSE(t, endpoint, wellMade).probe(t, true).Look(t.Context(), nil)
		checkFacts(t, f)
		require.NotEqual(t, detect.OutcomeReply, f.Text(detect.HTTPOutcome), "%s: %v", endpoint, f)
		require.NotEqual(t, detect.OutcomeNoReply, f.Text(detect.HTTPOutcome), "%s: %v", endpoint, f)
		if strings.HasPrefix(endpoint, thief.URL) {
			require.Equal(t, detect.OutcomeRedirect, f.Text(detect.HTTPOutcome), "%v", f)
			require.Contains(t, f.Text(detect.HTTPError), thief.URL, "the refusal is named")
		}
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		h := byHand(t, func(w http.ResponseWriter, _ asked) {
			w.Header().Set("Location", thief.URL+"/leak")
			w.WriteHeader(status)
		})
		f := h.probe(t, false).Look(t.Context(), nil)
		require.Equal(t, detect.OutcomeRedirect, f.Text(detect.HTTPOutcome), "%v", f)
		require.Contains(t, f.Text(detect.HTTPError), thief.URL)
	}
	require.Zero(t, leaked.Load())
}

func TestAServerThatHasTheProbeAskAgainAndAgainIsLeft(t *testing.T) {
	var n atomic.Int32
	h := byHand(t, func(w http.ResponseWriter, a asked) {
		if a.Method != "ping" {
			respond(w, wellMade(a))
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "id: %d\nretry: 0\ndata: \n\n", n.Add(1)) // a stream to be resumed, which is never done
	})
	whole := h.Config.Handler
	h.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "id: %d\nretry: 0\ndata: \n\n", n.Add(1))
			return
		}
		whole.ServeHTTP(w, r)
	})
	f := h.probe(t, false).Look(t.Context(), nil)
	require.Equal(t, detect.OutcomeGarbage, f.Text(detect.HTTPOutcome), "%v", f)
	require.LessOrEqual(t, int(n.Load()), maxRequests)
}

func TestAServerOfTheOlderTransportIsNamed(t *testing.T) {
	h := byHand(t, func(w http.ResponseWriter, a asked) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "event: endpoint\ndata: /messages\n\n")
		w.(http.Flusher).Flush()
		<-a.ended
	})
	f := h.probe(t, false).Look(t.Context(), nil)
	require.Equal(t, detect.OutcomeGarbage, f.Text(detect.HTTPOutcome), "%v", f)
	require.Contains(t, f.Text(detect.HTTPError), "transport: sse")
}
