package wire_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/wire"
)

const page = "<!DOCTYPE html><html><body>Please log in to the guest network</body></html>"

// replies are what services, and what stands between, answer; ping and hook say whether a dead-man
// service's ping and a webhook's notice are accepted by it.
var replies = []struct {
	name, kind, body string
	status           int
	ping, hook       bool
}{
	{"Healthchecks", "text/plain", "OK", 200, true, true},
	{"Healthchecks, a check made by its slug", "text/plain", "Created", 201, true, true},
	{"Healthchecks, an unknown check", "text/plain", "OK (not found)", 200, false, false},
	{"Healthchecks, too often", "text/plain", "OK (rate limited)", 200, false, false},
	{"Healthchecks, an unknown check of today", "text/plain", "not found", 404, false, false},
	{"Healthchecks, two checks with one slug", "text/plain", "ambiguous slug", 409, false, false},
	{"Uptime Kuma", "application/json", `{"ok":true}`, 200, true, true},
	{"Uptime Kuma, an unknown monitor", "application/json", `{"ok":false,"msg":"Monitor not found or not active."}`, 200, false, false},
	{"Dead Man's Snitch", "text/plain", "Got it, thanks!", 202, true, true},
	{"Cronitor", "text/plain", "OK\n", 200, true, true},
	{"Better Stack, which says nothing", "", "", 200, true, true},
	{"nothing, with 204", "", "", 204, true, true},
	{"Opsgenie", "application/json", `{"result":"PONG - Heartbeat received","took":0.004,"requestId":"1b2c"}`, 202, true, true},
	{"Splunk On-Call", "application/json", `{"result":"failure","message":"routing key unknown"}`, 200, false, false},
	{"Rocket.Chat", "application/json", `{"success":false,"error":"Invalid integration id or token provided."}`, 200, false, false},
	{"Telegram", "application/json", `{"ok":true,"result":{"message_id":7,"text":"error: the database is down"}}`, 200, true, true},
	{"Google Chat gives the text back", "application/json", `{"name":"spaces/A","text":"[P1] svc: failed"}`, 200, true, true},
	{"Teams", "text/plain", "1", 200, true, true},
	{"Teams, which failed behind it", "text/plain", "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429", 200, false, false},
	{"DingTalk", "application/json", `{"errcode":0,"errmsg":"ok"}`, 200, true, true},
	{"DingTalk, refused", "application/json", `{"errcode":310000,"errmsg":"keywords not in content"}`, 200, false, false},
	{"Lark", "application/json", `{"code":0,"msg":"success","data":{}}`, 200, true, true},
	{"Lark, refused", "application/json", `{"code":19001,"msg":"param invalid: incoming webhook access token invalid"}`, 200, false, false},
	{"Pushover, refused", "application/json", `{"status":"error","errors":["user identifier is invalid"]}`, 200, false, false},
	{"a throttle in words", "application/json", `{"status":"throttle exceeded"}`, 202, false, false},
	{"an API's error with 200", "application/json", `{"data":null,"errors":[{"message":"no"}]}`, 200, false, false},
	{"an error that is none", "application/json", `{"id":"x","error":null,"errors":[]}`, 200, true, true},
	{"a status as text", "application/json", `{"status":"500 Internal Server Error"}`, 200, false, false},
	{"a portal", "text/html; charset=utf-8", page, 200, false, false},
	{"a portal with 202", "text/html", page, 202, false, false},
	{"a portal that calls its page a text", "text/plain", "\ufeff \n" + page, 200, false, false},
	{"a portal that calls its page JSON", "application/json", page, 201, false, false},
	{"a page of XHTML", "application/xhtml+xml", `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body/></html>`, 200, false, false},
	{"a page that begins in the middle", "text/html", "Welcome<br>to the hotel", 200, false, false},
	{"a login in one line", "text/plain", "Please log in", 200, false, false},
	{"a plain ok of type HTML, as Slack's", "text/html", "ok", 200, true, true},
	{"a text that nobody knows", "text/plain", "Zugestellt", 200, false, true},
	{"an error in plain text", "text/plain", "error: no such hook", 200, false, false},
	{"a redirect to a login", "text/html", "", 302, false, false},
	{"a server's error", "text/plain", "OK", 500, false, false},
}

func TestOnlyWhatMeansYesIsAnAcceptance(t *testing.T) {
	for _, r := range replies {
		t.Run(r.name, func(t *testing.T) {
			for _, known := range []bool{true, false} {
				want := r.hook
				if known {
					want = r.ping
				}
				err := accept(t, r.status, r.kind, r.body, wire.Acceptance{Known: known})
				if want {
					require.NoError(t, err, "known only: %v", known)
					continue
				}
				require.Error(t, err, "known only: %v", known)
				if r.status < 300 { // it may be a misunderstanding: the notice is kept
					require.ErrorAs(t, err, new(*notice.RetryError))
				}
			}
		})
	}
}

func TestWhatIsAcceptedCanBeConfiguredButNoWebPageIs(t *testing.T) {
	by, err := wire.NewAcceptance(`^Zugestellt$|login|not found`)
	require.NoError(t, err)
	require.NoError(t, accept(t, 200, "text/plain", "Zugestellt", by))
	require.NoError(t, accept(t, 200, "text/plain", "OK (not found)", by), "whoever says so is believed")
	require.ErrorContains(t, accept(t, 200, "text/plain", "OK", by), "accept")
	require.ErrorContains(t, accept(t, 200, "text/html", "<html>login</html>", by), "web page")
	require.Error(t, accept(t, 500, "text/plain", "Zugestellt", by), "nor is any status but 2xx")
	_, err = wire.NewAcceptance("(")
	require.ErrorContains(t, err, "accept: ")
}

func TestARefusalForBeingTooFastIsOne(t *testing.T) {
	err := accept(t, 200, "text/plain", "OK (rate limited)", wire.Acceptance{Known: true})
	retry, ok := errors.AsType[*notice.RetryError](err)
	require.True(t, ok)
	require.Equal(t, notice.ReasonRateLimited, retry.Reason)
}

func accept(t *testing.T, status int, kind, body string, by wire.Acceptance) error {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer srv.Close()
	req := request(t, srv.URL)
	c, err := wire.New("vendor", wire.Config{}, []*url.URL{req.URL})
	require.NoError(t, err)
	reply, err := c.Do(t.Context(), req)
	require.NoError(t, err)
	return c.Accept(req.URL, reply, by)
}
