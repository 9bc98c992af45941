package escalatetest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
)

func post(t testing.TB, url, body string) (status int, reply string) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

// pd writes an event with some fields replaced.
func pd(change map[string]any, payload map[string]any) string {
	e := map[string]any{"routing_key": escalatetest.PagerDutyKey, "event_action": "trigger", "dedup_key": "k"}
	p := map[string]any{"summary": "s", "source": "h", "severity": "error"}
	for k, v := range payload {
		p[k] = v
	}
	e["payload"] = p
	for k, v := range change {
		e[k] = v
	}
	b, _ := json.Marshal(e)
	return string(b)
}

func TestPagerDutyRefusesWhatTheDocumentationRefuses(t *testing.T) {
	p := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{Keys: []string{escalatetest.PagerDutyKey}})
	url := escalatetest.Serve(t, p) + "/v2/enqueue"
	type m = map[string]any
	for name, tc := range map[string]struct {
		body   string
		status int
		why    string
	}{
		"a good event":                  {pd(nil, nil), 202, "opened"},
		"no JSON":                       {"{", 400, "JSON"},
		"no routing key":                {pd(m{"routing_key": ""}, nil), 400, "routing_key"},
		"a routing key of 31":           {pd(m{"routing_key": strings.Repeat("a", 31)}, nil), 400, "routing_key"},
		"a routing key of nobody":       {pd(m{"routing_key": strings.Repeat("b", 32)}, nil), 400, "Invalid routing key"},
		"another action":                {pd(m{"event_action": "open"}, nil), 400, "event_action"},
		"no payload":                    {pd(m{"payload": nil}, nil), 400, "payload"},
		"no summary":                    {pd(nil, m{"summary": ""}), 400, "summary"},
		"a summary of 1025":             {pd(nil, m{"summary": strings.Repeat("é", 1025)}), 400, "1025"},
		"a summary of 1024":             {pd(m{"dedup_key": "1024"}, m{"summary": strings.Repeat("é", 1024)}), 202, "opened"},
		"no source":                     {pd(nil, m{"source": ""}), 400, "source"},
		"another severity":              {pd(nil, m{"severity": "fatal"}), 400, "severity"},
		"a date that is none":           {pd(nil, m{"timestamp": "yesterday"}), 400, "timestamp"},
		"details that are no object":    {pd(nil, m{"custom_details": "text"}), 400, "JSON"},
		"a dedup key of 256":            {pd(m{"dedup_key": strings.Repeat("k", 256)}, nil), 400, "dedup_key"},
		"a resolve without a dedup key": {pd(m{"event_action": "resolve", "dedup_key": ""}, nil), 400, "dedup_key"},
		"a body over 512 KB":            {pd(nil, m{"custom_details": m{"x": strings.Repeat("x", 512<<10)}}), 413, "512 KB"},
		"an image without https":        {pd(m{"images": []m{{"src": "http://x/y.png"}}}, nil), 400, "images.src"},
		"a link that is none":           {pd(m{"links": []m{{"href": "x"}}}, nil), 400, "links.href"},
	} {
		t.Run(name, func(t *testing.T) {
			status, _ := post(t, url, tc.body)
			require.Equal(t, tc.status, status)
			all := p.Entries()
			last := all[len(all)-1]
			require.Contains(t, last.Why, tc.why)
			require.Equal(t, status == 202, last.Verdict == escalatetest.Accepted)
		})
	}
}

func TestPagerDutyDedupSemantics(t *testing.T) {
	p := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{})
	url := escalatetest.Serve(t, p) + "/v2/enqueue"
	other := strings.Repeat("c", 32)
	step := func(want string, change map[string]any) {
		t.Helper()
		status, _ := post(t, url, pd(change, nil))
		require.Equal(t, 202, status, "PagerDuty says yes to all of these")
		all := p.Entries()
		e := all[len(all)-1]
		require.Equal(t, want, fmt.Sprintf("%s, %s, pages=%v", e.Verdict, e.Why, e.Pages))
	}
	resolve, ack := map[string]any{"event_action": "resolve"}, map[string]any{"event_action": "acknowledge"}
	step("dropped, resolve without an open alert under this routing key, pages=false", resolve)
	step("accepted, opened, pages=true", nil)
	step("accepted, deduplicated: already open, pages=false", nil)
	step("dropped, resolve without an open alert under this routing key, pages=false", map[string]any{"event_action": "resolve", "routing_key": other})
	step("accepted, acknowledged, pages=false", ack)
	step("accepted, deduplicated: acknowledged, nobody is notified, pages=false", nil)
	step("accepted, resolved, pages=false", resolve)
	step("dropped, acknowledge without an open alert under this routing key, pages=false", ack)
	step("accepted, opened, pages=true", nil)
	require.Equal(t, []escalatetest.Alert{{
		RoutingKey: escalatetest.PagerDutyKey, DedupKey: "k", Status: "triggered", Summary: "s", Severity: "error", Triggers: 4, Opened: 2,
	}}, p.Alerts())
}

func TestPagerDutyRateLimitSlides(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	p := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{PerMinute: 120})
	p.SetClock(func() time.Time { return now })
	url := escalatetest.Serve(t, p) + "/v2/enqueue"
	for i := range 120 {
		status, _ := post(t, url, pd(map[string]any{"dedup_key": fmt.Sprint(i)}, nil))
		require.Equal(t, 202, status)
		now = now.Add(100 * time.Millisecond)
	}
	status, _ := post(t, url, pd(nil, nil))
	require.Equal(t, 429, status)
	now = now.Add(48*time.Second + 100*time.Millisecond)
	status, _ = post(t, url, pd(nil, nil))
	require.Equal(t, 202, status, "the first of the minute has left the window")
}

func TestControl(t *testing.T) {
	p := escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{})
	url := escalatetest.Serve(t, p)
	status, _ := post(t, url+"/__fault", `{"mode":"rate-limit","retry_after":"9","count":1}`)
	require.Equal(t, 204, status)
	resp, err := http.Post(url+"/v2/enqueue", "application/json", strings.NewReader(pd(nil, nil)))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 429, resp.StatusCode)
	require.Equal(t, "9", resp.Header.Get("Retry-After"))
	status, _ = post(t, url+"/v2/enqueue", pd(nil, nil))
	require.Equal(t, 202, status, "the fault was for one request")

	for _, bad := range []string{`{"mode":"explode"}`, `{"mode":"status"}`, `{"mood":"down"}`, `x`} {
		status, _ = post(t, url+"/__fault", bad)
		require.Equal(t, 400, status, bad)
	}
	status, _ = post(t, url+"/__fault", `{"vendor":"slack","mode":"down"}`)
	require.Equal(t, 404, status)

	resp, err = http.Get(url + "/__log")
	require.NoError(t, err)
	defer resp.Body.Close()
	var got []escalatetest.Entry
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&got))
	require.Len(t, got, 2)
	require.Equal(t, escalatetest.Rejected, got[0].Verdict)
	require.Equal(t, "opened", got[1].Why)
}
