package page

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// told is a story of hosttest.
type told func(testing.TB, time.Time, func(incident.Record)) *hosttest.Host

// serve tells a story up to now and serves its page.
func serve(t testing.TB, story told) (*hosttest.Host, *live.Feed, string) {
	t.Helper()
	var h *hosttest.Host
	o := hosttest.Options(t)
	p, err := incident.NewPolicy(o)
	require.NoError(t, err)
	feed := live.New(live.Options{Target: p.Target})
	h = story(t, time.Now(), feed.Decided)
	page, err := New(Options{Daemon: h, Feed: feed, Host: func() string { return "db1" }, Logger: zaptest.NewLogger(t)})
	require.NoError(t, err)
	m := http.NewServeMux()
	m.Handle("GET /", page)
	srv := httptest.NewServer(m)
	t.Cleanup(func() { feed.Close(); srv.Close() })
	return h, feed, srv.URL
}

// everything is a bad day: an open incident, words of people, and trouble of recoveryd itself.
func everything(tb testing.TB, now time.Time, told func(incident.Record)) *hosttest.Host {
	h := hosttest.DatabaseDead(tb, now.Add(-5*time.Second), told)
	h.Say("", incident.Command{Verb: incident.CmdPause, By: "ann (uid 1000)", Why: "the rack is being moved", Until: now.Add(time.Hour)})
	h.Say("redis", incident.Command{Verb: incident.CmdHold, By: "bob (uid 1001)", Why: "upgrade"})
	h.Facts["task-mcp"] = hosttest.With(hosttest.Serving("run-1"), detect.HTTPLatency, 4.2, detect.MemoryCurrent, 1001<<20)
	h.Facts["ollama"] = nil // nothing could be measured
	h.Impair("the journal cannot be written: disk full")
	h.Stick(errors.New("the decision loop has not turned for 42s"))
	h.Run(5 * time.Second)
	return h
}

// browser starts Debian's Chromium, or skips and says so.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("SKIPPED, THE STATUS PAGE IS NOT TESTED IN A BROWSER: chromium is not installed (apt-get install chromium)")
	}
	dir := t.TempDir()
	opts := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU}
	for _, f := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-extensions",
		"disable-dev-shm-usage", "hide-scrollbars", "mute-audio"} {
		opts = append(opts, chromedp.Flag(f, true))
	}
	alloc, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewContext(alloc)
	t.Cleanup(stop)
	require.NoError(t, chromedp.Do(ctx), "chromium does not start")
	return ctx
}

// screen is a size and a colour scheme.
type screen struct {
	name          string
	width, height int64
	dark          bool
}

var screens = []screen{{"phone-light", 390, 844, false}, {"phone-dark", 390, 844, true}, {"desktop-light", 1200, 900, false}, {"desktop-dark", 1200, 900, true}}

// show opens an address on that screen and waits for an element.
func (s screen) show(ctx context.Context, t *testing.T, url, wait string) {
	t.Helper()
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(s.width, s.height), chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS(wait))))
}

// shoot writes a picture of the whole page into $RECOVERYD_SHOTS, when that is set.
func shoot(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("RECOVERYD_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}

// find evaluates an expression on the page.
func find[T any](ctx context.Context, t *testing.T, js string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js))
	require.NoError(t, err, js)
	return v
}

// await waits until an expression is true.
func await(ctx context.Context, t *testing.T, js string) {
	t.Helper()
	_, err := chromedp.Run(ctx, chromedp.Poll[bool](js, chromedp.WithPollingTimeout(20*time.Second)))
	require.NoError(t, err, js)
}

// complaints collects what the browser says against the page: errors of the script, refusals of
// the content security policy, files that are not there.
func complaints(ctx context.Context) func() []string {
	ctx, cancel := context.WithCancel(ctx)
	messages := chromedp.Console(ctx)
	var out []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m, err := range messages {
			if err != nil {
				return
			}
			out = append(out, m.String())
		}
	}()
	return func() []string { cancel(); <-done; return out }
}

func TestInABrowserOnEveryScreen(t *testing.T) {
	ctx := browser(t)
	against := complaints(ctx)
	for _, story := range []struct {
		name string
		tell told
	}{{"night", hosttest.Night}, {"database", hosttest.DatabaseDead}, {"everything", everything}} {
		h, _, url := serve(t, story.tell)
		list, err := h.Incidents(ctx, false, 1)
		require.NoError(t, err)
		for _, s := range screens {
			for name, p := range map[string]struct{ path, wait string }{
				"overview": {"/", `#link[data-state="live"]`}, "incident": {"/incidents/" + list[0].ID, "#detail"}, "incidents": {"/incidents", "table.past"},
				"lost": {"/nothing", "main"},
			} {
				if story.name != "night" && (name == "incidents" || name == "lost") {
					continue // as in the first story
				}
				s.show(ctx, t, url+p.path, p.wait)
				at := story.name + "-" + name + "-" + s.name
				find[int](ctx, t, `document.querySelectorAll("details").forEach((d, n) => { d.open = n < 3 }), 0`)
				require.False(t, find[bool](ctx, t, `document.documentElement.scrollWidth > innerWidth`), "%s is wider than the screen", at)
				require.Empty(t, find[[]string](ctx, t, namelessJS), "%s: controls, pictures and landmarks without a name", at)
				require.Empty(t, find[[]string](ctx, t, smallJS), "%s: letters too small to read", at)
				require.Empty(t, axe(ctx, t), "%s: against the rules of accessibility", at)
				ground := find[string](ctx, t, `getComputedStyle(document.body).backgroundColor`)
				require.Equal(t, s.dark, ground == "rgb(18, 22, 21)", "%s: %s", at, ground)
				shoot(ctx, t, at)
			}
		}
	}
	require.Empty(t, withoutLost(against()))
}

func TestInABrowserThePicturesOfTheDocs(t *testing.T) {
	picturesOfTheDocs(browser(t), t, cmp.Or(os.Getenv("RECOVERYD_SHOTS"), t.TempDir()))
}

// namelessJS lists what a screen reader could not name, headings that leave out a level, and ids
// that are used twice.
const namelessJS = `(() => {
  const bad = [];
  const named = (e) => (e.getAttribute("aria-label") || e.textContent || "").trim() ||
    (e.getAttribute("aria-labelledby") || "").split(" ").some((id) => id && document.getElementById(id));
  for (const e of document.querySelectorAll("a[href], svg[role], section:not([hidden]), nav, [role=group], [tabindex='0']"))
    if (!named(e)) bad.push(e.outerHTML.slice(0, 90));
  for (const e of document.querySelectorAll("svg:not([role])"))
    if (e.getAttribute("aria-hidden") !== "true") bad.push("svg: " + e.outerHTML.slice(0, 90));
  let level = 0;
  for (const e of document.querySelectorAll("h1,h2,h3,h4")) {
    const l = Number(e.tagName[1]);
    if (l > level + 1) bad.push("heading: " + e.textContent);
    level = l;
  }
  for (const q of ["main", "header", "footer", "h1"])
    if (document.querySelectorAll(q).length !== 1) bad.push("not one " + q);
  const ids = new Set();
  for (const e of document.querySelectorAll("[id]")) { if (ids.has(e.id)) bad.push("id twice: " + e.id); ids.add(e.id); }
  for (const e of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
    for (const id of ((e.getAttribute("aria-labelledby") || "") + " " + (e.getAttribute("aria-describedby") || "")).split(" "))
      if (id && !ids.has(id) && !e.hidden) bad.push("no element " + id);
  return bad;
})()`

const smallJS = `[...document.querySelectorAll("main *")].filter((e) => e.children.length === 0 && e.textContent.trim() && !e.closest("svg") && !e.closest(".unseen"))
  .filter((e) => parseFloat(getComputedStyle(e).fontSize) < 11.5).map((e) => e.textContent)`

// withoutLost leaves out what the browser says of the address that is wrong on purpose.
func withoutLost(list []string) (out []string) {
	for _, m := range list {
		if !strings.Contains(m, "404") {
			out = append(out, m)
		}
	}
	return out
}

func TestInABrowserThePageIsLive(t *testing.T) {
	ctx := browser(t)
	against := complaints(ctx)
	h, _, url := serve(t, hosttest.Night)
	screens[2].show(ctx, t, url, `#link[data-state="live"]`)
	require.Contains(t, find[string](ctx, t, `document.title`), "All 6 targets serve")
	find[bool](ctx, t, `(() => { document.querySelector("#past a").focus(); return true })()`)
	href := find[string](ctx, t, `document.activeElement.href`)

	h.Facts["workflow-mcp"] = hosttest.Crashed("run-2")
	h.Do = func(strategy.Action) incident.Result { return incident.ResultFailed }
	h.Run(30 * time.Second)
	await(ctx, t, `document.querySelector("#open h3 a")?.textContent === "workflow-mcp: down"`)
	await(ctx, t, `document.title.startsWith("1 open incident: workflow-mcp: down")`)
	require.Contains(t, find[string](ctx, t, `document.querySelector("#t-workflow-mcp").textContent`), "unhealthy")
	require.Contains(t, find[string](ctx, t, `document.getElementById("said").textContent`), "workflow-mcp: left to people.", "a screen reader is told")
	require.Equal(t, "polite", find[string](ctx, t, `document.getElementById("said").getAttribute("aria-live")`))
	require.Equal(t, href, find[string](ctx, t, `document.activeElement.href`), "the focus was lost although the list was replaced below it")
	require.True(t, find[bool](ctx, t, `document.querySelector("#past tbody").rows.length === 4`))

	// What somebody is selecting is not taken away under the pointer.
	find[bool](ctx, t, `(() => { const r = document.createRange(); r.selectNodeContents(document.querySelector("#open dd")); getSelection().addRange(r); return true })()`)
	h.Facts["workflow-mcp"] = hosttest.Serving("run-3")
	h.Run(30 * time.Second)
	await(ctx, t, `document.querySelector("#t-workflow-mcp").textContent.includes("healthy")`)
	require.True(t, find[bool](ctx, t, `document.querySelector("#open .tag").textContent !== "recovered, on probation" && getSelection().toString().length > 10`))
	find[bool](ctx, t, `(() => { getSelection().removeAllRanges(); return true })()`)
	await(ctx, t, `document.querySelector("#open .tag").textContent === "recovered, on probation"`)

	screens[0].show(ctx, t, url+"/incidents/"+only(t, h), "#detail")
	before := find[int](ctx, t, `document.querySelectorAll(".moments li").length`)
	find[bool](ctx, t, `(() => { document.querySelector("#detail summary").click(); return true })()`) // at once: an update may replace it
	h.Run(3 * time.Minute)
	await(ctx, t, `document.querySelector("#detail .tag").textContent === "over"`)
	require.Greater(t, find[int](ctx, t, `document.querySelectorAll(".moments li").length`), before)
	require.True(t, find[bool](ctx, t, `document.querySelector("#detail details").open`), "what was opened was closed by an update")
	require.Empty(t, against())
}

// only returns the id of the one open incident.
func only(t *testing.T, h *hosttest.Host) string {
	t.Helper()
	list, err := h.Incidents(t.Context(), true, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	return list[0].ID
}

func TestInABrowserALostConnectionIsSaid(t *testing.T) {
	ctx := browser(t)
	_, feed, url := serve(t, hosttest.Night)
	screens[0].show(ctx, t, url, `#link[data-state="live"]`)
	feed.Close() // as when the daemon stops
	await(ctx, t, `document.getElementById("link").dataset.state === "lost"`)
	require.Equal(t, "no connection, as of", find[string](ctx, t, `document.getElementById("link-text").textContent`))
	require.Contains(t, find[string](ctx, t, `document.getElementById("said").textContent`), "What is shown is old")
}

func TestInABrowserWithoutJavaScript(t *testing.T) {
	ctx := browser(t)
	_, _, url := serve(t, hosttest.DatabaseDead)
	_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	screens[0].show(ctx, t, url, "#t-ollama")
	shoot(ctx, t, "without-javascript")
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("#main")))
	require.NoError(t, err)
	for _, want := range []string{"postgres: database dead or frozen", "recoveryd will do nothing more by itself", "Latest decisions", "What needs what", "History"} {
		require.Contains(t, text, want)
	}
	html, err := chromedp.Run(ctx, chromedp.OuterHTML(chromedp.CSS("html")))
	require.NoError(t, err)
	require.Contains(t, html, `http-equiv="refresh"`)
	require.NoError(t, chromedp.Do(ctx, chromedp.Click(chromedp.CSS("#open h3 a")), chromedp.WaitVisible(chromedp.CSS("#detail"))))
}
