package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// Acceptance is by which body a receiver of plain HTTP accepts what it was sent, beside a status of
// 2xx. The zero value takes whatever neither is a web page nor says that it was refused.
type Acceptance struct {
	// Match is what the operator says that an acceptance looks like; nil: the rules below decide.
	Match *regexp.Regexp
	// Known takes a text only when it is one of those by which a dead-man service answers, or JSON
	// that says nothing against it: a ping has no other proof that it was understood.
	Known bool
}

// NewAcceptance compiles the operator's pattern; "" leaves the built-in rules.
func NewAcceptance(pattern string) (Acceptance, error) {
	if pattern == "" {
		return Acceptance{}, nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return Acceptance{}, fmt.Errorf("accept: not a regular expression: %w", err)
	}
	return Acceptance{Match: re}, nil
}

// Accept turns a reply of a receiver without a contract of its own into nil (accepted) or an error
// that allows another try: what is refused with a status of 2xx may be a misunderstanding.
func (c *Client) Accept(u *url.URL, reply Reply, by Acceptance) error {
	if reply.Status < 200 || reply.Status > 299 {
		return c.Verdict(u, reply, Rules{})
	}
	if err := c.WebPage(u, reply); err != nil {
		return err
	}
	if by.Match != nil {
		if by.Match.Match(reply.Body) {
			return nil
		}
		return c.Retry(notice.ReasonServer, 0, fmt.Errorf("%s answered %d with %q, which does not match accept: %s",
			hostOf(u), reply.Status, c.Snippet(reply.Body), by.Match))
	}
	if no := Refusal(reply.Body); no != "" {
		reason := notice.ReasonServer
		if tooFast.MatchString(no) {
			reason = notice.ReasonRateLimited
		}
		return c.Retry(reason, c.RetryAfter(reply), fmt.Errorf("%s answered %d but did not accept it: %q", hostOf(u), reply.Status, c.Snippet([]byte(no))))
	}
	if by.Known && !known(reply.Body) {
		return c.Retry(notice.ReasonServer, 0, fmt.Errorf("%s answered %d with %q, which is no answer of a service that we know: if it means yes, say so with accept",
			hostOf(u), reply.Status, c.Snippet(reply.Body)))
	}
	return nil
}

// WebPage returns an error when the reply is a page for people: a login, the portal of a network, the
// page of a proxy. None of those to whom recoveryd talks accepts anything with one.
func (c *Client) WebPage(u *url.URL, reply Reply) error {
	if !isPage(reply) {
		return nil
	}
	return c.Retry(notice.ReasonServer, 0, fmt.Errorf("%s answered %d with a web page, as a login, a portal or a proxy does, and so accepted nothing: %q",
		hostOf(u), reply.Status, c.Snippet(reply.Body)))
}

// isPage does not trust the type alone: Slack says text/html for its plain "ok", and a portal may say
// nothing at all.
func isPage(reply Reply) bool {
	body := bytes.TrimPrefix(bytes.TrimSpace(reply.Body), []byte("\xef\xbb\xbf"))
	if strings.Contains(strings.ToLower(reply.Header.Get("Content-Type")), "html") {
		size, err := strconv.Atoi(reply.Header.Get("Content-Length"))
		unseen := len(body) == 0 && err == nil && size > len("accepted") // the answer to a HEAD
		if unseen || bytes.ContainsRune(body, '<') {
			return true
		}
	}
	if strings.HasPrefix(http.DetectContentType(body), "text/html") {
		return true
	}
	start := bytes.ToLower(body[:min(len(body), 2048)])
	return bytes.HasPrefix(start, []byte("<")) && (bytes.Contains(start, []byte("<html")) || bytes.Contains(start, []byte("<head")) || bytes.Contains(start, []byte("<body")))
}

var (
	// tooFast is how a vendor says so in words, whatever its status.
	tooFast = regexp.MustCompile(`(?i)throttl|rate.?limit|too (many|fast|quick)|slow down`)
	// refusing is how a text begins that says no although its status does not: "OK (not found)" and
	// "OK (rate limited)" of Healthchecks, "Webhook message delivery failed with error ..." of Teams,
	// "invalid_token" of Slack.
	refusing = regexp.MustCompile(`(?i)^\W*(ok\W+)?(an? )?(\w+[ _-]){0,4}?(not[ _-]?(found|active|authed|allowed|accepted|valid)|rate[ _-]?limit|throttl|too many|errors?\b|fail(ed|ure)?\b|invalid|unknown|unauthori[sz]ed|forbidden|denied|expired|disabled|suspended|inactive|no such|no[ _](service|team|active)|unavailable|bad request|login|log in|sign in)`)
	// knownText is how dead-man services say yes: "OK" and "Created" (Healthchecks, Cronitor), "Got it,
	// thanks!" (Dead Man's Snitch, with 202), "PONG - Heartbeat received" (Opsgenie, in JSON), and the
	// short words of the others.
	knownText = regexp.MustCompile(`(?i)^\W*(ok|okay|created|accepted|success(ful(ly)?)?|received|done|got it\W+thanks?( you)?|thanks?( you)?|pong|alive|true|1|200( ok)?|(ping|heartbeat|beat) (ok|received|accepted|recorded)|pong\W+heartbeat received)\W*$`)
	// badWord is the value of "status" and "result" by which JSON says no.
	badWord = regexp.MustCompile(`(?i)^(error|errors|fail|failed|failure|rejected|refused|denied|forbidden|unauthori[sz]ed|invalid.*|not[ _-]?found|not[ _-]?ok|nok|ko|false|bad.*|throttle.*|rate.?limit.*|unknown.*|inactive|disabled|expired|suspended|partial.*|[45]\d\d( .*)?)$`)
)

func known(body []byte) bool {
	text := bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\xef\xbb\xbf"))
	return len(text) == 0 || knownText.Match(text) || json.Valid(text) && text[0] == '{'
}

// Refusal returns the words by which a body says that it was not accepted, "" when it does not. Only
// what stands at the top is read: a receiver may give our own text back, which speaks of errors.
func Refusal(body []byte) string {
	text := bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\xef\xbb\xbf"))
	var in map[string]any
	if json.Unmarshal(text, &in) != nil {
		if refusing.Match(text) {
			return string(text)
		}
		return ""
	}
	for key, v := range in {
		if refuses(in, strings.ToLower(key), v) {
			return string(text)
		}
	}
	return ""
}

// refuses reports whether one member of a JSON reply says no.
func refuses(in map[string]any, key string, v any) bool {
	number, isNumber := v.(float64)
	switch key {
	case "ok", "success", "successful", "accepted", "delivered":
		return v == false || v == "false" || isNumber && number == 0
	case "status", "result", "state", "outcome":
		word, _ := v.(string)
		return v == false || isNumber && number >= 400 && number < 600 || badWord.MatchString(strings.TrimSpace(word))
	case "error", "errors":
		switch e := v.(type) {
		case nil:
			return false
		case bool:
			return e
		case string:
			return e != ""
		case []any:
			return len(e) > 0
		case map[string]any:
			return len(e) > 0
		}
		return number != 0
	case "errcode", "err_code", "error_code", "errorcode", "statuscode", "status_code": // DingTalk, WeCom
		return isNumber && number != 0 && (number < 200 || number > 299)
	case "code": // Lark says {"code":19001,"msg":"param invalid"}; elsewhere a code alone may be anything
		_, words := in["msg"]
		if _, also := in["message"]; also {
			words = true
		}
		return words && isNumber && number != 0 && (number < 200 || number > 299)
	}
	return false
}
