package page

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// press types one key.
func press(ctx context.Context, t *testing.T, key string, with ...chromedp.Modifier) {
	t.Helper()
	require.NoError(t, chromedp.Do(ctx, chromedp.KeyEvent(key, chromedp.KeyModifiers(with...))))
}

// focusJS says where the focus is: its place among all that can have it (-1 = nowhere), what it is called,
// how its outline is drawn, and whether it is on the screen.
const focusJS = `(() => {
  const a = document.activeElement;
  const can = [...document.querySelectorAll("a[href], summary, button, input, [tabindex='0']")].filter((e) => e.getClientRects().length && getComputedStyle(e).visibility === "visible");
  const r = a.getBoundingClientRect(), s = getComputedStyle(a);
  return {At: can.indexOf(a), Of: can.length, Name: (a.getAttribute("aria-label") || a.textContent).trim().replace(/\s+/g, " ").slice(0, 70),
    Outline: s.outlineStyle + " " + s.outlineWidth, Seen: r.top >= 0 && r.bottom <= innerHeight + 1 && r.left >= 0 && r.right <= innerWidth + 1};
})()`

type focus struct {
	At, Of        int
	Name, Outline string
	Seen          bool
}

// until presses Tab until the focus is on what is called so.
func until(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	for range 80 {
		press(ctx, t, kb.Tab)
		if find[focus](ctx, t, focusJS).Name == name {
			return
		}
	}
	require.Fail(t, "cannot be reached by keyboard: "+name)
}

func TestInABrowserByKeyboardEverythingIsReachedInOrderAndSeen(t *testing.T) {
	ctx := browser(t)
	h, _, url := serve(t, hosttest.DatabaseDead)
	for _, s := range []screen{screens[0], screens[3]} {
		for path, wait := range map[string]string{"/": `#link[data-state="live"]`, "/incidents": "table.past", "/incidents/" + only(t, h): `#link[data-state="live"]`} {
			s.show(ctx, t, url+path, wait)
			at := s.name + path
			press(ctx, t, kb.Tab)
			f := find[focus](ctx, t, focusJS)
			require.Equal(t, "Skip to the content", f.Name)
			for n := range f.Of {
				require.Equal(t, n, f.At, "%s: Tab leads to %q out of order", at, f.Name)
				require.True(t, f.Seen, "%s: the focus on %q is off the screen", at, f.Name)
				require.Equal(t, "solid 2px", f.Outline, "%s: the focus cannot be seen on %q", at, f.Name)
				press(ctx, t, kb.Tab)
				f = find[focus](ctx, t, focusJS)
			}
			// A browser without a window of its own begins again, or is nowhere for one step.
			require.Contains(t, []int{-1, 0}, f.At, "%s: the focus does not leave the page after its last link, but is on %q", at, f.Name)
			press(ctx, t, kb.Tab, chromedp.ModifierShift)
			if find[focus](ctx, t, focusJS).At < 0 {
				press(ctx, t, kb.Tab, chromedp.ModifierShift)
			}
			require.Equal(t, f.Of-1, find[focus](ctx, t, focusJS).At, "%s: Shift and Tab do not lead back", at)
			press(ctx, t, kb.Tab, chromedp.ModifierShift)
			require.Equal(t, f.Of-2, find[focus](ctx, t, focusJS).At, "%s: Shift and Tab do not lead back", at)
		}
	}
}

func TestInABrowserByKeyboardAnIncidentIsOpenedReadAndLeft(t *testing.T) {
	ctx := browser(t)
	against := complaints(ctx)
	h, _, url := serve(t, hosttest.DatabaseDead)
	screens[2].show(ctx, t, url, `#link[data-state="live"]`)
	const title = "postgres: database dead or frozen"

	press(ctx, t, kb.Tab)
	press(ctx, t, kb.Enter) // the skip link
	require.Equal(t, "main", find[string](ctx, t, `document.activeElement.id`))
	press(ctx, t, kb.Tab)
	require.Equal(t, title, find[focus](ctx, t, focusJS).Name, "the first stop after the skip link")

	until(ctx, t, "Everything about this incident, "+title)
	press(ctx, t, kb.Enter)
	require.NoError(t, chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS("#detail"))))
	require.Equal(t, "/incidents/"+only(t, h), find[string](ctx, t, `location.pathname`))
	for find[string](ctx, t, `document.activeElement.nodeName`) != "SUMMARY" {
		press(ctx, t, kb.Tab)
	}
	const opened = `document.querySelector("details").open`
	press(ctx, t, " ")
	await(ctx, t, opened)
	press(ctx, t, kb.Escape)
	require.False(t, find[bool](ctx, t, opened), "Escape closes it")
	require.Equal(t, "SUMMARY", find[string](ctx, t, `document.activeElement.nodeName`))
	press(ctx, t, kb.Escape)
	require.Equal(t, "SUMMARY", find[string](ctx, t, `document.activeElement.nodeName`), "where nothing is open, Escape does nothing")
	press(ctx, t, kb.Enter)
	await(ctx, t, opened)

	require.NoError(t, chromedp.Do(ctx, chromedp.NavigateBack()))
	await(ctx, t, `document.activeElement.textContent.startsWith("Everything about this incident")`)
	press(ctx, t, kb.Tab)
	require.Contains(t, find[focus](ctx, t, focusJS).Name, "24 hours", "it goes on from there")
	require.Empty(t, against())
}

func TestInABrowserByKeyboardUpdatesDoNotMoveTheReader(t *testing.T) {
	ctx := browser(t)
	against := complaints(ctx)
	h, _, url := serve(t, hosttest.DatabaseDead)
	screens[0].show(ctx, t, url, `#link[data-state="live"]`)

	// On the second of two links with the same address, with news above it and in its own part.
	until(ctx, t, "Everything about this incident, postgres: database dead or frozen")
	const place = `document.activeElement.getBoundingClientRect().top`
	find[bool](ctx, t, `(() => { window.mine = document.activeElement; return true })()`)
	before := find[float64](ctx, t, place)
	require.Positive(t, find[float64](ctx, t, `scrollY`))
	h.Say("", incident.Command{Verb: incident.CmdPause, By: "ann", Why: "moving the rack"})
	h.Say("postgres", incident.Command{Verb: incident.CmdAck, By: "ann", Incident: only(t, h), Until: time.Now().Add(time.Hour)})
	h.Run(5 * time.Second)
	await(ctx, t, `document.querySelector("#head").textContent.includes("moving the rack")`)
	await(ctx, t, `document.querySelector("#open").textContent.includes("Acknowledged")`)
	require.True(t, find[bool](ctx, t, `document.activeElement === window.mine`), "the focus has moved")
	require.InDelta(t, before, find[float64](ctx, t, place), 2, "the page has moved under the reader")

	// In the graph, which is drawn anew.
	until(ctx, t, "redis healthy, needed by workflow-mcp")
	find[bool](ctx, t, `(() => { window.mine = document.activeElement; return true })()`)
	before = find[float64](ctx, t, place)
	h.Facts["redis"] = hosttest.With(hosttest.Answering("run-1"), detect.PlainOutcome, "timeout", detect.SocketLatency, nil)
	h.Run(40 * time.Second)
	await(ctx, t, `document.activeElement.getAttribute("aria-label").startsWith("redis culprit, unhealthy")`)
	require.True(t, find[bool](ctx, t, `document.activeElement === window.mine`), "the focus has moved")
	require.InDelta(t, before, find[float64](ctx, t, place), 2, "the page has moved under the reader")

	// On the page of an incident, with something opened, while decisions are added to it.
	h.Say("", incident.Command{Verb: incident.CmdResume, By: "ann"})
	var id string
	for i := range h.State().Incidents {
		if h.State().Incidents[i].Target == "postgres" {
			id = i
		}
	}
	screens[0].show(ctx, t, url+"/incidents/"+id, `#link[data-state="live"]`)
	for range 3 {
		for press(ctx, t, kb.Tab); find[string](ctx, t, `document.activeElement.nodeName`) != "SUMMARY"; press(ctx, t, kb.Tab) {
		}
	}
	press(ctx, t, kb.Enter)
	find[bool](ctx, t, `(() => { window.mine = document.activeElement; return true })()`)
	before = find[float64](ctx, t, place)
	h.Facts["postgres"], h.Facts["codebase-mcp"], h.Facts["workflow-mcp"] = hosttest.Cluster("run-2"), hosttest.Serving("run-1"), hosttest.Serving("run-2")
	h.Do = func(strategy.Action) incident.Result { return incident.ResultDone }
	h.Run(30 * time.Second)
	await(ctx, t, `document.querySelector("#detail .tag").textContent === "recovered, on probation"`)
	require.True(t, find[bool](ctx, t, `document.activeElement === window.mine && window.mine.parentElement.open`), "the focus has moved, or what was opened is closed")
	require.InDelta(t, before, find[float64](ctx, t, place), 2, "the page has moved under the reader")

	// On a link that goes away with its incident: the reader stays in that part of the page, and goes on from there.
	screens[0].show(ctx, t, url, `#link[data-state="live"]`)
	until(ctx, t, "postgres: database dead or frozen")
	h.Run(5 * time.Minute)
	await(ctx, t, `![...document.querySelectorAll("#open h3")].some((x) => x.textContent.includes("postgres"))`)
	require.NotEqual(t, "BODY", find[string](ctx, t, `document.activeElement.nodeName`), "the focus is lost")
	require.Empty(t, against())
}
