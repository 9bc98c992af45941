package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// What one call bears of a server, session set-up included. A session that is kept bears as much between two calls.
const (
	// maxMessages bounds all messages of a server. Real servers send a few notifications around an answer; a thousand
	// are read in milliseconds.
	maxMessages = 1000
	// maxPings bounds the pings that are answered: servers with keep-alive end sessions whose pings stay unanswered.
	maxPings = 3
	// maxRequests bounds our own HTTP requests. The longest row has 27: initialize, its notification, the read, ten pages
	// of each list, ping, tools and the answers to pings.
	maxRequests = 40
)

// tooMuchError says why a session was given up: the server sent, or had us send, more than a probe bears.
type tooMuchError string

func (e tooMuchError) Error() string { return string(e) }

// guarded wraps the connections of a transport in a guard.
type guarded struct {
	mcp.Transport
	tap *tap
}

func (g guarded) Connect(ctx context.Context) (mcp.Connection, error) {
	c, err := g.Transport.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &guard{Connection: c, tap: g.tap}, nil
}

// guard passes on the answers of a server. What the server asks or tells on its own account is dropped before the SDK sees
// it, which would start a goroutine and a connection for each: a probe declares no capability, so nothing is asked of it by
// the protocol. Read is called by one goroutine.
type guard struct {
	mcp.Connection
	tap     *tap
	greeted bool // the first answer, which is that to initialize, has come
}

// Read implements mcp.Connection.
func (g *guard) Read(ctx context.Context) (jsonrpc.Message, error) {
	for {
		msg, err := g.Connection.Read(ctx)
		if err != nil {
			return nil, err
		}
		pass, err := g.tap.heard(msg)
		if err != nil {
			return nil, err
		}
		if !pass {
			continue
		}
		if answer, ok := msg.(*jsonrpc.Response); ok && !g.greeted {
			g.greeted = true
			g.tap.agree(answer)
		}
		return msg, nil
	}
}

// heard counts a message and says whether the SDK may see it.
func (t *tap) heard(msg jsonrpc.Message) (pass bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	request, asks := msg.(*jsonrpc.Request)
	what := "answers to nothing"
	if asks {
		what = clean(request.Method, maxWord)
	}
	t.messages++
	if t.messages > maxMessages {
		err := tooMuchError(fmt.Sprintf("the server sends messages without pause (over %d in one call, the last %s): the session was given up", maxMessages, what))
		t.err = err
		return false, err
	}
	if !asks {
		return true, nil
	}
	if !request.IsCall() {
		return false, nil
	}
	if request.Method == "ping" && t.pings < maxPings {
		t.pings++
		return true, nil
	}
	t.asked = what
	return false, nil
}

// versionWord is what we repeat of a server's version.
var versionWord = regexp.MustCompile(`^[0-9A-Za-z.-]{1,40}$`)

// agree takes the server's protocol version for the header of all later requests, and hides from the SDK one that it does not
// know: what a probe asks is the same in every version.
func (t *tap) agree(answer *jsonrpc.Response) {
	var result map[string]json.RawMessage
	if answer.Error != nil || json.Unmarshal(answer.Result, &result) != nil || result == nil || result["supportedVersions"] != nil {
		return
	}
	version := protocolVersion
	if json.Unmarshal(result["protocolVersion"], &version) != nil || !versionWord.MatchString(version) {
		version = protocolVersion
	}
	result["protocolVersion"], _ = json.Marshal(protocolVersion) // a constant
	if text, err := json.Marshal(result); err == nil {
		answer.Result = text
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version = version
}
