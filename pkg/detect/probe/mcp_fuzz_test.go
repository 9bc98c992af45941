package probe

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// FuzzMCPStream shows that no event stream of an MCP server, over either transport, makes a look panic
// or hang, or makes a reply of what is none.
func FuzzMCPStream(f *testing.F) {
	const (
		session = `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{"resources":{},"tools":{}},"serverInfo":{"name":"x","version":"1"}}}`
		health  = `{"jsonrpc":"2.0","id":2,"result":{"contents":[{"uri":"health://status","text":"{\"status\":\"healthy\"}"}]}}`
	)
	for _, sse := range []bool{false, true} {
		f.Add("event: message\ndata: "+session+"\n\nevent: message\ndata: "+health+"\n\n", sse)
		f.Add("event: endpoint\ndata: /message\n\nevent: message\ndata: "+session+"\n\ndata: "+health+"\n\n", sse)
		f.Add("event: endpoint\r\ndata: /message\r\n\r\ndata: "+session[:60]+"\r\ndata: "+session[60:]+"\r\n\r\n", sse)
		f.Add("id: 7\nretry: 1\n: comment\n\ndata:\n\n", sse)
		f.Add(`data: {"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"boom"}}`+"\n\n", sse)
	}
	var stream atomic.Pointer[string]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Mcp-Session-Id", "one")
		_, _ = w.Write([]byte(*stream.Load()))
	}))
	f.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	f.Fuzz(func(t *testing.T, text string, sse bool) {
		stream.Store(&text)
		h, err := NewMCPHealth(MCPEndpoint{Endpoint: Endpoint{URL: s.URL, Timeout: brief, MaxBody: 8 << 10}, SSE: sse}, "")
		require.NoError(t, err)
		h.pingWait = brief
		facts := h.Look(t.Context(), nil)
		_ = h.Close() // the server may be none that hears a goodbye
		checkFacts(t, facts)
		if facts.Text(detect.HTTPOutcome) == detect.OutcomeReply {
			require.True(t, strings.Contains(text, "result"), "%q became %v", text, facts)
		}
		if facts.Text(detect.HealthStatus) == "healthy" {
			require.Contains(t, text, "healthy")
		}
	})
}
