package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// NewSyntheticHTTP makes a synthetic check of one HTTP request, such as POST /search with a body.
// An answer of 400..499 other than the accepted codes speaks of the request, not of the service.
func NewSyntheticHTTP(e Endpoint, m Match, every time.Duration) (*Synthetic, error) {
	x, err := newExchange(withType(e, "application/json"))
	if err != nil {
		return nil, err
	}
	return newSynthetic(&httpCall{exchange: x, match: m, goes: wayOf(e.URL), judge: m.judge}, m, every)
}

// NewSyntheticNDJSON makes a synthetic check of one tool call on a server that takes
// {"tool":...,"input":...} and answers with events, one JSON object a line, always with HTTP 200:
// POST /mcp of task-mcp-http. The call is good when a result event that matches and then an end
// event come. Endpoint.Body is made from tool and input.
func NewSyntheticNDJSON(e Endpoint, tool string, input map[string]any, m Match, every time.Duration) (*Synthetic, error) {
	if tool == "" {
		return nil, errors.New("a synthetic tool call needs the name of a tool")
	}
	if input == nil {
		input = map[string]any{}
	}
	body, err := json.Marshal(map[string]any{"tool": tool, "input": input})
	if err != nil {
		return nil, fmt.Errorf("the input of the tool call: %w", err)
	}
	e.Body = body
	e.Method = or(e.Method, http.MethodPost)
	x, err := newExchange(withType(e, "application/json"))
	if err != nil {
		return nil, err
	}
	return newSynthetic(&httpCall{exchange: x, match: m, goes: wayOf(e.URL), judge: m.events}, m, every)
}

// withType sets the type of a request body when there is one and it has none.
func withType(e Endpoint, contentType string) Endpoint {
	if len(e.Body) == 0 || e.Header.Get("Content-Type") != "" {
		return e
	}
	h := e.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Content-Type", contentType)
	e.Header = h
	return e
}

// httpCall is one request whose reply is judged.
type httpCall struct {
	exchange *exchange
	goes     string
	match    Match
	judge    func(Reply) answer
}

func (h *httpCall) Close() error { return nil }

func (h *httpCall) way() string { return h.goes }

func (h *httpCall) identity() string { return h.exchange.identity() }

func (h *httpCall) call(ctx context.Context) (a answer) {
	h.exchange.do(ctx, time.Time{}, func(r Reply, err error) {
		_, part := errors.AsType[partialError](err)
		if a = h.judge(r); err == nil || part && r.Status != 0 && a.good() && (h.match.Pattern != nil || complete(r.Body)) {
			return // all that was wanted came, whether or not the connection then stayed open
		}
		a = fromFacts(ReadHealth(r))
		a.part = part
	})
	return a
}

// complete reports a body in which nothing is missing though the reply has no end: JSON, or a JSON event on each line.
func complete(body []byte) bool {
	if _, err := parseJSON(body); err == nil {
		return true
	}
	for _, err := range readEvents(body) {
		if err != nil {
			return false
		}
	}
	return len(body) > 0
}

// judge compares a reply with what is wanted.
func (m Match) judge(r Reply) answer {
	why := m.check(r.Status, r.Body)
	if why == "" {
		return answer{}
	}
	if r.Status < 300 {
		return answer{bad: why}
	}
	return fromFacts(ReadHealth(r))
}

// Error codes of task-mcp-http that speak of our call.
var callerErrors = map[string]bool{
	"INVALID_INPUT": true, "INVALID_TOOL_NAME": true, "TOOL_NOT_FOUND": true, codeDenied: true, codeLimited: true,
}

// events judges a reply of one JSON object a line.
func (m Match) events(r Reply) answer {
	if r.Status != http.StatusOK {
		return m.judge(r)
	}
	if r.TooLarge {
		return answer{bad: fmt.Sprintf("the answer is larger than %d bytes", len(r.Body))}
	}
	var result *event
	ended := false
	for e, err := range readEvents(r.Body) {
		if err != nil {
			return answer{bad: "the answer is not a stream of events: " + err.Error()}
		}
		switch e.kind {
		case "error":
			message, code := errorText(e.node)
			message = "the tool call failed: " + or(message, "no reason given")
			if callerErrors[code] {
				a := answer{unknown: message}
				if code == codeLimited {
					a.facts = detect.Facts{detect.HTTPOutcome: detect.Word(detect.OutcomeLimited)}
				}
				return a
			}
			return answer{bad: message}
		case "result":
			result = &e
		case "end":
			ended = true
		}
	}
	switch {
	case result == nil:
		return answer{bad: "the events hold no result"}
	case !ended:
		return answer{bad: "the stream of events broke off before its end"}
	}
	return answer{bad: m.text(result.raw)}
}
