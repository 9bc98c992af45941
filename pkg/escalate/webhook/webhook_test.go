package webhook_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/webhook"
)

func build(t testing.TB, section string) notice.Notifier {
	t.Helper()
	n, err := webhook.New(escalatetest.Decode(section))
	require.NoError(t, err)
	return n
}

func TestConformance(t *testing.T) {
	var accepts []int
	for s := 200; s < 300; s++ {
		accepts = append(accepts, s)
	}
	for _, format := range []string{"json", "alert", "template"} {
		t.Run(format, func(t *testing.T) {
			body := ""
			if format == "template" {
				body = `body: '{"key":{{json .Key}},"text":{{json (text .)}}}'`
			}
			escalatetest.Run(t, escalatetest.Case{
				New: func(t testing.TB, base string, timeout time.Duration) notice.Notifier {
					return build(t, fmt.Sprintf("url: %s/hooks/pathsecretpathsecret?token=querysecret\nsecret: %s\nformat: %s\nheaders: [{name: authorization, value: Bearer headersecret}]\nhttp: {timeout: %s}\n%s",
						base, escalatetest.WebhookSecret, format, timeout, body))
				},
				Vendor: func(t testing.TB) escalatetest.Backend {
					w := escalatetest.NewWebhook(escalatetest.WebhookOptions{})
					return escalatetest.Backend{URL: escalatetest.Serve(t, w), Log: w.Log, Set: w.Set, Opened: w.Received}
				},
				Secrets: []string{escalatetest.WebhookSecret, "pathsecretpathsecret", "querysecret", "headersecret"},
				HTTP: &escalatetest.HTTP{
					Accepts: accepts,
					Success: func(*http.Request, []byte) (int, string) { return 200, "fine" },
					Key: func(_ *http.Request, body []byte) string {
						var b struct{ Key, Alert_UID string }
						_ = json.Unmarshal(body, &b)
						return b.Key + b.Alert_UID
					},
				},
			})
		})
	}
}

func send(t testing.TB, section string, n notice.Notice) (sent []escalatetest.Entry) {
	t.Helper()
	w := escalatetest.NewWebhook(escalatetest.WebhookOptions{Unsigned: true})
	_, err := build(t, "url: "+escalatetest.Serve(t, w)+"\n"+section).Notify(t.Context(), notice.Delivery{Notice: n, Attempt: 1})
	require.NoError(t, err)
	return w.Entries()
}

func TestFormats(t *testing.T) {
	n := escalatetest.Notice("inc-1/t0")
	t.Run("alert is what Grafana OnCall takes", func(t *testing.T) {
		var got map[string]string
		require.NoError(t, json.Unmarshal([]byte(send(t, "format: alert", n)[0].Body), &got))
		require.Equal(t, "inc-1/t0", got["alert_uid"])
		require.Equal(t, "alerting", got["state"])
		require.Equal(t, n.Link, got["link_to_upstream_details"])
		require.Contains(t, got["message"], "Evidence:")
		require.NoError(t, json.Unmarshal([]byte(send(t, "format: alert", escalatetest.As(n, notice.Resolve))[0].Body), &got))
		require.Equal(t, "ok", got["state"])
	})
	t.Run("json is the notice with its texts", func(t *testing.T) {
		var got struct {
			notice.Notice
			Title, Text string
			Cut         bool
		}
		require.NoError(t, json.Unmarshal([]byte(send(t, "", n)[0].Body), &got))
		require.Equal(t, n.Evidence, got.Evidence)
		require.Equal(t, n.Tried[0].Result, got.Tried[0].Result)
		require.Contains(t, got.Title, "[P1]")
		require.False(t, got.Cut)
	})
	t.Run("template is the operator's", func(t *testing.T) {
		got := send(t, "format: template\ncontent_type: text/plain\nbody: '{{.Priority}} {{title .}}'", n)[0]
		require.Equal(t, "P1 [P1] Problem: codebase-mcp is down: no process serves port 8000 (web-1)", got.Body)
		require.Equal(t, "text/plain", got.Header.Get("Content-Type"))
	})
	t.Run("kinds leaves the others out", func(t *testing.T) {
		require.Empty(t, send(t, "kinds: [resolve]", n))
		require.Len(t, send(t, "kinds: [trigger]\nmethod: PUT", n), 1)
	})
	t.Run("unsigned without a secret", func(t *testing.T) {
		require.Empty(t, send(t, "", n)[0].Header.Get(webhook.HeaderSignature))
	})
}

func TestVerify(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	body := []byte(`{"a":1}`)
	h := http.Header{}
	webhook.Sign(h, "key", body, now)
	// An independent reading of the scheme: printf 'v1:1800000000:{"a":1}' | openssl dgst -sha256 -hmac key
	require.Equal(t, "v1=2ebb49ba2cab298d0326bcaf06820c40055378e413085ff9648219d82aa6269e", h.Get(webhook.HeaderSignature))
	require.NoError(t, webhook.Verify(h, "key", body, now.Add(time.Minute), 5*time.Minute))
	require.ErrorContains(t, webhook.Verify(h, "other", body, now, 5*time.Minute), "wrong signature")
	require.ErrorContains(t, webhook.Verify(h, "key", []byte(`{"a":2}`), now, 5*time.Minute), "wrong signature")
	require.ErrorContains(t, webhook.Verify(h, "key", body, now.Add(6*time.Minute), 5*time.Minute), "replay")
	require.ErrorContains(t, webhook.Verify(h, "key", body, now.Add(-6*time.Minute), 5*time.Minute), "replay")
	require.ErrorContains(t, webhook.Verify(http.Header{}, "key", body, now, 5*time.Minute), "not signed")
}

func TestWrongConfigurations(t *testing.T) {
	for name, tc := range map[string]struct{ section, want string }{
		"no url":                {"", "url: missing"},
		"another method":        {"url: http://a/\nmethod: GET", "method: want POST or PUT"},
		"another format":        {"url: http://a/\nformat: xml", "format: want json, alert or template"},
		"no body":               {"url: http://a/\nformat: template", "body: missing"},
		"a body without use":    {"url: http://a/\nbody: x", "body: has an effect only"},
		"a body that is wrong":  {"url: http://a/\nformat: template\nbody: '{{.Nope}}'", "body: does not render"},
		"a header that is none": {"url: http://a/\nheaders: [{name: 'a b', value: secretsecret}]", "headers[0]"},
		"a kind that is none":   {"url: http://a/\nkinds: [page]", "kinds[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := webhook.New(escalatetest.Decode(tc.section))
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "secretsecret")
		})
	}
}
