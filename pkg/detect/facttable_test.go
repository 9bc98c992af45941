package detect

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheFactTableIsInStepWithTheNames reads facts.go: a new fact needs a row in FactTable, or
// rules and scenarios cannot name it.
func TestTheFactTableIsInStepWithTheNames(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "facts.go", nil, parser.ParseComments)
	require.NoError(t, err)
	type row struct {
		name        string
		word, truth bool
		prefix      bool
	}
	var want, got []row
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || !strings.HasPrefix(g.Doc.Text(), "Names of facts") {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			name, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			c := v.Comment.Text()
			want = append(want, row{name: name, word: strings.HasPrefix(c, "word"), truth: strings.HasPrefix(c, "truth"),
				prefix: strings.HasPrefix(c, "prefix")})
		}
	}
	require.Greater(t, len(want), 80, "facts.go was not understood")
	for _, f := range FactTable() {
		got = append(got, row{name: f.Name, word: f.Type == Text, truth: f.Type == Truth, prefix: f.Prefix})
		require.NotEmpty(t, f.What, f.Name)
	}
	require.Equal(t, want, got, "every fact of facts.go needs its row in FactTable, of the type that its comment says")
}

func TestEveryFactBelongsToAKindOfEvidence(t *testing.T) {
	kinds := []Witness{ByHTTP, BySynthetic, ByPlatform, BySocket, BySQL, ByMemory, ByProcess, ByPlain, ByDisk, ByHost, ByAlert}
	for _, f := range FactTable() {
		require.Contains(t, kinds, witnessOf(f.Name), f.Name)
	}
}
