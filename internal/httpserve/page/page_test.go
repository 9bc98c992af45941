package page

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/recoveryd/recoveryd/internal/engine"
	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// get returns the answer's body.
func get(t *testing.T, url string, code int) (string, http.Header) {
	t.Helper()
	r, err := http.Get(url)
	require.NoError(t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, code, r.StatusCode, "%s: %s", url, b)
	return string(b), r.Header
}

func TestTheOverviewSaysWhatIsWrongAndWhatComesNext(t *testing.T) {
	h, _, url := serve(t, hosttest.DatabaseDead)
	body, head := get(t, url, 200)
	require.Contains(t, head.Get("Content-Security-Policy"), "default-src 'none'")
	require.NotContains(t, head.Get("Content-Security-Policy"), "unsafe")
	for _, want := range []string{
		"1 open incident: postgres: database dead or frozen",
		"recoveryd will do nothing more by itself: everything it may try was tried",
		"start postgresql@15-main.service", "Two kinds of evidence agree (sql, workload)",
		"waits for postgres, which is treated in postgres-", "culprit, unhealthy", "cured by terminate-idle", "1h ago",
		`<noscript><meta http-equiv="refresh"`,
	} {
		require.Contains(t, body, want)
	}
	for _, name := range []string{"postgres", "codebase-mcp", "workflow-mcp", "task-mcp", "redis", "ollama"} {
		require.Contains(t, body, `id="t-`+name+`"`)
	}
	list, err := h.Incidents(t.Context(), true, 1)
	require.NoError(t, err)
	body, _ = get(t, url+"/incidents/"+list[0].ID, 200)
	for _, want := range []string{"ladder-ended", "holding back", "workflow-mcp: holding back", "<b>page</b>", "recoveryd explain " + list[0].ID, "took 0.8 s",
		"Row that decided", "Nearly decided", "<b>backoff applies</b>", "one-witness: no"} {
		require.Contains(t, body, want)
	}
	body, _ = get(t, url+"/incidents", 200)
	require.Equal(t, 4, strings.Count(body, `href="incidents/`), "every incident is listed")
}

func TestAQuietNightNeedsNoWords(t *testing.T) {
	_, _, url := serve(t, hosttest.Night)
	body, _ := get(t, url+"?span=24h", 200)
	require.Contains(t, body, "All 6 targets serve")
	require.NotContains(t, body, "<h2 id=\"open-h\">")
	require.NotContains(t, body, "<h2 id=\"holds-h\">")
	require.Contains(t, body, "24h ago")
}

func TestWhatAPersonSaidIsShown(t *testing.T) {
	h, _, url := serve(t, hosttest.Night)
	h.Say("", incident.Command{Verb: incident.CmdPause, By: "ann (uid 0)", Why: "moving the rack"})
	h.Say("redis", incident.Command{Verb: incident.CmdHold, By: "bob", Why: "upgrade", Until: h.Now().Add(time.Hour)})
	body, _ := get(t, url, 200)
	for _, want := range []string{"Everything is paused", "ann (uid 0): moving the rack", "Held back now", "held by bob: upgrade", "by a person"} {
		require.Contains(t, body, want)
	}
	h.Say("redis", incident.Command{Verb: incident.CmdHold, By: "bob", Until: h.Now().Add(-time.Minute)})
	h.Say("", incident.Command{Verb: incident.CmdResume, By: "ann"})
	body, _ = get(t, url, 200)
	require.NotContains(t, body, "held by bob", "a word that has run out is not shown as if it stood")
	require.NotContains(t, body, "Everything is paused")
}

func TestTroubleOfRecoverydItselfComesFirst(t *testing.T) {
	h, _, url := serve(t, hosttest.Night)
	h.Impair("the journal cannot be written: disk full")
	h.Stick(errors.New("the decision loop has not turned for 42s"))
	h.Warn("recoveryd.service keeps recoveryd from notifier pagerduty")
	body, _ := get(t, url, 200)
	require.Contains(t, body, `class="head bad"`, "it is not calm when the daemon is stuck, however well the targets looked")
	require.Contains(t, body, "recoveryd itself is stuck, what is shown may be old: the decision loop has not turned for 42s")
	require.Contains(t, body, "recoveryd.service keeps recoveryd from notifier pagerduty")
	require.Contains(t, body, "acts on nothing: the journal cannot be written: disk full")
}

func TestPeopleWhoCannotBeToldAreAMatterForThePage(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	require.Empty(t, tellingNotes(nil, now))
	require.Empty(t, tellingNotes(map[string]any{"channels": 5}, now))
	require.Equal(t, []note{
		{moodBad, "People cannot be told by slack: no answer for 5 min (2 notices wait)"},
		{moodWarn, "1 page waits for pagerduty since 02:50:00"},
		{moodWarn, "The outbound heartbeat is not sent: refused"},
	}, tellingNotes(map[string]any{"Channels": []map[string]any{
		{"Channel": "slack", "Trouble": "no answer for 5 min", "Queued": 2, "Pages": 2, "Oldest": now.Add(-5 * time.Minute)},
		{"Channel": "pagerduty", "Queued": 1, "Pages": 1, "Oldest": now.Add(-10 * time.Minute)},
		{"Channel": "hook", "Queued": 1, "Pages": 1, "Oldest": now.Add(-10 * time.Second)},
		{"Channel": "mail", "Queued": 3, "Pages": 0, "Oldest": now.Add(-time.Hour)},
	}, "Heartbeat": map[string]any{"trouble": "refused"}}, now))
}

// A service, a process table and a person may say anything; none of it may become markup.
func TestHostileTextsStayTexts(t *testing.T) {
	const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`
	h, _, url := serve(t, func(tb testing.TB, now time.Time, told func(incident.Record)) *hosttest.Host {
		h := hosttest.DatabaseDead(tb, now.Add(-30*time.Second), told)
		h.Facts["task-mcp"] = hosttest.With(hosttest.Serving("run-1"), detect.HealthStatus, evil, detect.HealthError, evil)
		h.Facts["redis"] = hosttest.With(hosttest.Answering("run-1"), detect.PlainOutcome, "error", detect.PlainError, evil)
		h.Run(30 * time.Second)
		return h
	})
	h.Say("redis", incident.Command{Verb: incident.CmdHold, By: evil, Why: evil})
	list, err := h.Incidents(t.Context(), false, 100)
	require.NoError(t, err)
	pages := []string{url, url + "/incidents", url + "/" + "%3Cscript%3Ealert(1)%3C/script%3E"}
	for _, i := range list {
		pages = append(pages, url+"/incidents/"+i.ID)
	}
	seen := 0
	for _, p := range pages {
		r, err := http.Get(p)
		require.NoError(t, err)
		b, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.NoError(t, r.Body.Close())
		require.NotContains(t, string(b), "<script>alert", p)
		require.NotContains(t, string(b), "<img", p)
		seen += strings.Count(string(b), "&lt;script&gt;")
	}
	require.Greater(t, seen, 2, "the hostile text is not on the pages at all: this test proves nothing")
}

func TestAWrongAddressLeadsBack(t *testing.T) {
	_, _, url := serve(t, hosttest.Night)
	body, _ := get(t, url+"/incidents/nothing", 404)
	require.Contains(t, body, "There is no such incident")
	require.Contains(t, body, `href="../"`)
	body, _ = get(t, url+"/a/b/c", 404)
	require.Contains(t, body, `href="../../static/page.css`)
	get(t, url+"/static/nothing.js", 404)
	r, err := http.Post(url+"/", "text/plain", strings.NewReader("x"))
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, r.StatusCode, "nothing can be changed here")
}

func TestNothingIsAskedOfAnyOtherHost(t *testing.T) {
	_, _, url := serve(t, hosttest.DatabaseDead)
	for _, p := range []string{"/", "/incidents", "/static/page.css", "/static/page.js", "/static/icon.svg"} {
		body, _ := get(t, url+p, 200)
		body = strings.ReplaceAll(body, `xmlns="http://www.w3.org/2000/svg"`, "")
		require.NotRegexp(t, `https?://|@import|url\(`, body, p)
		require.NotRegexp(t, `<[^>]* (style|on[a-z]+)=`, body, "%s: inline style or script, which the policy forbids", p)
	}
	body, _ := get(t, url, 200)
	for _, ref := range regexp.MustCompile(`(?:href|src)="(static/[^"]+)"`).FindAllStringSubmatch(body, -1) {
		_, head := get(t, url+"/"+ref[1], 200)
		require.Contains(t, head.Get("Cache-Control"), "immutable", ref[1])
		require.NotEmpty(t, head.Get("Content-Type"))
	}
}

// The page that woke somebody and the status page must not differ in their words.
func TestTheWordsForClassesAreThoseOfTheNotices(t *testing.T) {
	for _, c := range append(detect.BuiltinClasses(), "too-many-files") {
		n := engine.Renderer{Host: "db1"}.Render(incident.Notice{Kind: incident.NoticeTrigger}, incident.Incident{Target: "x", Class: c, Severity: detect.P1}, time.Now())
		require.Equal(t, n.Summary, titleOf(incident.Incident{Target: "x", Class: c}))
	}
}

func TestEveryPhaseAndVerdictHasItsWords(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range incident.Phases() {
		require.False(t, seen[phaseWords(p)], "two phases are called %q", phaseWords(p))
		seen[phaseWords(p)] = true
		require.NotEqual(t, moodUnknown, phaseMood(p), p.String())
	}
	for v, m := range map[detect.Verdict]mood{detect.Unknown: moodUnknown, detect.Healthy: moodOK, detect.Degraded: moodWarn, detect.Unhealthy: moodBad} {
		require.Equal(t, m, verdictMood(v))
	}
}

func TestAJournalThatCannotBeReadIsSaidAndTheRestIsShown(t *testing.T) {
	p, h := brokenJournal(t)
	v, _ := p.view(t.Context(), time.Now(), hourSpan)
	b, err := p.render("overview", v)
	require.NoError(t, err)
	require.Contains(t, string(b), "The journal cannot be read: database is locked")
	require.Contains(t, string(b), "1 open incident: postgres", "what is in memory needs no journal")
	require.Len(t, h.State().Incidents, 1)
}

func TestAgesDoNotSendARegionAgain(t *testing.T) {
	p, _ := brokenJournal(t)
	b := p.overviewBoard(hourSpan)
	now := time.Now()
	before, _, err := b(context.Background(), now)
	require.NoError(t, err)
	after, _, err := b(context.Background(), now.Add(3*time.Second))
	require.NoError(t, err)
	for i := range before {
		if before[i].id == "open" || before[i].id == "holds" || before[i].id == "head" {
			require.Equal(t, before[i].same(), after[i].same(), before[i].id)
		}
	}
}

// What is remembered of a drawing must never be older than what it shows.
func TestADrawingIsAsFreshAsAPage(t *testing.T) {
	policy, err := incident.NewPolicy(hosttest.Options(t))
	require.NoError(t, err)
	feed := live.New(live.Options{Target: policy.Target})
	h := hosttest.Night(t, time.Now(), feed.Decided)
	stalled := []string(nil)
	p, err := New(Options{Daemon: h, Feed: feed, Logger: zaptest.NewLogger(t), Stalled: func(time.Time) []string { return stalled }})
	require.NoError(t, err)
	b := p.overviewBoard(hourSpan)
	compare := func(what string) {
		t.Helper()
		now := h.Now()
		regions, _, err := b(t.Context(), now)
		require.NoError(t, err)
		g := p.glance(now)
		for _, x := range g.status.Targets {
			fresh, err := p.render("target", stamped{now.In(time.Local), p.target(x, g.state, hourSpan, g.stalled[x.Name], now.In(time.Local))})
			require.NoError(t, err)
			i := slices.IndexFunc(regions, func(r region) bool { return r.id == anchor(x.Name) })
			require.Equal(t, region{"", fresh}.same(), regions[i].same(), "%s: %s is shown as it was", what, x.Name)
		}
	}
	compare("at first")
	for range 40 {
		h.Run(3 * time.Second)
		compare("while time passes")
	}
	h.Say("redis", incident.Command{Verb: incident.CmdHold, By: "ann", Until: h.Now().Add(time.Minute)})
	compare("with a hold")
	h.Run(2 * time.Minute)
	compare("after the hold")
	stalled = []string{"ollama"}
	compare("when one is not looked at any more")
	h.Facts["postgres"] = hosttest.Dead("run-1")
	for range 20 {
		h.Run(2 * time.Second)
		compare("in an incident")
	}
}

// contrast is the WCAG ratio of two colours such as #1b211f.
func contrast(t *testing.T, a, b string) float64 {
	lum := func(c string) float64 {
		v, err := strconv.ParseUint(strings.TrimPrefix(c, "#"), 16, 32)
		require.NoError(t, err, c)
		part := func(x uint64) float64 {
			f := float64(x&0xff) / 255
			if f <= 0.04045 {
				return f / 12.92
			}
			return math.Pow((f+0.055)/1.055, 2.4)
		}
		return 0.2126*part(v>>16) + 0.7152*part(v>>8) + 0.0722*part(v)
	}
	x, y := lum(a), lum(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func TestColoursCanBeRead(t *testing.T) {
	css, err := os.ReadFile("static/page.css")
	require.NoError(t, err)
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(string(css), -1)
	require.Len(t, blocks, 2, "light and dark")
	for scheme, block := range blocks {
		c := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`).FindAllStringSubmatch(block[1], -1) {
			c[m[1]] = m[2]
		}
		require.Len(t, c, 18)
		check := func(text, ground string, least float64) {
			t.Helper()
			r := contrast(t, c[text], c[ground])
			require.GreaterOrEqual(t, r, least, fmt.Sprintf("scheme %d: %s on %s", scheme, text, ground))
		}
		for _, ground := range []string{"ground", "sheet"} {
			for _, text := range []string{"text", "muted", "accent", "ok", "warn", "bad", "unknown"} {
				check(text, ground, 4.5) // WCAG AA for text
			}
		}
		for _, m := range []string{"ok", "warn", "bad", "unknown"} {
			check("text", m+"-soft", 4.5)
			check("muted", m+"-soft", 4.5)
			check(m, m+"-soft", 4.5)
		}
		for _, m := range []string{"bad-fill", "warn-fill"} {
			check(m, "sheet", 2) // shapes; their heights and titles say the same
		}
	}
}
