package notice_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

func messages(t testing.TB, tpl notice.Templates) *notice.Messages {
	t.Helper()
	m, err := notice.NewMessages(tpl)
	require.NoError(t, err)
	return m
}

var night = time.Date(2026, 11, 22, 3, 12, 5, 0, time.UTC)

func TestAMessageWorthWakingUpFor(t *testing.T) {
	n := notice.Sample(notice.Trigger, "inc-7", "web-1", night)
	n.Test, n.Link, n.Tier = false, "https://recoveryd.example/incidents/inc-7", 1
	n.To, n.With, n.Because = []string{"secondary: bob"}, []string{"chat"}, "P1 unresolved for 15m"
	require.Equal(t, `Problem: codebase-mcp is down: no process serves port 8000

What:     codebase-mcp, down, on web-1 (P1)
Status:   Identified
Since:    2026-11-22 03:08:05 UTC (4m ago)
Affected: codebase-mcp, workflow-mcp (needs it)

Evidence:
- unit codebase-mcp.service failed with exit code 1, 3 times in 4 minutes
- connection to 127.0.0.1:8000 refused

Tried:
- 03:09 UTC restart codebase-mcp.service: done, down again after 20 s
- 03:11 UTC restart codebase-mcp.service: done, down again after 15 s

Next: no further restart: two did not help and the budget of this hour is used up

Runbook: recoveryd runbook down

Look further:
  recoveryd ack inc-7 --by YOUR-NAME --for 1h
  recoveryd explain inc-7
  journalctl -u codebase-mcp.service -n 100

Incident: inc-7, tier 1
Told:     secondary: bob; besides chat
Why now:  P1 unresolved for 15m
Page:     https://recoveryd.example/incidents/inc-7
`, messages(t, notice.Templates{}).Text(n))
}

func TestTitles(t *testing.T) {
	m := messages(t, notice.Templates{})
	for _, tc := range []struct {
		name string
		kind notice.Kind
		test bool
		want string
	}{
		{"a trigger says what is wrong and where", notice.Trigger, false, "[P1] Problem: codebase-mcp is down: no process serves port 8000 (web-1)"},
		{"a resolve says so first", notice.Resolve, false, "[P1] Resolved: codebase-mcp is down: no process serves port 8000 (web-1)"},
		{"a cure is done", notice.Change, false, "[P4] Done: restarted codebase-mcp after a crash; verified healthy (web-1)"},
		{"a test is marked before all else", notice.Trigger, true, "[TEST] [P1] Problem: codebase-mcp is down: no process serves port 8000 (web-1)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := notice.Sample(tc.kind, "inc-7", "web-1", night)
			n.Test = tc.test
			require.Equal(t, tc.want, m.Title(n))
		})
	}
}

func TestWrongTemplatesAreFoundAtLoad(t *testing.T) {
	_, err := notice.NewMessages(notice.Templates{
		Title: "{{.Sumary}}",                 // no such field
		Text:  "{{if .Test}}",                // not closed
		Step:  "{{(index .Evidence 0)}} now", // fails for a notice without evidence
	})
	require.ErrorContains(t, err, "templates.title")
	require.ErrorContains(t, err, "templates.text")
	require.ErrorContains(t, err, "templates.step")
}

func TestATemplateThatFailsLaterStillSaysTheMainThing(t *testing.T) {
	m := messages(t, notice.Templates{Text: `{{if gt (len .Affected) 5}}{{index .Affected 99}}{{end}}fine`})
	n := notice.Sample(notice.Trigger, "inc-7", "web-1", night)
	require.Equal(t, "[TEST] fine\n", m.Text(n))
	n.Affected = make([]string, 6)
	got := m.Text(n)
	require.Contains(t, got, "codebase-mcp down on web-1, incident inc-7")
	require.Contains(t, got, "recoveryd notify preview")
}

func TestATemplateWithoutEndIsCut(t *testing.T) {
	n := notice.Sample(notice.Trigger, "inc-7", "web-1", night)
	n.Summary = strings.Repeat("x", 1<<20)
	got := messages(t, notice.Templates{Text: "{{range .Evidence}}{{$.Summary}}{{end}}"}).Text(n)
	require.Less(t, len(got), 200<<10)
	require.Contains(t, got, "[cut:")
}

func TestAge(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"": 0, "1s": time.Millisecond, "45s": 45 * time.Second, "14m": 14*time.Minute + 50*time.Second,
		"2h": 2 * time.Hour, "2h5m": 2*time.Hour + 5*time.Minute, "3d4h": 76 * time.Hour, "1d": 24 * time.Hour,
	} {
		require.Equal(t, want, notice.Age(night, night.Add(d)))
	}
	require.Empty(t, notice.Age(night, night.Add(-time.Hour)), "a clock that was set back has no age")
	require.Empty(t, notice.Age(time.Time{}, night))
}

// FuzzTemplates lets any text be a template and any text be the notice: NewMessages refuses or
// the messages render, printable, bounded and not empty.
func FuzzTemplates(f *testing.F) {
	f.Add(notice.DefaultText, "summary")
	f.Add(notice.DefaultText, "\xff\x00\x1b[2J")
	f.Add(notice.DefaultStep, "\xff\x00")
	f.Add("{{range .Tried}}{{clock .At}}{{end}}", "")
	f.Add(`{{printf "%s" .Tried}}{{template "x"}}`, "x")
	f.Add(`{{with last .Tried}}{{age .At}}{{end}}{{join .Affected ","}}`, "x")
	f.Fuzz(func(t *testing.T, source, text string) {
		if strings.Contains(source, "define") || strings.Contains(source, "block") || strings.Contains(source, "template") {
			return // a template that calls itself is stopped by text/template, after a long time
		}
		m, err := notice.NewMessages(notice.Templates{Title: source, Text: source, Step: source})
		if err != nil {
			return
		}
		n := notice.Sample(notice.Trigger, text, text, night)
		n.Summary, n.Evidence, n.Affected = text, []string{text}, nil
		for _, s := range []string{m.Title(n), m.Text(n), m.Step(n)} {
			require.NotEmpty(t, s)
			require.True(t, utf8.ValidString(s))
			require.Less(t, len(s), 600<<10)
			require.NotContains(t, strings.ReplaceAll(strings.ReplaceAll(s, "\n", ""), "\t", ""), "\x1b")
		}
		require.False(t, strings.ContainsFunc(m.Title(n), unicode.IsControl), "a title is one line")
	})
}

func ExampleMessages_Step() {
	m, _ := notice.NewMessages(notice.Templates{})
	fmt.Println(m.Step(notice.Sample(notice.Update, "inc-7", "web-1", night)))
	// Output: [TEST] 03:12 UTC Update (Monitoring): restart codebase-mcp.service: done, down again after 15 s. watching for 2 minutes before this is called resolved
}

func TestATestAndADrillAreMarkedWhateverATemplateSays(t *testing.T) {
	m, err := notice.NewMessages(notice.Templates{Title: "PAGE {{.Target}}", Text: "{{.Target}} is down", Step: "{{.Status}}"})
	require.NoError(t, err)
	plain, err := notice.NewMessages(notice.Templates{})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		n    notice.Notice
		mark string
	}{
		"a test":  {notice.Sample(notice.Trigger, "i", "h", time.Now()), "[TEST]"},
		"a drill": {notice.Notice{Kind: notice.Trigger, Target: "svc", Status: notice.Identified, Drill: "d1"}, "[DRILL]"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, x := range []*notice.Messages{m, plain} {
				for _, s := range []string{x.Title(c.n), x.Text(c.n), x.Step(c.n)} {
					require.True(t, strings.HasPrefix(s, c.mark), s)
					require.Equal(t, 1, strings.Count(s, c.mark), s)
				}
			}
		})
	}
	real := notice.Notice{Kind: notice.Trigger, Target: "svc", Drill: "d1", Real: true}
	require.Equal(t, "PAGE svc", m.Title(real), "what outlived its drill is no drill")
}
