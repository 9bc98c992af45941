package escalatetest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
)

// call makes one Web API call and returns Slack's word: "ok" or the error.
func call(t testing.TB, base, method string, form url.Values) (word, ts string) {
	t.Helper()
	resp, err := http.PostForm(base+"/api/"+method, form)
	require.NoError(t, err)
	defer resp.Body.Close()
	var said struct {
		OK    bool
		Error string
		TS    string
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&said))
	if said.OK {
		return "ok", said.TS
	}
	return said.Error, ""
}

func TestSlackRefusesWhatTheDocumentationRefuses(t *testing.T) {
	s := escalatetest.NewSlack(escalatetest.SlackOptions{})
	base := escalatetest.Serve(t, s)
	form := func(kv ...string) url.Values {
		f := url.Values{"token": {escalatetest.SlackToken}, "channel": {escalatetest.SlackChannel}}
		for i := 0; i < len(kv); i += 2 {
			f.Set(kv[i], kv[i+1])
		}
		return f
	}
	section := func(n int) string {
		return `{"type":"section","text":{"type":"mrkdwn","text":"` + strings.Repeat("x", n) + `"}}`
	}
	_, ts := call(t, base, "chat.postMessage", form("text", "parent"))
	require.NotEmpty(t, ts)
	for name, tc := range map[string]struct {
		method string
		form   url.Values
		want   string
	}{
		"a message":                         {"chat.postMessage", form("text", "x"), "ok"},
		"to the channel by name":            {"chat.postMessage", form("text", "x", "channel", "#incidents"), "ok"},
		"no token":                          {"chat.postMessage", form("text", "x", "token", ""), "not_authed"},
		"another token":                     {"chat.postMessage", form("text", "x", "token", "xoxb-1"), "invalid_auth"},
		"another channel":                   {"chat.postMessage", form("text", "x", "channel", "random"), "channel_not_found"},
		"nothing to say":                    {"chat.postMessage", form(), "no_text"},
		"an edit":                           {"chat.update", form("text", "x", "ts", ts), "ok"},
		"an edit by the channel's name":     {"chat.update", form("text", "x", "ts", ts, "channel", "incidents"), "channel_not_found"},
		"an edit of nothing":                {"chat.update", form("text", "x", "ts", "1.1"), "message_not_found"},
		"an edit over 4000 characters":      {"chat.update", form("text", strings.Repeat("x", 4001), "ts", ts), "msg_too_long"},
		"a message over 4000 characters":    {"chat.postMessage", form("text", strings.Repeat("x", 4001)), "ok"},
		"a message over 40000 characters":   {"chat.postMessage", form("text", strings.Repeat("x", 40_001)), "msg_too_long"},
		"blocks that are no JSON":           {"chat.postMessage", form("blocks", "x"), "invalid_blocks_format"},
		"a section of 3000":                 {"chat.postMessage", form("blocks", "["+section(3000)+"]"), "ok"},
		"a section of 3001":                 {"chat.postMessage", form("blocks", "["+section(3001)+"]"), "invalid_blocks"},
		"an empty section":                  {"chat.postMessage", form("blocks", "["+section(0)+"]"), "invalid_blocks"},
		"51 blocks":                         {"chat.postMessage", form("blocks", "["+strings.Repeat(section(1)+",", 50)+section(1)+"]"), "invalid_blocks"},
		"more than 13200 characters in all": {"chat.postMessage", form("blocks", "["+strings.Repeat(section(2900)+",", 4)+section(2900)+"]"), "msg_blocks_too_long"},
		"a header of 151":                   {"chat.postMessage", form("blocks", `[{"type":"header","text":{"type":"plain_text","text":"`+strings.Repeat("x", 151)+`"}}]`), "invalid_blocks"},
		"a header of 76 emoji (152 units)":  {"chat.postMessage", form("blocks", `[{"type":"header","text":{"type":"plain_text","text":"`+strings.Repeat("🔥", 76)+`"}}]`), "invalid_blocks"},
		"another method":                    {"chat.shout", form("text", "x"), "unknown_method"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := call(t, base, tc.method, tc.form)
			require.Equal(t, tc.want, got)
		})
	}
	t.Run("a reply to a deleted parent is posted un-threaded", func(t *testing.T) {
		s.Delete(ts)
		word, _ := call(t, base, "chat.postMessage", form("text", "reply", "thread_ts", ts))
		require.Equal(t, "ok", word)
		all := s.Messages()
		require.Empty(t, all[len(all)-1].ThreadTS)
	})
}

func TestSlackRateLimitPerChannel(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := escalatetest.NewSlack(escalatetest.SlackOptions{PerSecond: 1})
	s.SetClock(func() time.Time { return now })
	base := escalatetest.Serve(t, s)
	f := url.Values{"token": {escalatetest.SlackToken}, "channel": {escalatetest.SlackChannel}, "text": {"x"}}
	word, ts := call(t, base, "chat.postMessage", f)
	require.Equal(t, "ok", word)
	resp, err := http.PostForm(base+"/api/chat.postMessage", f)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 429, resp.StatusCode)
	require.Equal(t, "1", resp.Header.Get("Retry-After"))
	f.Set("ts", ts)
	word, _ = call(t, base, "chat.update", f)
	require.Equal(t, "ok", word, "edits have a limit of their own")
	now = now.Add(time.Second)
	word, _ = call(t, base, "chat.postMessage", f)
	require.Equal(t, "ok", word)
}

func TestSlackWebhookAnswersInWords(t *testing.T) {
	s := escalatetest.NewSlack(escalatetest.SlackOptions{})
	base := escalatetest.Serve(t, s)
	for _, tc := range []struct {
		path, body string
		status     int
		word       string
	}{
		{escalatetest.SlackHookPath, `{"text":"x"}`, 200, "ok"},
		{escalatetest.SlackHookPath, `{`, 400, "invalid_payload"},
		{escalatetest.SlackHookPath, `{}`, 400, "no_text"},
		{"/services/T0/B0/other", `{"text":"x"}`, 403, "invalid_token"},
	} {
		status, word := post(t, base+tc.path, tc.body)
		require.Equal(t, tc.status, status)
		require.Equal(t, tc.word, word)
	}
}
