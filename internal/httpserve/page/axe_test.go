package page

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// axeFinding is one rule of axe-core that a page breaks, or that axe-core cannot decide.
type axeFinding struct {
	ID, Help string
	Nodes    []struct {
		HTML           string
		FailureSummary string
	}
}

// axeResults is what axe.run answers.
type axeResults struct {
	Violations, Incomplete, Passes []axeFinding
}

// axeJS runs every rule of WCAG 2.0, 2.1 and 2.2 (A and AA) and of good practice. The whole page is
// looked at, as it stands.
const axeJS = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations", "incomplete"]}).then((r) => JSON.stringify(r))`

// axe returns what axe-core has against the page as it is shown now.
func axe(ctx context.Context, t *testing.T) []string {
	t.Helper()
	source, err := os.ReadFile("testdata/axe/axe.min.js") // see README.md beside it
	require.NoError(t, err)
	find[bool](ctx, t, string(source)+"; true")
	answer, err := chromedp.Run(ctx, chromedp.Evaluate[string](axeJS, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	var r axeResults
	require.NoError(t, json.Unmarshal([]byte(answer), &r))
	require.Greater(t, len(r.Passes), 15, "axe-core has hardly looked at anything")
	var out []string
	for _, f := range append(r.Violations, r.Incomplete...) {
		for _, n := range f.Nodes {
			if f.ID == "color-contrast" && strings.HasPrefix(n.HTML, `<text class="n-`) {
				continue // axe-core cannot see what a text in a drawing lies on; TestColoursCanBeRead knows its colours
			}
			out = append(out, fmt.Sprintf("%s (%s): %.160s: %s", f.ID, f.Help, n.HTML, strings.ReplaceAll(n.FailureSummary, "\n", " ")))
		}
	}
	return out
}
