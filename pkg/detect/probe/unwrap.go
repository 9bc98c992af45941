package probe

import (
	"bytes"
	"errors"
	"strings"
)

// form says in what wrapping a payload came.
type form uint8

const (
	formPlain    form = iota
	formRPCError      // a JSON-RPC error instead of a result; the document is the whole reply
)

// errEventStream is a stream of server-sent events that brought no reply.
var errEventStream = errors.New("an event stream without a reply in it")

// unwrap finds the document inside a body: the body itself, JSON in a JSON string, the text of
// an MCP result, or one of these inside server-sent events. text is the innermost text that it got to.
func unwrap(body []byte, contentType string) (doc node, f form, text []byte, err error) {
	if isEventStream(body, contentType) {
		data := replyEvent(body)
		if data == nil {
			return node{}, formPlain, body, errEventStream
		}
		body = data
	}
	doc, err = parseJSON(body)
	if err != nil {
		return node{}, formPlain, body, err
	}
	if doc.get("jsonrpc").kind != absent {
		if doc.get("error").kind == object {
			return doc, formRPCError, body, nil
		}
		doc = doc.get("result")
	}
	// resources/read answers {contents:[{text}]}, a tool {content:[{type,text}]}; and a handler
	// that returns JSON text through a framework that encodes it again gives a JSON string.
	inner, wrapped := "", false
	if doc.kind == word {
		inner, wrapped = doc.text, true
	} else if items := doc.first("contents", "content"); items.kind == list && len(items.items) > 0 {
		inner, wrapped = items.items[0].get("text").str(), true
	}
	if !wrapped {
		return doc, formPlain, body, nil
	}
	doc, err = parseJSON([]byte(inner))
	if err != nil {
		return node{}, formPlain, []byte(inner), errors.New("the text inside the result: " + err.Error())
	}
	return doc, formPlain, []byte(inner), nil
}

func isEventStream(body []byte, contentType string) bool {
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(contentType)), "text/event-stream") {
		return true
	}
	return bytes.HasPrefix(body, []byte("event:")) || bytes.HasPrefix(body, []byte("data:")) ||
		bytes.HasPrefix(body, []byte("id:")) || bytes.HasPrefix(body, []byte(":"))
}

// replyEvent returns the data of the first event that holds a JSON-RPC response; failing that, of
// the first that holds a JSON object. Events without data, comments and pings are passed over.
func replyEvent(body []byte) []byte {
	var data, fallback []byte
	for line := range bytes.Lines(append(bytes.Clone(body), '\n', '\n')) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 { // the end of one event
			if t := bytes.TrimSpace(data); len(t) > 0 && t[0] == '{' {
				if bytes.Contains(t, []byte(`"result"`)) || bytes.Contains(t, []byte(`"error"`)) {
					return t
				}
				if fallback == nil {
					fallback = bytes.Clone(t)
				}
			}
			data = data[:0]
			continue
		}
		if rest, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(append(data, bytes.TrimPrefix(rest, []byte(" "))...), '\n')
		}
	}
	return fallback
}
