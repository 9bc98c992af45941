package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// syntheticWords renders synthetic.ok and synthetic.error: "ok", "bad: why" or "! why".
func syntheticWords(f detect.Facts) string {
	switch r, asked := f[detect.SyntheticOK]; {
	case !asked:
		return "not asked"
	case r.Err != "":
		return "! " + r.Err
	case r.Value == 1:
		return "ok"
	}
	return "bad: " + f.Text(detect.SyntheticError)
}

func TestSyntheticHTTP(t *testing.T) {
	var got, body string
	answer := func(w http.ResponseWriter) {}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type"), string(b)
		answer(w)
	}))
	defer s.Close()
	search := Endpoint{URL: s.URL + "/search", Method: "POST", Body: []byte(`{"query":"test search"}`), Timeout: patient}
	w, err := NewSyntheticHTTP(search, Match{Contains: `"results"`, Excludes: `"error"`}, 0)
	require.NoError(t, err)
	say := func(status int, text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(status); _, _ = io.WriteString(w, text) }
	}
	for _, c := range []struct {
		name   string
		answer func(http.ResponseWriter)
		want   string
	}{
		{"a good answer", say(200, `{"results":[],"count":0}`), "ok"},
		{"an answer without results", say(200, `{}`), `bad: the answer does not contain`},
		{"an error inside 200", say(200, `{"results":null,"error":"no database"}`), `bad: the answer contains`},
		{"the server fails", say(500, `{"detail":"pool timeout"}`), "bad: 500 Internal Server Error: pool timeout"},
		{"unhealthy is no work done", say(503, `{"status":"unhealthy"}`), "bad: reply"},
		{"a wrong path", say(404, ""), "! 404"},
		{"no credential", say(401, ""), "! 401"},
		{"arguments that it does not take", say(422, `{"detail":"query missing"}`), "! the service does not accept the request: 422"},
		{"a web page", say(200, "<html>"), "bad: the answer does not contain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer = c.answer
			f := w.Look(t.Context(), nil)
			require.Contains(t, syntheticWords(f), c.want)
			require.Equal(t, "POST /search application/json", got)
			require.Equal(t, `{"query":"test search"}`, body)
			_, timed := f.Num(detect.SyntheticLatency)
			require.True(t, timed)
		})
	}
	for _, c := range []struct{ name, url, want string }{
		{"nothing listens", "http://" + closedPort(t), "bad: connection refused"},
		{"hangs", raw(t, silenceTCP), "bad: the connection was accepted"},
		{"closes", raw(t, request1(func(*net.TCPConn) {})), "bad: the connection was closed"},
		{"no such name", "http://no-such-host.invalid", "! the name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			timeout := patient
			if c.name == "hangs" {
				timeout = brief
			}
			w, err := NewSyntheticHTTP(Endpoint{URL: c.url, Timeout: timeout}, Match{}, 0)
			require.NoError(t, err)
			require.Contains(t, syntheticWords(w.Look(t.Context(), nil)), c.want)
		})
	}
}

func TestSyntheticAnswersWithoutAnEnd(t *testing.T) {
	pattern, err := NewMatch("found")
	require.NoError(t, err)
	for _, c := range []struct {
		name, sent string
		match      Match
		ndjson     bool
		want       string
		part       bool // a sign of life
	}{
		{"all of the JSON", `{"results":[]}`, Match{}, false, "ok", false},
		{"the JSON, without what is wanted", `{"error":1}`, Match{Contains: "results"}, false, "bad: ", true},
		{"what is wanted of a text", "3 found", pattern, false, "ok", false},
		{"a text that may go on", "3 fou", pattern, false, "bad: 200 OK: the header and 5 bytes", true},
		{"a part of the JSON", `{"resu`, Match{}, false, "bad: 200 OK: the header and 6 bytes", true},
		{"all the events", `{"type":"start"}` + "\n" + `{"type":"result","ok":1}` + "\n" + `{"type":"end"}` + "\n", Match{}, true, "ok", false},
		{"a call that began", `{"type":"start"}` + "\n", Match{}, true, "bad: ", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := Endpoint{Timeout: brief, URL: raw(t, request1(func(tcp *net.TCPConn) {
				_, _ = io.WriteString(tcp, "HTTP/1.1 200 OK\r\n\r\n"+c.sent)
				silence(tcp)
			}))}
			w, err := NewSyntheticHTTP(e, c.match, 0)
			if c.ndjson {
				w, err = NewSyntheticNDJSON(e, "search", nil, c.match, 0)
			}
			require.NoError(t, err)
			f := w.Look(t.Context(), nil)
			require.Contains(t, syntheticWords(f), c.want)
			require.Equal(t, c.part, f.True(detect.SyntheticPart))
		})
	}
}

func TestSyntheticRestsAfterAGoodAnswerOnly(t *testing.T) {
	status, asked := 500, 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(status)
	}))
	defer s.Close()
	w, err := NewSyntheticHTTP(Endpoint{URL: s.URL, Timeout: patient}, Match{}, time.Hour)
	require.NoError(t, err)
	one, two := detect.Facts{detect.WorkloadRun: detect.Word("one")}, detect.Facts{detect.WorkloadRun: detect.Word("two")}
	look := func(unit detect.Facts) string { return syntheticWords(w.Look(t.Context(), unit)) }

	require.Contains(t, look(one), "bad")
	require.Contains(t, look(one), "bad")
	require.Equal(t, 2, asked, "a failure is asked again at each look")
	status = 200
	require.Equal(t, "ok", look(one))
	require.Equal(t, "not asked", look(one), "and nothing stale is reported")
	require.Equal(t, 3, asked)
	require.Equal(t, "ok", look(two), "a new process is asked at once")
	require.Equal(t, 4, asked)
	status = 429
	require.Contains(t, look(one), "! 429")
	require.Contains(t, look(one), "! not asked: the server limits requests")
	require.Equal(t, 5, asked)
	_, err = NewSyntheticHTTP(Endpoint{URL: s.URL}, Match{}, -1)
	require.ErrorContains(t, err, "negative")
}

func TestSyntheticNDJSON(t *testing.T) {
	start, end := `{"type":"start","ts":1,"tool":"change.open","apiVersion":"1.0.0"}`+"\n", `{"type":"end","ts":3}`+"\n"
	result := `{"type":"result","ts":2,"result":{"content":[{"type":"text","text":"opened"}]}}` + "\n"
	fail := func(code, message string) string {
		return fmt.Sprintf(`{"type":"error","ts":2,"error":{"code":%q,"message":%q}}`, code, message) + "\n"
	}
	var auth, body, reply string
	status := 200
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		auth, body = r.Header.Get("Authorization"), r.Method+" "+string(b)
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, reply)
	}))
	defer s.Close()
	w, err := NewSyntheticNDJSON(Endpoint{URL: s.URL + "/mcp", Bearer: "ours", MaxBody: 4096, Timeout: patient}, "change.open",
		map[string]any{"slug": "test"}, Match{Contains: "opened"}, 0)
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		status int
		reply  string
		want   string
	}{
		{"a result", 200, start + result + end, "ok"},
		{"a result with unknown events and blank lines", 200, start + "\n" + `{"type":"progress"}` + "\n" + result + end, "ok"},
		{"an error inside 200", 200, start + fail("INTERNAL_ERROR", "Cannot find module '/home/x'") + end, "bad: the tool call failed: INTERNAL_ERROR: Cannot find module"},
		{"arguments that it does not take", 200, start + fail("INVALID_INPUT", "slug: too short") + end, "! the tool call failed: INVALID_INPUT"},
		{"another result", 200, start + strings.Replace(result, "opened", "closed", 1) + end, "bad: the answer does not contain"},
		{"no result", 200, start + end, "bad: the events hold no result"},
		{"broken off", 200, start + result, "bad: the stream of events broke off"},
		{"broken off in a line", 200, start + result[:20], "bad: the answer is not a stream of events: line 2"},
		{"no events", 200, `{"ok":true}`, "bad: the answer is not a stream of events: line 1 has no type"},
		{"nothing", 200, "", "bad: the events hold no result"},
		{"an endless answer", 200, start + strings.Repeat(result, 200), "bad: the answer is larger than 4096 bytes"},
		{"no token is 500 there", 500, `{"error":{"code":"AUTH_ERROR","message":"no token"}}`, "! 500"},
		{"a rate limit", 500, `{"code":"RATE_LIMIT_EXCEEDED","message":"slow down"}`, "! 500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.hold.until = time.Time{}
			status, reply = c.status, c.reply
			require.Contains(t, syntheticWords(w.Look(t.Context(), nil)), c.want)
			require.Equal(t, "Bearer ours", auth)
			require.Equal(t, `POST {"input":{"slug":"test"},"tool":"change.open"}`, body)
		})
	}
	_, err = NewSyntheticNDJSON(Endpoint{URL: s.URL}, "", nil, Match{}, 0)
	require.ErrorContains(t, err, "name of a tool")
	_, err = NewSyntheticNDJSON(Endpoint{URL: s.URL}, "x", map[string]any{"f": func() {}}, Match{}, 0)
	require.ErrorContains(t, err, "input of the tool call")
}

func TestSyntheticMCP(t *testing.T) {
	m := newMCPFake(t, func(m *mcpFake) {
		m.tool = func(context.Context) (string, error) { return `{"results":[],"count":0}`, nil }
	})
	make := func(tool string, args map[string]any) *Synthetic {
		w, err := NewSyntheticMCP(MCPEndpoint{Endpoint: Endpoint{URL: m.url, Timeout: patient}}, tool, args, Match{Contains: "results"}, 0)
		require.NoError(t, err)
		t.Cleanup(func() { _ = w.Close() })
		return w
	}
	w := make("search", map[string]any{"query": "test search"})
	require.Equal(t, "ok", syntheticWords(w.Look(t.Context(), nil)))
	m.restart()
	require.Equal(t, "ok", syntheticWords(w.Look(t.Context(), nil)), "a lost session is no failure")

	require.Contains(t, syntheticWords(make("no-such-tool", nil).Look(t.Context(), nil)), "! the server does not accept the call")
	m.set(func() { m.tool = func(context.Context) (string, error) { return "", fmt.Errorf("too many clients") } })
	require.Equal(t, "bad: the tool answered with an error: too many clients", syntheticWords(w.Look(t.Context(), nil)))
	for _, says := range []string{"MCP error -32602: Tool search not found", "Unknown tool: search"} { // the other SDKs
		m.set(func() { m.tool = func(context.Context) (string, error) { return "", fmt.Errorf("%s", says) } })
		require.Equal(t, "! the tool answered with an error: "+says, syntheticWords(w.Look(t.Context(), nil)))
	}
	m.set(func() { m.tool = func(context.Context) (string, error) { return "nothing", nil } })
	require.Contains(t, syntheticWords(w.Look(t.Context(), nil)), "bad: the answer does not contain")
	m.set(func() {
		m.tool = func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }
	})
	w.call.(*toolCall).client.endpoint.Timeout = brief
	require.Contains(t, syntheticWords(w.Look(t.Context(), nil)), "bad: the connection was accepted")
	w.call.(*toolCall).client.endpoint.Timeout = patient
	m.set(func() {
		m.front = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
	})
	require.Contains(t, syntheticWords(w.Look(t.Context(), nil)), "! 401")
	_, err := NewSyntheticMCP(MCPEndpoint{Endpoint: Endpoint{URL: m.url}}, "", nil, Match{}, 0)
	require.ErrorContains(t, err, "name of a tool")
}

// FuzzEvents shows that no bytes make the reader of NDJSON answers panic or call a broken answer
// good.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(`{"type":"start"}` + "\n" + `{"type":"result","result":{}}` + "\n" + `{"type":"end"}` + "\n"))
	f.Add([]byte(`{"type":"error","error":{"code":"INTERNAL_ERROR"}}`))
	f.Add([]byte("{\"type\":\"result\"}\n{\"type\":\"end\""))
	f.Fuzz(func(t *testing.T, body []byte) {
		a := Match{}.events(Reply{Status: 200, Body: body})
		if a.bad == "" && a.unknown == "" {
			require.Contains(t, string(body), "result")
			require.Contains(t, string(body), "end")
		}
		require.False(t, a.bad != "" && a.unknown != "")
	})
}
