package page

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/pkg/incident"
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

func TestInABrowser(t *testing.T) {
	ctx := browser(t)
	for _, story := range []struct {
		name string
		tell told
	}{{"night", hosttest.Night}, {"database", hosttest.DatabaseDead}} {
		h, _, url := serve(t, story.tell)
		for _, s := range screens {
			s.show(ctx, t, url, `#link[data-state="live"]`)
			shoot(ctx, t, story.name+"-"+s.name)
			list, err := h.Incidents(ctx, false, 1)
			require.NoError(t, err)
			s.show(ctx, t, url+"/incidents/"+list[0].ID, "#detail")
			shoot(ctx, t, story.name+"-incident-"+s.name)
		}
	}
}
