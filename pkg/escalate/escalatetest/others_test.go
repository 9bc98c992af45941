package escalatetest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
)

func TestStatuspageRefusesWhatTheDocumentationRefuses(t *testing.T) {
	s := escalatetest.NewStatuspage(escalatetest.StatuspageOptions{})
	base := escalatetest.Serve(t, s) + "/v1/pages/" + escalatetest.StatuspageID + "/incidents"
	do := func(method, url, key, body string) int {
		t.Helper()
		req, err := http.NewRequest(method, url, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Authorization", key)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	key := "OAuth " + escalatetest.StatuspageKey
	for name, tc := range map[string]struct {
		method, path, key, body string
		want                    int
	}{
		"a create":                 {"POST", "", key, `{"incident":{"name":"x","status":"investigating","metadata":{"a":{"b":"c"}}}}`, 201},
		"a bearer token":           {"POST", "", "Bearer " + escalatetest.StatuspageKey, `{"incident":{"name":"x"}}`, 401},
		"another page":             {"POST", "x", key, `{"incident":{"name":"x"}}`, 404},
		"no name":                  {"POST", "", key, `{"incident":{"status":"investigating"}}`, 422},
		"no incident":              {"POST", "", key, `{"name":"x"}`, 422},
		"a status of maintenance":  {"POST", "", key, `{"incident":{"name":"x","status":"down"}}`, 422},
		"another impact":           {"POST", "", key, `{"incident":{"name":"x","impact_override":"huge"}}`, 422},
		"metadata of plain values": {"POST", "", key, `{"incident":{"name":"x","metadata":{"key":"inc"}}}`, 422},
		"a name of 256":            {"POST", "", key, `{"incident":{"name":"` + strings.Repeat("x", 256) + `"}}`, 422},
		"a component of nobody":    {"POST", "", key, `{"incident":{"name":"x","components":{"c":"operational"}}}`, 422},
		"an edit of nothing":       {"PATCH", "/nope", key, `{"incident":{"status":"resolved"}}`, 404},
		"a PUT":                    {"PUT", "", key, `{}`, 404},
		"the open ones":            {"GET", "/unresolved", key, "", 200},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, do(tc.method, base+tc.path, tc.key, tc.body))
		})
	}
	t.Run("an edit changes only what it names", func(t *testing.T) {
		id := s.Incidents()[0].ID
		require.Equal(t, 200, do("PATCH", base+"/"+id, key, `{"incident":{"status":"resolved"}}`))
		require.Equal(t, "x", s.Incidents()[0].Name)
		require.Equal(t, "resolved", s.Incidents()[0].Status)
	})
	t.Run("creating is not idempotent", func(t *testing.T) {
		before := len(s.Incidents())
		for range 2 {
			require.Equal(t, 201, do("POST", base, key, `{"incident":{"name":"same"}}`))
		}
		require.Len(t, s.Incidents(), before+2)
	})
}

func TestStatuspageRateLimit(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := escalatetest.NewStatuspage(escalatetest.StatuspageOptions{PerMinute: 2})
	s.SetClock(func() time.Time { return now })
	url := escalatetest.Serve(t, s) + "/v1/pages/" + escalatetest.StatuspageID + "/incidents/unresolved"
	var got []int
	for range 4 {
		req, err := http.NewRequest(http.MethodGet, url, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "OAuth "+escalatetest.StatuspageKey)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		got = append(got, resp.StatusCode)
		now = now.Add(25 * time.Second)
	}
	require.Equal(t, []int{200, 200, 420, 200}, got)
}

func TestAlertmanagerRefusesWhatTheAPIRefuses(t *testing.T) {
	a := escalatetest.NewAlertmanager(escalatetest.AlertmanagerOptions{})
	url := escalatetest.Serve(t, a) + "/api/v2/alerts"
	for name, tc := range map[string]struct {
		body string
		want int
	}{
		"an alert":                  {`[{"labels":{"alertname":"a"}}]`, 200},
		"nothing":                   {`[]`, 200},
		"one that is no list":       {`{"labels":{"alertname":"a"}}`, 400},
		"no labels":                 {`[{"labels":{}}]`, 400},
		"only an empty label":       {`[{"labels":{"a":""}}]`, 400},
		"a label with a hyphen":     {`[{"labels":{"a-b":"c"}}]`, 400},
		"an end before the start":   {`[{"labels":{"a":"b"},"startsAt":"2026-11-22T03:00:00Z","endsAt":"2026-11-22T02:00:00Z"}]`, 400},
		"a time that is none":       {`[{"labels":{"a":"b"},"startsAt":"today"}]`, 400},
		"a generator that is none":  {`[{"labels":{"a":"b"},"generatorURL":"x"}]`, 422},
		"an annotation with a name": {`[{"labels":{"a":"b"},"annotations":{"x y":"z"}}]`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			status, _ := post(t, url, tc.body)
			require.Equal(t, tc.want, status)
		})
	}
	require.Len(t, a.Firing(time.Now()), 1)
	require.Empty(t, a.Firing(time.Now().Add(6*time.Minute)), "without an end an alert lives for the resolve timeout")
	// A start that is missing is the end, when there is one.
	status, _ := post(t, url, fmt.Sprintf(`[{"labels":{"alertname":"a"},"endsAt":%q}]`, time.Now().UTC().Format(time.RFC3339Nano)))
	require.Equal(t, 200, status)
	require.Empty(t, a.Firing(time.Now()))
}

func TestWebhookRefusesWhatIsNotSigned(t *testing.T) {
	w := escalatetest.NewWebhook(escalatetest.WebhookOptions{})
	url := escalatetest.Serve(t, w)
	status, why := post(t, url, "{}")
	require.Equal(t, 401, status)
	require.Equal(t, "no timestamp", why)
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader("{}"))
	require.NoError(t, err)
	req.Header.Set("X-Recoveryd-Timestamp", fmt.Sprint(time.Now().Unix()))
	req.Header.Set("X-Recoveryd-Signature", "v1=00")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "signature does not match", string(b))
}

func TestSMTPWantsTheOrderOfTheProtocol(t *testing.T) {
	s, err := escalatetest.NewSMTP(escalatetest.SMTPOptions{Auth: true})
	require.NoError(t, err)
	conn, err := net.Dial("tcp", escalatetest.ServeSMTP(t, s))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	in := bufio.NewReader(conn)
	for _, step := range []struct{ say, want string }{
		{"", "220"},
		{"MAIL FROM:<a@b.c>", "530"}, // no login
		{"EHLO me", "250"},
		{"AUTH PLAIN AHgAeQ==", "535"},
		{"AUTH PLAIN AHJlY292ZXJ5ZABzbXRwLWZha2UtcGFzc3cwcmQ=", "235"},
		{"RCPT TO:<a@b.c>", "503"},
		{"MAIL FROM:<a>", "501"},
		{"MAIL FROM:<a@b.c> SIZE=100", "250"},
		{"MAIL FROM:<a@b.c>", "503"},
		{"DATA", "503"},
		{"RCPT TO:<x>", "501"},
		{"RCPT TO:<x@y.z>", "250"},
		{"DATA", "354"},
		{"Subject: no date\r\n\r\nhello\r\n.", "550"},
		{"STARTTLS", "502"},
		{"DATA", "354"},
		{"From: a@b.c\r\nDate: now\r\nMessage-ID: <1@b.c>\r\nSubject: a\r\n b\r\n\r\n..dot\r\n.", "250"},
		{"QUIT", "221"},
	} {
		if step.say != "" {
			_, err := io.WriteString(conn, step.say+"\r\n")
			require.NoError(t, err)
		}
		for {
			line, err := in.ReadString('\n')
			require.NoError(t, err, step.say)
			require.True(t, strings.HasPrefix(line, step.want), "%s: %s", step.say, line)
			if len(line) > 3 && line[3] == ' ' {
				break
			}
		}
	}
	m := s.Mails()
	require.Len(t, m, 1)
	require.Equal(t, "a b", m[0].Header("Subject"))
	require.Contains(t, m[0].Data, "\n.dot\n")
	require.Equal(t, []string{"x@y.z"}, m[0].To)
}
