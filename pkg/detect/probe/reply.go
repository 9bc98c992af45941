package probe

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Reply is a captured answer to a health request, or the reason why there is none. The zero
// value with a Body is a payload of unknown origin, such as a file.
type Reply struct {
	Status      int    // HTTP status code; 0 when none was received
	ContentType string // header Content-Type
	RetryAfter  string // header Retry-After: seconds, or a date
	Server      string // header Server: who says that it answers
	Location    string // header Location: where a redirect points
	Body        []byte // at most the bound; it is not kept
	TooLarge    bool   // the body went on beyond the bound
	NoBody      bool   // the server said that there is no body: status 204, Content-Length: 0, a HEAD request
	// Latency is how long it took until the reply was complete or we gave up; 0 = not known.
	Latency time.Duration
	// At is when the reply came, to make seconds out of a date in RetryAfter; may be zero.
	At time.Time
	// Terms are what the operator taught about this service's replies.
	Terms Terms
	// Outcome and Error say why there is no complete reply, as FactsFromError returns them. An
	// Error without an Outcome means that nothing was learnt about the server.
	Outcome, Error string
}

// maxRetryAfter bounds the wait that a server may ask for. More than a day is a mistake.
const maxRetryAfter = 24 * time.Hour

// codeLimited and codeDenied are error codes of task-mcp-http, which sends them with status 500
// instead of 429 and 401.
const (
	codeLimited = "RATE_LIMIT_EXCEEDED"
	codeDenied  = "AUTH_ERROR"
)

// ReadHealth decodes a captured reply into the http.*, health.* and pool.* facts. It is total and
// pure: any bytes give facts, always with http.outcome. It understands every health payload that
// is known of the MCP servers, also inside an MCP result, and keeps words that it does not know.
// A key that is missing gives no fact; a value that cannot be right gives a reading that was not
// measured. It never invents a number.
func ReadHealth(r Reply) detect.Facts {
	f := make(detect.Facts, 16)
	if r.Status != 0 {
		f[detect.HTTPStatus] = statusReading(r.Status)
	}
	if r.Latency > 0 {
		f[detect.HTTPLatency] = detect.Num(r.Latency.Seconds())
	}
	if r.RetryAfter != "" {
		f[detect.HTTPRetryAfter] = retryAfter(r.RetryAfter, r.At)
	}
	if r.Outcome == "" && r.Error != "" {
		f[detect.HTTPOutcome] = detect.NotMeasured(clean(r.Error, maxSentence))
		return f
	}
	outcome, why := r.Outcome, r.Error
	switch outcome {
	case "":
		outcome, why = r.read(f)
	case detect.OutcomePartial:
		outcome, why = r.readPart(f)
	}
	f[detect.HTTPOutcome] = detect.Word(outcome)
	if why = clean(why, maxSentence); why != "" {
		f[detect.HTTPError] = detect.Word(why)
	}
	return f
}

// readPart judges what came of a reply that has no end, and adds the facts of its payload. A status that
// speaks of the request is complete in itself, and so is a JSON document; anything else may go on.
func (r Reply) readPart(f detect.Facts) (outcome, why string) {
	outcome, why = r.read(f)
	switch {
	case outcome == detect.OutcomeReply:
		return outcome, "the reply is complete and has no end: " + r.Error
	case r.Status >= 300 && r.Status < 500, outcome == detect.OutcomeStream, outcome == detect.OutcomeRPC, outcome == detect.OutcomeStarting,
		outcome == detect.OutcomeGateway && r.Status != http.StatusServiceUnavailable: // 503 may be the service, about to say more
		return outcome, why
	}
	if r.Status != 0 {
		why = r.statusWords() + ": " + r.Error
		if said := excerpt(r.Body, r.ContentType); said != "" {
			why += ": " + said
		}
		return detect.OutcomePartial, why
	}
	return detect.OutcomePartial, r.Error
}

// textReply reads a body that is no JSON. An error may come with any text, much of it from what stands in
// between: there only words count that nothing but a health page says.
func (r Reply) textReply(text []byte) (node, bool) {
	s := string(text)
	switch page := looksHTML(text, r.ContentType); {
	case r.Outcome == detect.OutcomePartial, r.TooLarge, r.Status >= 400 && page, r.Status >= 400 && r.Status < 500, !utf8.Valid(text):
		return node{}, false
	case strings.HasPrefix(strings.TrimSpace(s), "{"): // broken JSON, or more than one document
		return node{}, false
	case r.Status >= 400 && r.Terms.state(s) == StateUnknown && !strings.Contains("\n"+s, "\n[-]"):
		return node{}, false
	case page: // a page that says one word, as that of HAProxy does
		if s = pageText(text); len(s) > 2*maxWord {
			return node{}, false
		}
	}
	return r.Terms.text(s)
}

// statusWords is the status as people know it: 503 Service Unavailable.
func (r Reply) statusWords() string {
	if r.Status == 0 {
		return ""
	}
	return strings.TrimSpace(strconv.Itoa(r.Status) + " " + http.StatusText(r.Status))
}

// read judges a reply that was received, and adds the facts of its payload.
func (r Reply) read(f detect.Facts) (outcome, why string) {
	if noContent := r.Status == http.StatusNoContent || r.Status == http.StatusResetContent; noContent || r.NoBody && r.Status >= 200 && r.Status < 300 {
		f[detect.HealthStatus], f[detect.HealthWord] = detect.Word(string(StateHealthy)), detect.Word(r.statusWords()+" without a body")
		return detect.OutcomeReply, ""
	}
	doc, form, text, parseErr := unwrap(r.Body, r.ContentType)
	if r.Terms.taught(string(text)) != StateUnknown && r.Outcome == "" {
		doc, form, parseErr = wordNode(string(text)), formPlain, nil
	}
	if parseErr != nil && !errors.Is(parseErr, errEventStream) {
		if d, ok := r.textReply(text); ok {
			doc, parseErr = d, nil
		}
	}
	message, code := errorText(doc)
	if message == "" && parseErr != nil {
		message = excerpt(text, r.ContentType)
	}
	status := r.statusWords()
	because := func(s string) string { // status and the server's own message, whichever there are
		switch {
		case s == "":
			return status
		case status == "":
			return s
		}
		return status + ": " + s
	}

	// What the status code or the error code says comes first: these are statements about the
	// request, whatever the body looks like.
	switch s := r.Status; {
	case s == http.StatusTooManyRequests && !standsBy(doc), code == codeLimited:
		return detect.OutcomeLimited, because(message)
	case s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusProxyAuthRequired, code == codeDenied:
		return detect.OutcomeDenied, because(message)
	case s == http.StatusNotFound, s == http.StatusMethodNotAllowed, s == http.StatusGone:
		if who := gatewayReply(s, r.header(), r.Body); who != "" {
			return detect.OutcomeGateway, because("a page of " + who)
		}
		return detect.OutcomeNotFound, because(message)
	case s == http.StatusNotModified: // not asked for: no If-None-Match is sent
		return detect.OutcomeGarbage, because("a cache answers, not the service")
	case s == http.StatusSwitchingProtocols:
		return detect.OutcomeGarbage, because("it changes to another protocol, which was not asked for")
	case s >= 300 && s < 400:
		return detect.OutcomeRedirect, because(r.pointing())
	case s == http.StatusBadRequest && plainToTLS(r.Body):
		return detect.OutcomeTLS, wantsTLS
	}
	failed := r.Status >= 400
	switch {
	case r.TooLarge && !failed:
		return detect.OutcomeTooLarge, fmt.Sprintf("the body is larger than %d bytes", len(r.Body))
	case form == formRPCError:
		if said := or(startingWords(message), startingReply(r.Status, r.header(), r.Body)); said != "" {
			return detect.OutcomeStarting, because(said)
		}
		return detect.OutcomeRPC, message
	}
	if gatewayEnvelope(r.Status, doc) {
		return detect.OutcomeGateway, because(gatewayWords(gatewayName(r.header()), []byte(message)))
	}
	if parseErr == nil && !r.TooLarge && readPayload(doc, r, f) {
		if said := payloadStarting(f); said != "" {
			return detect.OutcomeStarting, because(said)
		}
		return detect.OutcomeReply, ""
	}
	if said := startingReply(r.Status, r.header(), r.Body); said != "" {
		return detect.OutcomeStarting, because(said)
	}
	if who := gatewayReply(r.Status, r.header(), r.Body); who != "" {
		said := r.Body
		if parseErr == nil && message != "" { // the words of an error in JSON, without its braces
			said = []byte(message)
		}
		return detect.OutcomeGateway, because(gatewayWords(who, said))
	}
	switch {
	case failed && parseErr != nil && looksHTML(r.Body, r.ContentType):
		return detect.OutcomeHTTPError, because(strings.TrimSuffix("an HTML page: "+message, ": "))
	case failed:
		return detect.OutcomeHTTPError, because(message)
	case errors.Is(parseErr, errEventStream):
		return detect.OutcomeStream, strings.TrimSuffix("an event stream: "+message, ": ")
	case looksHTML(r.Body, r.ContentType) && parseErr != nil:
		return detect.OutcomeHTML, strings.TrimSuffix("an HTML page instead of a health reply: "+message, ": ")
	case parseErr == nil && message != "":
		return detect.OutcomeGarbage, "an error without a health status: " + message
	case parseErr == nil:
		return detect.OutcomeGarbage, "JSON without any known field of a health reply: " + excerpt(text, r.ContentType)
	case message != "":
		if t := bytes.TrimSpace(text); len(t) > 0 && t[0] != '{' && t[0] != '[' {
			return detect.OutcomeGarbage, "neither JSON nor a known word: " + message
		}
		return detect.OutcomeGarbage, fmt.Sprintf("%v: %s", parseErr, message)
	}
	return detect.OutcomeGarbage, parseErr.Error()
}

// header is what was kept of the header.
func (r Reply) header() http.Header {
	return http.Header{"Content-Type": {r.ContentType}, "Retry-After": {r.RetryAfter}, "Server": {r.Server}}
}

// pointing says where a redirect points, without what may be secret in it.
func (r Reply) pointing() string {
	u, err := url.Parse(r.Location)
	if err != nil || r.Location == "" {
		return "redirects are not followed"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return "it points to " + clean(u.String(), 120) + " and is not followed"
}

func statusReading(status int) detect.Reading {
	if status < 100 || status > 599 {
		return detect.NotMeasured(fmt.Sprintf("%d is no HTTP status", status))
	}
	return detect.Num(float64(status))
}

// retryAfter reads the header: whole seconds, or a date.
func retryAfter(h string, at time.Time) detect.Reading {
	wait := time.Duration(-1)
	if n, err := strconv.ParseUint(strings.TrimSpace(h), 10, 31); err == nil {
		wait = time.Duration(n) * time.Second
	} else if t, err := http.ParseTime(h); err == nil && !at.IsZero() {
		wait = max(0, t.Sub(at))
	}
	if wait < 0 || wait > maxRetryAfter {
		return detect.NotMeasured(fmt.Sprintf("Retry-After %q is unreadable or beyond a day", clean(h, 40)))
	}
	return detect.Num(wait.Seconds())
}

// looksHTML reports a web page: by what it begins with, or by its type when it is not JSON.
func looksHTML(body []byte, contentType string) bool {
	head := bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 512)]))
	for _, p := range [...]string{"<!doctype html", "<html", "<head", "<body", "<!--"} {
		if bytes.HasPrefix(head, []byte(p)) {
			return true
		}
	}
	return strings.Contains(strings.ToLower(contentType), "text/html") && len(head) > 0
}

// plainToTLS recognises the answer that TLS servers (Go, nginx, Apache) give to plain HTTP.
func plainToTLS(body []byte) bool {
	b := bytes.ToLower(body[:min(len(body), 1024)])
	return bytes.Contains(b, []byte("http request to an https server")) ||
		bytes.Contains(b, []byte("plain http request was sent to https port")) ||
		bytes.Contains(b, []byte("speaking plain http to an ssl-enabled server"))
}

// errorText returns the message and the code of an error body, in the forms that the servers and
// their frameworks use: {code,message,hint}, {error,message,statusCode}, {detail}, and
// {error:{code,message}}.
func errorText(doc node) (message, code string) {
	inner := doc.get("error")
	code = doc.get("code").str()
	if code == "" {
		code = inner.get("code").str()
	}
	var parts []string
	for _, s := range [...]string{
		code, doc.get("error").str(), doc.get("message").str(), inner.get("message").str(), doc.get("detail").str(),
	} {
		if s != "" && (len(parts) == 0 || parts[len(parts)-1] != s) {
			parts = append(parts, s)
		}
	}
	if n := inner.get("code"); n.kind == number && len(parts) > 0 { // JSON-RPC
		parts[0] = "code " + n.text + ": " + parts[0]
	}
	return strings.Join(parts, ": "), code
}
