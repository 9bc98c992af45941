package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/egress"
)

// Words of plain.outcome.
const (
	plainOK       = "ok"
	plainRefused  = "refused"  // nothing listens
	plainTimeout  = "timeout"  // accepted or not, no answer in time
	plainError    = "error"    // it answered, and not as it should
	plainStarting = "starting" // it answers, and says that it is not ready yet
	plainGateway  = "gateway"  // something on the way answered in its place
	plainUnknown  = "unknown"  // evidence about the probe (name, TLS, credential, path), not about the server
)

// plainFacts makes the two facts of a plain witness.
func plainFacts(outcome, why string) detect.Facts {
	f := detect.Facts{detect.PlainOutcome: detect.Word(outcome)}
	if why = clean(why, maxSentence); why != "" {
		f[detect.PlainError] = detect.Word(why)
	}
	return f
}

// plainFailure maps a transport error to the words of plain.outcome.
func plainFailure(err error) detect.Facts {
	kind, why := classify(err)
	switch kind {
	case failOurs:
		return detect.Facts{detect.PlainOutcome: detect.NotMeasured(why)}
	case failRefused:
		return plainFacts(plainRefused, why)
	case failConnectTime, failNoReply:
		return plainFacts(plainTimeout, why)
	case failReset, failProtocol:
		return plainFacts(plainError, why)
	}
	return plainFacts(plainUnknown, why)
}

// TCP checks that a connection can be made. It proves that the kernel accepts for a listening
// program, not that the program works; a program that a signal has stopped does not.
type TCP struct {
	addr    string
	timeout time.Duration
	proc    procfs
}

var _ Witness = (*TCP)(nil)

// NewTCP makes the witness for a host:port. A timeout of 0 means DefaultTimeout.
func NewTCP(addr string, timeout time.Duration) (*TCP, error) {
	if err := checkAddr(addr); err != nil {
		return nil, err
	}
	return &TCP{addr: addr, timeout: orTimeout(timeout)}, nil
}

// Name is "tcp".
func (t *TCP) Name() string { return "tcp" }

// Leads names the fact that says whether it could look.
func (t *TCP) Leads() string { return detect.PlainOutcome }

// Look connects and closes.
func (t *TCP) Look(ctx context.Context, unit detect.Facts) detect.Facts {
	conn, _, err := dial(ctx, t.addr, t.timeout)
	if err != nil {
		return plainFailure(err)
	}
	_ = conn.Close()
	if pid, why := mainPID(unit); why == "" {
		if state, err := t.proc.state(pid); err == nil && (state == "T" || state == "t") {
			f := plainFacts(plainTimeout, "the kernel accepts, and the process that would answer is stopped (state "+state+")")
			f[detect.ProcessState] = detect.Word(state) // the platform may not have been asked just now
			return f
		}
	}
	return plainFacts(plainOK, "")
}

// Match says what an answer must look like.
type Match struct {
	Status   []int          // accepted HTTP status codes; any of 200..299 when empty
	Contains string         // must occur in the body
	Excludes string         // must not occur in the body
	Pattern  *regexp.Regexp // must match the body; nil matches any
}

// NewMatch makes a Match of a regular expression that the body must match; "" matches any.
func NewMatch(pattern string) (Match, error) {
	if pattern == "" {
		return Match{}, nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return Match{}, fmt.Errorf("the pattern of the answer: %w", err)
	}
	return Match{Pattern: re}, nil
}

// check returns why an answer does not match, or "".
func (m Match) check(status int, body []byte) string {
	switch {
	case len(m.Status) == 0 && (status < 200 || status > 299):
		return fmt.Sprintf("HTTP status %d", status)
	case len(m.Status) > 0 && !slices.Contains(m.Status, status):
		return fmt.Sprintf("HTTP status %d, want %v", status, m.Status)
	}
	return m.text(body)
}

// text returns why a body does not match, or "".
func (m Match) text(body []byte) string {
	switch {
	case m.Contains != "" && !bytes.Contains(body, []byte(m.Contains)):
		return fmt.Sprintf("the answer does not contain %q", cut(m.Contains, 60))
	case m.Pattern != nil && !m.Pattern.Match(body):
		return fmt.Sprintf("the answer does not match %q", cut(m.Pattern.String(), 60))
	case m.Excludes != "" && bytes.Contains(body, []byte(m.Excludes)):
		return fmt.Sprintf("the answer contains %q", cut(m.Excludes, 60))
	}
	return ""
}

// HTTPPlain checks a dependency by one HTTP request, for servers whose answer is no health
// payload.
type HTTPPlain struct {
	name     string
	exchange *exchange
	match    Match
	proc     procfs
}

var _ Prompt = (*HTTPPlain)(nil)

// NewHTTPPlain makes the witness.
func NewHTTPPlain(e Endpoint, m Match) (*HTTPPlain, error) {
	x, err := newExchange(e)
	if err != nil {
		return nil, err
	}
	return &HTTPPlain{name: "http-plain", exchange: x, match: m}, nil
}

func joinPath(base, path string) (string, error) {
	u, err := url.JoinPath(base, path)
	if err != nil {
		return "", errors.New("the URL cannot be parsed (want http://host:port)")
	}
	return u, nil
}

// NewOllama makes a witness for an Ollama server: GET /api/tags must list models. The URL is
// that of the server, such as http://localhost:11434, without the path.
func NewOllama(e Endpoint) (*HTTPPlain, error) {
	u, err := joinPath(e.URL, "/api/tags")
	if err != nil {
		return nil, err
	}
	e.URL = u
	h, err := NewHTTPPlain(e, Match{Contains: `"models"`})
	if err != nil {
		return nil, err
	}
	h.name = "ollama"
	return h, nil
}

// Name is "http-plain" or "ollama".
func (h *HTTPPlain) Name() string { return h.name }

// Leads names the fact that says whether it could look.
func (h *HTTPPlain) Leads() string { return detect.PlainOutcome }

// Begin implements Prompt: nothing is left to do.
func (h *HTTPPlain) Begin(ctx context.Context, by time.Time, unit detect.Facts) (detect.Facts, func(context.Context) detect.Facts) {
	return h.look(ctx, by, unit), nil
}

// Look asks once.
func (h *HTTPPlain) Look(ctx context.Context, unit detect.Facts) detect.Facts {
	return h.look(ctx, time.Time{}, unit)
}

func (h *HTTPPlain) look(ctx context.Context, by time.Time, unit detect.Facts) detect.Facts {
	work := h.proc.begin(unit)
	var f detect.Facts
	h.exchange.do(ctx, by, func(r Reply, err error) { f = h.judge(r, err) })
	if f.Text(detect.PlainOutcome) == plainTimeout {
		work.end(f)
	}
	return f
}

func (h *HTTPPlain) judge(r Reply, err error) detect.Facts {
	_, part := errors.AsType[partialError](err)
	if err != nil && !part {
		return plainFailure(err)
	}
	why := "no complete HTTP header came"
	if r.Status != 0 {
		why = h.match.check(r.Status, r.Body)
	}
	if why == "" && (err == nil || h.match.Excludes == "") {
		return plainFacts(plainOK, "") // what is wanted came, whether or not the reply has an end
	}
	// A wrong path, a missing credential, a rate limit or a part of a reply says nothing against the server.
	facts := ReadHealth(r)
	switch facts.Text(detect.HTTPOutcome) {
	case detect.OutcomeDenied, detect.OutcomeNotFound, detect.OutcomeRedirect, detect.OutcomeLimited, detect.OutcomeTLS, detect.OutcomePartial:
		return plainFacts(plainUnknown, facts.Text(detect.HTTPError))
	case detect.OutcomeStarting:
		return plainFacts(plainStarting, facts.Text(detect.HTTPError))
	case detect.OutcomeGateway:
		return plainFacts(plainGateway, facts.Text(detect.HTTPError))
	case detect.OutcomeHTTPError:
		if r.Status < 500 { // every other 4xx speaks of the request, too
			return plainFacts(plainUnknown, "the server rejects the request: "+facts.Text(detect.HTTPError))
		}
	}
	if said := facts.Text(detect.HTTPError); said != "" && r.Status >= 400 {
		why = "HTTP status " + said
	} else if said := excerpt(r.Body, r.ContentType); said != "" {
		why += ": " + said
	}
	return plainFacts(plainError, why)
}

// dial connects with a timeout of its own inside ctx, which also bounds what is then read and
// written. The last result turns a timeout into the error to report: a deadline of somebody else
// that was shorter is no proof of silence.
func dial(ctx context.Context, addr string, timeout time.Duration) (net.Conn, func(error) error, error) {
	ctx, cancel, hurried := within(ctx, timeout)
	defer cancel()
	judge := func(err error) error {
		if hurried != nil && isTimeout(err) {
			return hurried
		}
		return err
	}
	conn, err := egress.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, judge, judge(err)
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, judge, errors.Join(err, conn.Close())
	}
	return conn, judge, nil
}

func checkAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || port == "" {
		return fmt.Errorf("the address %q is not host:port", addr)
	}
	return nil
}

func orTimeout(d time.Duration) time.Duration {
	if d <= 0 {
		return DefaultTimeout
	}
	return d
}
