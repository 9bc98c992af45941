package detect

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite generated files")

func TestDiagnosisPageIsInStepWithTheCode(t *testing.T) {
	const path = "../../docs/diagnosis.md"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(DiagnosisPage()), 0o644))
	}
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, DiagnosisPage(), string(page), "stale: go test ./pkg/detect -run TestDiagnosisPage -update")
}

func TestDiagnosisPageTellsOfEveryKindOfEvidence(t *testing.T) {
	var told []Witness
	for _, w := range witnessWords {
		told = append(told, w.kind)
	}
	require.ElementsMatch(t, []Witness{ByHTTP, BySynthetic, ByPlatform, BySocket, BySQL, ByMemory, ByProcess, ByDependents, ByPlain, ByDisk, ByHost, ByAlert}, told)
}

func TestTheRulesOnThePageCompile(t *testing.T) {
	for _, r := range ruleExamples() {
		_, err := CompileRule(r)
		require.NoError(t, err, r.Name)
	}
	_, block, found := strings.Cut(DiagnosisPage(), "```yaml\n")
	require.True(t, found)
	block, _, _ = strings.Cut(block, "```")
	var shown struct {
		Rules []struct {
			Name, When, Because, For, Severity string
			Ladder                             []string
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(block), &shown), "the page shows YAML that can be copied")
	require.Len(t, shown.Rules, len(ruleExamples()))
	for i, r := range ruleExamples() {
		require.Equal(t, r.When, shown.Rules[i].When)
	}
}

// TestEveryClassHasItsRunbook: a page of each class names what has been tried already, as the
// ladder stands in the code.
func TestEveryClassHasItsRunbook(t *testing.T) {
	const dir = "../../docs/runbooks"
	for _, class := range BuiltinClasses() {
		raw, err := os.ReadFile(filepath.Join(dir, string(class)+".md"))
		require.NoError(t, err, "every class needs a page for the person who is woken by it")
		page := string(raw)
		for _, section := range []string{"## What the page means", "## What recoveryd already tried", "## How to look", "## What to do", "## What recoveryd never does"} {
			require.Contains(t, page, section, class)
		}
		var ladders []string
		for _, k := range kindsInOrder {
			if c, ok := ConditionFor(class, k, nil); ok && len(c.Ladder) > 0 {
				ladders = append(ladders, "`"+strings.Join(c.Ladder, "`, `")+"`")
			}
		}
		for _, l := range slices.Compact(ladders) {
			require.Contains(t, page, l, "%s: the page must name the ladder as it is", class)
		}
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.md"))
	require.NoError(t, err)
	for _, p := range pages {
		name := strings.TrimSuffix(filepath.Base(p), ".md")
		require.True(t, name == "README" || name == "kubernetes" || // a platform's
			slices.Contains(BuiltinClasses(), Class(name)), "%s belongs to no class", p)
	}
}
