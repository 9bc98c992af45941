package page

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
)

// heard is one thing that a screen reader is told by the browser.
type heard struct {
	role, name string
	props      map[string]string // level, live, ...
}

// tree returns what a screen reader is told of the page, in its order.
func tree(ctx context.Context, t *testing.T) []heard {
	t.Helper()
	answer, err := chromedp.Call(ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	require.NoError(t, err)
	text := func(v *accessibility.Value) string {
		if v == nil || len(v.Value) == 0 {
			return ""
		}
		var x any
		require.NoError(t, json.Unmarshal(v.Value, &x))
		return strings.TrimSpace(fmt.Sprint(x))
	}
	byID := map[accessibility.NodeID]*accessibility.Node{}
	for _, n := range answer.Nodes {
		byID[n.NodeID] = n
	}
	var out []heard
	var dump strings.Builder
	var walk func(n *accessibility.Node, depth int)
	walk = func(n *accessibility.Node, depth int) {
		if n == nil {
			return
		}
		if !n.Ignored {
			h := heard{text(n.Role), text(n.Name), map[string]string{}}
			for _, p := range n.Properties {
				h.props[string(p.Name)] = text(p.Value)
			}
			out = append(out, h)
			if h.role != "StaticText" && h.role != "InlineTextBox" && h.role != "none" || h.name != "" && h.role == "StaticText" {
				fmt.Fprintf(&dump, "%*s%s %q\n", depth, "", h.role, h.name)
			}
			depth++
		}
		for _, c := range n.ChildIDs {
			walk(byID[c], depth)
		}
	}
	walk(answer.Nodes[0], 0)
	if dir := os.Getenv("RECOVERYD_SHOTS"); dir != "" {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "tree-"+strings.ReplaceAll(t.Name(), "/", "-")+".txt"), []byte(dump.String()), 0o600))
	}
	return out
}

// called lists the names of all that have a role.
func called(all []heard, role string) (out []string) {
	for _, h := range all {
		if h.role == role {
			out = append(out, h.name)
		}
	}
	return out
}

// controls are the roles of what can be used, and pictures: each must be called something.
var controls = []string{"link", "button", "DisclosureTriangle", "image", "img", "region", "navigation", "table", "figure"}

func TestInABrowserAScreenReaderIsToldEverything(t *testing.T) {
	ctx := browser(t)
	h, _, url := serve(t, hosttest.DatabaseDead)
	for _, s := range []screen{screens[0], screens[2]} {
		t.Run(s.name+" overview", func(t *testing.T) {
			s.show(ctx, t, url, `#link[data-state="live"]`)
			all := tree(ctx, t)
			landmarks(t, all)
			require.Equal(t, []string{"1 open incident: postgres: database dead or frozen", "Open incidents", "postgres: database dead or frozen", "Latest decisions",
				"Targets", "postgres", "codebase-mcp", "workflow-mcp", "task-mcp", "redis", "ollama", "What needs what", "Held back now", "History"}, called(all, "heading"))

			// Bars and curves say in words what they draw, each for its own target.
			pictures := strings.Join(called(all, "image"), "\n")
			require.Equal(t, 6, strings.Count(pictures, "the last hour: "), pictures)
			for _, want := range []string{"good, last bad at", "pool in use (", "connections in use: not measured now; highest in the last hour", "memory, share of its limit (", "time to answer: ", "; limit 95 %"} {
				require.Contains(t, pictures, want)
			}

			// The graph is links, with lines in words and the culprit named.
			require.Contains(t, called(all, "group"), "What needs what")
			for _, want := range []string{"postgres culprit, unhealthy, needed by codebase-mcp, workflow-mcp", "codebase-mcp unhealthy because of postgres, needs postgres, ollama",
				"redis healthy, needed by workflow-mcp"} {
				require.Contains(t, called(all, "link"), want)
			}
			table(t, all, 4)

			// One part speaks up by itself, politely; all else is silent until it is read.
			var live []string
			for _, x := range all {
				if v := x.props["live"]; v != "" && v != "off" {
					live = append(live, x.role+" "+v)
				}
			}
			require.Subset(t, live, []string{"status polite"})
			require.NotContains(t, strings.Join(live, "\n"), "assertive")
			for _, x := range live {
				require.Contains(t, []string{"status polite", "StaticText polite", "InlineTextBox polite"}, x)
			}
		})
		t.Run(s.name+" incident", func(t *testing.T) {
			s.show(ctx, t, url+"/incidents/"+only(t, h), `#link[data-state="live"]`)
			all := tree(ctx, t)
			landmarks(t, all)
			require.Equal(t, []string{"postgres: database dead or frozen", "Evidence", "What was done", "What people were told", "Every decision, and why", "On the host"}, called(all, "heading"))
			require.Contains(t, called(all, "navigation"), "Where you are")
			why := called(all, "DisclosureTriangle")
			require.Greater(t, len(why), 5)
			require.Len(t, slices.Compact(slices.Clone(why)), len(why), "each says of which decision it is")
		})
		t.Run(s.name+" history", func(t *testing.T) {
			s.show(ctx, t, url+"/incidents", "table.past")
			all := tree(ctx, t)
			landmarks(t, all)
			table(t, all, 4)
		})
	}
}

// landmarks checks what every page has: one banner, main and footer, one first heading and no level
// left out, and a name for everything that can be used.
func landmarks(t *testing.T, all []heard) {
	t.Helper()
	for _, role := range []string{"banner", "main", "contentinfo"} {
		require.Len(t, called(all, role), 1, role)
	}
	level := 0
	for _, h := range all {
		if slices.Contains(controls, h.role) {
			require.NotEmpty(t, h.name, "a %s without a name", h.role)
		}
		if h.role != "heading" {
			continue
		}
		var l int
		_, err := fmt.Sscan(h.props["level"], &l)
		require.NoError(t, err)
		require.LessOrEqual(t, l, level+1, "%q leaves out a level", h.name)
		require.True(t, level == 0 || l > 1, "%q is a second first heading", h.name)
		level = l
	}
	require.NotZero(t, level)
}

// table checks that a history is a table for those who hear it, also where it is drawn as blocks.
func table(t *testing.T, all []heard, rows int) {
	t.Helper()
	require.Equal(t, []string{"Incidents"}, called(all, "table"))
	require.Equal(t, []string{"Began", "What", "Lasted", "Done", "Outcome"}, called(all, "columnheader"))
	require.Len(t, called(all, "rowheader"), rows)
	require.Len(t, called(all, "row"), rows+1)
	require.Len(t, append(called(all, "cell"), called(all, "gridcell")...), 4*rows)
}
