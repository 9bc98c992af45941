package probe

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

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
	// Latency is how long it took until the reply was complete or we gave up; 0 = not known.
	Latency time.Duration
	// At is when the reply came, to make seconds out of a date in RetryAfter; may be zero.
	At time.Time
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
	if outcome == "" {
		outcome, why = r.read(f)
	}
	f[detect.HTTPOutcome] = detect.Word(outcome)
	if why = clean(why, maxSentence); why != "" {
		f[detect.HTTPError] = detect.Word(why)
	}
	return f
}

// read judges a reply that was received, and adds the facts of its payload.
func (r Reply) read(f detect.Facts) (outcome, why string) {
	doc, form, parseErr := unwrap(r.Body, r.ContentType)
	message, code := errorText(doc)
	status := ""
	if r.Status != 0 {
		status = strings.TrimSpace(strconv.Itoa(r.Status) + " " + http.StatusText(r.Status))
	}
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
	case s == http.StatusTooManyRequests, code == codeLimited:
		return detect.OutcomeLimited, because(message)
	case s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusProxyAuthRequired, code == codeDenied:
		return detect.OutcomeDenied, because(message)
	case s == http.StatusNotFound, s == http.StatusMethodNotAllowed, s == http.StatusGone:
		if who := gatewayReply(s, r.header(), r.Body); who != "" {
			return detect.OutcomeGateway, because("a page of " + who)
		}
		return detect.OutcomeNotFound, because(message)
	case s >= 300 && s < 400:
		return detect.OutcomeRedirect, because(r.pointing())
	case s == http.StatusBadRequest && plainToTLS(r.Body):
		return detect.OutcomeTLS, "the server expects https, and was asked in plain http"
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
	if parseErr == nil && !r.TooLarge && readPayload(doc, f, failed) {
		if said := payloadStarting(f); said != "" {
			return detect.OutcomeStarting, because(said)
		}
		return detect.OutcomeReply, ""
	}
	if said := startingReply(r.Status, r.header(), r.Body); said != "" {
		return detect.OutcomeStarting, because(said)
	}
	if who := gatewayReply(r.Status, r.header(), r.Body); who != "" {
		return detect.OutcomeGateway, because(gatewayWords(who, r.Body))
	}
	switch {
	case failed && parseErr != nil && looksHTML(r.Body, r.ContentType):
		return detect.OutcomeHTTPError, because("an HTML page")
	case failed:
		return detect.OutcomeHTTPError, because(message)
	case parseErr == nil && message != "":
		return detect.OutcomeGarbage, "an error without a health status: " + message
	case parseErr == nil:
		return detect.OutcomeGarbage, "JSON without any known field of a health reply"
	case looksHTML(r.Body, r.ContentType):
		return detect.OutcomeHTML, "an HTML page instead of a health reply"
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
