package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// graph draws who needs whom: a target at the left, what it needs at its right. Each node is a link to
// its target, and says in words what the lines say.
type graph struct {
	Width, Height int
	Nodes         []node
	Edges         []edge
}

// node is one target.
type node struct {
	X, Y, Width, Height int
	Name, Label, State  string // Label is Name, shortened to the box
	Words               string // name, state and lines, for those who do not see them
	Mood                mood
	Culprit             bool
	Anchor              string
}

// edge leads from a target to what it needs.
type edge struct {
	Path   string
	Blamed bool // the target at its end is named as the culprit of what is wrong at its beginning
}

// The graph's units.
const (
	nodeWidth  = 146 // two columns fit on a phone
	nodeHeight = 46
	gapX       = 36
	gapY       = 14
	margin     = 2
	labelRunes = 17 // of a name, in nodeWidth
)

// graphOf lays the targets out in columns; nil when none needs another. Targets that neither need
// nor are needed are left out.
func graphOf(targets []httpserve.Target) *graph {
	byName := map[string]httpserve.Target{}
	linked := map[string]bool{}
	for _, t := range targets {
		byName[t.Name] = t
	}
	for _, t := range targets {
		for _, d := range t.DependsOn {
			linked[t.Name], linked[d] = true, true
		}
	}
	if len(linked) == 0 {
		return nil
	}
	columns := columnsOf(targets, linked)
	blamed, neededBy := map[string]bool{}, map[string][]string{}
	for _, t := range targets {
		for _, d := range t.DependsOn {
			neededBy[d] = append(neededBy[d], t.Name)
		}
		if t.Culprit != "" && t.Verdict == detect.Unhealthy {
			blamed[t.Culprit] = true
		}
	}
	g := &graph{}
	at := map[string]node{}
	rows := 0
	for _, c := range columns {
		rows = max(rows, len(c))
	}
	g.Height = rows*(nodeHeight+gapY) - gapY + 2*margin
	g.Width = len(columns)*(nodeWidth+gapX) - gapX + 2*margin
	for x, c := range columns {
		top := (g.Height - (len(c)*(nodeHeight+gapY) - gapY)) / 2
		for y, name := range c {
			t := byName[name]
			n := node{X: margin + x*(nodeWidth+gapX), Y: top + y*(nodeHeight+gapY), Width: nodeWidth, Height: nodeHeight, Name: name,
				Label: cut(name, labelRunes), State: t.Verdict.String(), Mood: verdictMood(t.Verdict), Culprit: blamed[name], Anchor: anchor(name)}
			if n.Culprit {
				n.State = "culprit, " + n.State
			}
			n.Words = name + " " + n.State
			if t.Culprit != "" && t.Culprit != name && t.Verdict == detect.Unhealthy {
				n.Words += " because of " + t.Culprit
			}
			if len(t.DependsOn) > 0 {
				n.Words += ", needs " + strings.Join(t.DependsOn, ", ")
			}
			if by := neededBy[name]; len(by) > 0 {
				n.Words += ", needed by " + strings.Join(by, ", ")
			}
			at[name] = n
			g.Nodes = append(g.Nodes, n)
		}
	}
	for _, t := range targets {
		for _, d := range t.DependsOn {
			a, b := at[t.Name], at[d]
			x1, y1, x2, y2 := a.X+a.Width, a.Y+a.Height/2, b.X, b.Y+b.Height/2
			bend := (x2 - x1) / 2
			g.Edges = append(g.Edges, edge{Path: fmt.Sprintf("M%d %d C%d %d %d %d %d %d", x1, y1, x1+bend, y1, x2-bend, y2, x2, y2),
				Blamed: t.Culprit == d && t.Verdict == detect.Unhealthy})
		}
	}
	// What is wrong is drawn last, above the rest.
	slices.SortStableFunc(g.Edges, func(a, b edge) int {
		return cmp.Compare(btoi(a.Blamed), btoi(b.Blamed))
	})
	return g
}

// columnsOf puts every target left of all that it needs, and neighbours near each other.
func columnsOf(targets []httpserve.Target, linked map[string]bool) [][]string {
	needs := map[string][]string{}
	for _, t := range targets {
		needs[t.Name] = t.DependsOn
	}
	// Height above the last column: 0 for what needs nothing. The configuration has no circles; a
	// bound keeps a mistake from hanging the page.
	level := map[string]int{}
	for range targets {
		changed := false
		for _, t := range targets {
			for _, d := range needs[t.Name] {
				if level[t.Name] < level[d]+1 && level[d]+1 < len(targets) {
					level[t.Name], changed = level[d]+1, true
				}
			}
		}
		if !changed {
			break
		}
	}
	most := 0
	for _, t := range targets {
		if linked[t.Name] {
			most = max(most, level[t.Name])
		}
	}
	columns := make([][]string, most+1)
	place := map[string]float64{}
	for col := most; col >= 0; col-- { // from the right, so that a target can be put beside what it needs
		i := most - col
		var names []string
		for _, t := range targets {
			if linked[t.Name] && level[t.Name] == i {
				names = append(names, t.Name)
			}
		}
		if i > 0 {
			slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(middle(place, needs[a]), middle(place, needs[b])) })
		}
		for y, n := range names {
			place[n] = float64(y) - float64(len(names))/2
		}
		columns[col] = names
	}
	return columns
}

// middle is the mean place of some targets.
func middle(place map[string]float64, names []string) float64 {
	sum := 0.0
	for _, n := range names {
		sum += place[n]
	}
	return sum / float64(max(1, len(names)))
}

func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
