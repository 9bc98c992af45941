package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// NewSyntheticMCP makes a synthetic check of one MCP tool call. The call is good when the result
// is no error and its text matches (Match.Status does not apply).
func NewSyntheticMCP(e MCPEndpoint, tool string, args map[string]any, m Match, every time.Duration) (*Synthetic, error) {
	if tool == "" {
		return nil, errors.New("a synthetic tool call needs the name of a tool")
	}
	c, err := newMCPClient(e)
	if err != nil {
		return nil, err
	}
	if args == nil {
		args = map[string]any{}
	}
	asked, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("the arguments of the tool call: %w", err)
	}
	call := &toolCall{client: c, params: mcp.CallToolParams{Name: tool, Arguments: args}, asked: tool + string(asked), match: m}
	return newSynthetic(call, m, every)
}

type toolCall struct {
	client *mcpClient
	params mcp.CallToolParams
	asked  string // tool and arguments
	match  Match
}

func (t *toolCall) identity() string { return t.client.identity() + t.asked }

func (t *toolCall) way() string { return wayOf(t.client.endpoint.URL) }

func (t *toolCall) Close() error { return t.client.close() }

func (t *toolCall) call(ctx context.Context) answer {
	c := t.client
	c.mu.Lock()
	defer c.mu.Unlock()
	start := time.Now()
	callCtx, cancel, hurried := within(ctx, c.endpoint.Timeout)
	defer cancel()
	var result *mcp.CallToolResult
	err := c.do(callCtx, func(ctx context.Context, s *mcp.ClientSession) (err error) {
		params := t.params // the SDK may change it
		result, err = s.CallTool(ctx, &params)
		return err
	})
	if err != nil {
		a := fromFacts(ReadHealth(stamp(c.failure(ctx, err, hurried), start)))
		e, isRPC := errors.AsType[*jsonrpc.Error](err)
		if isRPC && a.bad != "" && (e.Code == jsonrpc.CodeMethodNotFound || e.Code == jsonrpc.CodeInvalidParams) {
			a.bad, a.unknown = "", "the server does not accept the call: "+a.bad
		}
		return a
	}
	text := resultText(result)
	if result.IsError {
		why := "the tool answered with an error: " + or(text, "no reason given")
		if isCallersFault(text) {
			return answer{unknown: why}
		}
		return answer{bad: why}
	}
	return answer{bad: t.match.text([]byte(text))}
}

// isCallersFault recognises results that say the call itself was wrong. The TypeScript and Python
// SDKs answer an unknown tool or bad arguments with a result, in these words, not with an RPC error.
func isCallersFault(text string) bool {
	return strings.HasPrefix(text, "MCP error -32602") || strings.HasPrefix(text, "MCP error -32601") ||
		strings.HasPrefix(text, "Unknown tool")
}

// resultText joins the text parts of a result.
func resultText(r *mcp.CallToolResult) string {
	var parts []string
	for _, c := range r.Content {
		if t, ok := c.(*mcp.TextContent); ok {
			parts = append(parts, t.Text)
		}
	}
	return strings.Join(parts, "\n")
}
