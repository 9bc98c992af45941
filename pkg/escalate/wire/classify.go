package wire

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// Classify says what a status means when it is not the one the vendor documents for success:
// whether another try can help, and the reason to report.
//
// Only a vendor's own clear refusal (most of 4xx) and a redirect (a wrong address) are final. A
// success that the vendor does not document, such as the 200 of a captive portal, proves nothing
// and is tried again: a page is dropped by a clear no, never by a misunderstanding.
func Classify(status int) (retry bool, reason notice.Reason) {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return false, notice.ReasonAuth
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return false, notice.ReasonConfig
	case http.StatusRequestTimeout:
		return true, notice.ReasonTimeout
	case http.StatusTooEarly:
		return true, notice.ReasonServer
	case http.StatusTooManyRequests:
		return true, notice.ReasonRateLimited
	}
	switch {
	case status >= 300 && status < 400:
		return false, notice.ReasonConfig
	case status >= 400 && status < 500:
		return false, notice.ReasonRejected
	}
	return true, notice.ReasonServer
}

// Rules is what a notifier knows about its vendor's statuses.
type Rules struct {
	// Accept lists the statuses by which the vendor takes a notice.
	Accept []int
	// Limited lists statuses that mean "too fast" besides 429 (Statuspage's 420).
	Limited []int
}

// Verdict turns a reply into nil (accepted), *notice.RetryError or *notice.FinalError. It
// looks at the status only; a body that was cut short is reply.Err, and for the notifier to judge.
func (c *Client) Verdict(u *url.URL, reply Reply, rules Rules) error {
	if slices.Contains(rules.Accept, reply.Status) {
		return nil
	}
	retry, reason := Classify(reply.Status)
	if slices.Contains(rules.Limited, reply.Status) {
		retry, reason = true, notice.ReasonRateLimited
	}
	err := c.statusError(u, reply)
	if !retry {
		return c.Final(reason, err)
	}
	return c.Retry(reason, c.RetryAfter(reply), err)
}

func (c *Client) statusError(u *url.URL, reply Reply) error {
	text := http.StatusText(reply.Status)
	if text != "" {
		text = " " + text
	}
	switch {
	case reply.Status >= 300 && reply.Status < 400:
		where := "elsewhere"
		if to, err := url.Parse(reply.Header.Get("Location")); err == nil && to.Host != "" {
			where = "to " + to.Scheme + "://" + to.Host
		}
		return fmt.Errorf("%s answered %d%s: redirects %s, which is not followed; configure the final address",
			hostOf(u), reply.Status, text, where)
	case reply.Status < 300:
		return fmt.Errorf("%s answered %d%s, which is not how this vendor accepts a notice: something between us may have answered: %q",
			hostOf(u), reply.Status, text, c.Snippet(reply.Body))
	}
	return fmt.Errorf("%s answered %d%s: %q", hostOf(u), reply.Status, text, c.Snippet(reply.Body))
}

// snippet is how much of a vendor's words an error carries, in runes: a sentence or two.
const snippet = 240

// Snippet makes the beginning of a reply fit for an error: one line, printable, without secrets.
func (c *Client) Snippet(body []byte) string {
	// Redact before cutting, or a secret cut in half would pass.
	return notice.Cut(notice.OneLine(c.Redact(string(body))), snippet)
}

// RetryAfter returns how long the vendor asked to wait, within the cap; 0 when it did not say, or
// nothing that makes sense.
func (c *Client) RetryAfter(reply Reply) time.Duration {
	d, err := parseRetryAfter(reply.Header, time.Now())
	if err != nil {
		return 0
	}
	return min(d, c.cap)
}

var errNoRetryAfter = errors.New("no usable Retry-After")

// parseRetryAfter reads seconds or an HTTP date. A date is taken relative to the vendor's own
// Date header when there is one: this host's clock may be wrong, and the difference is what counts.
func parseRetryAfter(h http.Header, now time.Time) (time.Duration, error) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, errNoRetryAfter
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		if !(s >= 0) {
			return 0, errNoRetryAfter
		}
		// No vendor asks for more than an hour. Some, and proxies before them, write milliseconds.
		const hour = 60 * 60
		if s > hour {
			s /= 1000
		}
		const day = 24 * hour // more than any cap; keeps the product below from overflowing
		return time.Duration(min(s, day) * float64(time.Second)), nil
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, errNoRetryAfter
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(at.Sub(now), 0), nil
}
