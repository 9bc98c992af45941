package pagerduty_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/pagerduty"
)

const key = escalatetest.PagerDutyKey

func build(t testing.TB, section string) notice.Notifier {
	t.Helper()
	n, err := pagerduty.New(escalatetest.Decode(section))
	require.NoError(t, err)
	return n
}

func TestConformance(t *testing.T) {
	escalatetest.Run(t, escalatetest.Case{
		New: func(t testing.TB, base string, timeout time.Duration) notice.Notifier {
			return build(t, fmt.Sprintf("routing_key: %s\nendpoint: %s\nhttp: {timeout: %s}", key, base, timeout))
		},
		Vendor: func(t testing.TB) escalatetest.Backend {
			p := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{Keys: []string{key}})
			return escalatetest.Backend{URL: escalatetest.Serve(t, p), Log: p.Log, Set: p.Set, Opened: func() int {
				opened := 0
				for _, a := range p.Alerts() {
					opened += a.Opened
				}
				return opened
			}}
		},
		Secrets: []string{key},
		Silent:  []notice.Kind{notice.Update},
		HTTP: &escalatetest.HTTP{
			Accepts:     []int{202},
			BodyMatters: true,
			Success: func(*http.Request, []byte) (int, string) {
				return 202, `{"status":"success","message":"Event processed","dedup_key":"x"}`
			},
			Key: func(_ *http.Request, body []byte) string {
				var e struct {
					DedupKey string `json:"dedup_key"`
				}
				_ = json.Unmarshal(body, &e)
				return e.DedupKey
			},
		},
	})
}

func send(t testing.TB, n notice.Notifier, msg notice.Notice, prior notice.Receipt) notice.Receipt {
	t.Helper()
	r, err := n.Notify(t.Context(), notice.Delivery{Notice: msg, Prior: prior, Attempt: 1})
	require.NoError(t, err)
	return r
}

func whys(p *escalatetest.PagerDuty) []string {
	var out []string
	for _, e := range p.Entries() {
		out = append(out, e.Kind+": "+e.Why)
	}
	return out
}

const (
	oldKey = "11111111111111111111111111111111"
	newKey = "22222222222222222222222222222222"
)

func TestRotation(t *testing.T) {
	p := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{Keys: []string{oldKey, newKey}})
	url := escalatetest.Serve(t, p)
	before := build(t, fmt.Sprintf("routing_keys: [{name: spring, key: %q}]\nendpoint: %s", oldKey, url))
	receipt := send(t, before, escalatetest.Notice("inc/t0"), nil)
	require.Equal(t, "spring", receipt["routing_key"])

	after := build(t, fmt.Sprintf("routing_keys: [{name: autumn, key: %q}, {name: spring-renamed, key: %q}]\nendpoint: %s", newKey, oldKey, url))
	t.Run("a repeated trigger goes to the service that has the alert", func(t *testing.T) {
		receipt = send(t, after, escalatetest.Notice("inc/t0"), receipt)
		require.Equal(t, "trigger: deduplicated: already open", whys(p)[1])
	})
	t.Run("a resolve goes out with the key that the alert was opened with", func(t *testing.T) {
		receipt = send(t, after, escalatetest.As(escalatetest.Notice("inc/t0"), notice.Resolve), receipt)
		require.Equal(t, "resolve: resolved", whys(p)[2])
	})
	t.Run("a new episode opens with the new key", func(t *testing.T) {
		receipt = send(t, after, escalatetest.Notice("inc/t0"), receipt)
		require.Equal(t, "autumn", receipt["routing_key"])
	})
	t.Run("without the old key a resolve fails loudly and nothing is sent", func(t *testing.T) {
		sent := len(p.Entries())
		for _, section := range []string{
			fmt.Sprintf("routing_key: %q\nendpoint: %s", newKey, url),
			fmt.Sprintf("routing_keys: [{name: spring, key: %q}]\nendpoint: %s", newKey, url), // replaced in place
		} {
			opened := notice.Receipt{"routing_key": "spring", "routing_key_id": "deadbeef", "state": "open"}
			_, err := build(t, section).Notify(t.Context(), notice.Delivery{
				Notice: escalatetest.As(escalatetest.Notice("inc/t0"), notice.Resolve), Prior: opened, Attempt: 1})
			final, ok := errors.AsType[*notice.FinalError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, notice.ReasonRejected, final.Reason, "the channel itself is fine")
			require.ErrorContains(t, err, `routing key "spring"`)
			require.ErrorContains(t, err, "resolve it by hand")
		}
		require.Len(t, p.Entries(), sent)
	})
}

func TestTiersAfterAnAcknowledgement(t *testing.T) {
	p := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{Keys: []string{key}})
	n := build(t, fmt.Sprintf("routing_key: %q\nendpoint: %s", key, escalatetest.Serve(t, p)))
	tier0 := send(t, n, escalatetest.Notice("inc/t0"), nil)
	require.True(t, p.Acknowledge("inc/t0"))
	send(t, n, escalatetest.Notice("inc/t0"), tier0)
	require.Equal(t, "trigger: deduplicated: acknowledged, nobody is notified", whys(p)[1], "the trap that own keys avoid")
	send(t, n, escalatetest.Notice("inc/t1"), nil)
	require.True(t, p.Entries()[2].Pages, "the next tier pages under its own key")
}

func TestChangeEvents(t *testing.T) {
	p := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{})
	url := escalatetest.Serve(t, p)
	cure := escalatetest.As(escalatetest.Notice("inc/t0"), notice.Change)
	cure.Summary = "restarted codebase-mcp, verified"
	prior := notice.Receipt{"routing_key": "x", "state": "open"}

	got := send(t, build(t, fmt.Sprintf("routing_key: %q\nendpoint: %s", key, url)), cure, prior)
	require.Equal(t, prior, got, "a change leaves the alert as it was")
	require.Equal(t, []string{"[P1] Done: restarted codebase-mcp, verified (web-1)"}, p.Changes())
	require.Equal(t, "/v2/change/enqueue", p.Entries()[0].Path)

	ruleset := "R" + key[1:]
	send(t, build(t, fmt.Sprintf("routing_key: %q\nendpoint: %s", ruleset, url)), cure, nil)
	send(t, build(t, fmt.Sprintf("routing_key: %q\nendpoint: %s\nchanges: false", key, url)), cure, nil)
	require.Len(t, p.Changes(), 1, "a ruleset key takes none, and they can be switched off")
}

func TestSeverity(t *testing.T) {
	p := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{})
	n := build(t, fmt.Sprintf("routing_key: %q\nendpoint: %s\nseverities: {p2: critical}", key, escalatetest.Serve(t, p)))
	for _, tc := range []struct {
		priority string
		severity notice.Severity
		want     string
	}{
		{"P1", notice.Critical, "critical"},
		{"P2", notice.Error, "critical"},
		{"P3", notice.Warning, "warning"},
		{"P4", "unheard-of", "error"},
	} {
		msg := escalatetest.Notice(tc.priority)
		msg.Priority, msg.Severity = tc.priority, tc.severity
		send(t, n, msg, nil)
	}
	var got []string
	for _, a := range p.Alerts() {
		got = append(got, a.DedupKey+" "+a.Severity)
	}
	require.Equal(t, []string{"P1 critical", "P2 critical", "P3 warning", "P4 error"}, got)
}

func TestBodyShrinksInsteadOfBeingRefused(t *testing.T) {
	p := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{})
	n := build(t, fmt.Sprintf("routing_key: %q\nendpoint: %s", key, escalatetest.Serve(t, p)))
	msg := escalatetest.Notice("inc/t0")
	msg.Evidence = nil
	for i := range 400 {
		msg.Evidence = append(msg.Evidence, fmt.Sprintf("evidence %d %s", i, strings.Repeat("x", 5000)))
	}
	send(t, n, msg, nil)
	e := p.Entries()[0]
	require.Equal(t, "opened", e.Why)
	require.LessOrEqual(t, len(e.Body), 512_000)
	var body struct {
		Payload struct {
			Details struct {
				Evidence []string `json:"evidence"`
				Cut      string   `json:"cut"`
			} `json:"custom_details"`
		} `json:"payload"`
	}
	require.NoError(t, json.Unmarshal([]byte(e.Body), &body))
	require.Equal(t, "300 items were left out to stay within PagerDuty's size limit; see the incident on the host", body.Payload.Details.Cut)
	require.Contains(t, body.Payload.Details.Evidence[0], "evidence 0", "the most telling evidence stays")
}

func TestDedupKey(t *testing.T) {
	require.Equal(t, "inc-1/t0", pagerduty.DedupKey("inc-1/t0"))
	long := strings.Repeat("é", 300)
	require.Equal(t, 255, utf8.RuneCountInString(pagerduty.DedupKey(long)))
	require.NotEqual(t, pagerduty.DedupKey(long+"a"), pagerduty.DedupKey(long+"b"))
}

func TestRateLimit(t *testing.T) {
	p := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{PerMinute: 2})
	n := build(t, fmt.Sprintf("routing_key: %q\nendpoint: %s", key, escalatetest.Serve(t, p)))
	send(t, n, escalatetest.Notice("a"), nil)
	send(t, n, escalatetest.Notice("b"), nil)
	_, err := n.Notify(t.Context(), notice.Delivery{Notice: escalatetest.Notice("c"), Attempt: 1})
	retry, ok := errors.AsType[*notice.RetryError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, notice.ReasonRateLimited, retry.Reason)
}

func TestWrongConfigurations(t *testing.T) {
	for name, tc := range map[string]struct{ section, want string }{
		"no key":                  {"endpoint: https://events.pagerduty.com", "routing_key: missing"},
		"a key of the REST API":   {"routing_key: u+AbCdEfGhIjKlMnOpQr", "this looks like a key of the REST API, which cannot page"},
		"a key that is too short": {"routing_key: abc", "routing_key: an integration key has 32 letters and digits (got 3 characters)"},
		"a key with blanks":       {"routing_key: '0123456789abcdef 123456789abcdef'", "32 letters and digits"},
		"the same name twice":     {fmt.Sprintf("routing_keys: [{name: a, key: %q}, {name: a, key: %q}]", oldKey, newKey), `routing_keys[1]: the name "a" is used twice`},
		"an unknown severity":     {fmt.Sprintf("routing_key: %q\nseverities: {p1: fatal}", key), `severities.p1: want critical, error, warning or info (got "fatal")`},
		"changes on a ruleset":    {fmt.Sprintf("routing_key: %q\nchanges: true", "R"+key[1:]), "changes: PagerDuty takes no change events for a ruleset key"},
		"an unknown key":          {"routing_keyy: x", "unknown field"},
		"a bad endpoint":          {fmt.Sprintf("routing_key: %q\nendpoint: events.pagerduty.com", key), "endpoint: not a URL"},
		"a template that is wrong": {fmt.Sprintf("routing_key: %q\ntemplates: {title: '{{.Sumary}}'}", key),
			"templates.title"},
		"a missing CA file": {fmt.Sprintf("routing_key: %q\nhttp: {ca_file: /nonexistent.pem}", key), "http.ca_file"},
		"a negative limit":  {fmt.Sprintf("routing_key: %q\nhttp: {timeout: -1s}", key), "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pagerduty.New(escalatetest.Decode(tc.section))
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), key)
		})
	}
}
