package detect

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"
)

// maxRuleNodes bounds the size of a parsed expression.
const maxRuleNodes = 300

// named is one thing that an expression needs from a look.
type named struct {
	id    string // variable in the program
	fact  string
	typ   FactType
	probe bool // has(): only whether it was measured
	age   bool // age(): seconds since the fact's time
}

// expression is a compiled rule.
type expression struct {
	root  test
	facts []named // in order of appearance
}

// test is one part of an expression: a comparison (or anything that is not and, or), or parts
// that are joined. Splitting at and/or tells which evidence made a rule true: of "a or b" only
// the side that holds is a witness.
type test struct {
	all, any []test
	program  *vm.Program
	witness  Witness // "" = circumstance only, no evidence
	text     string  // of what the program evaluates
}

// eval reports whether the test holds, and by which kinds of evidence.
func (t test) eval(env map[string]any) (bool, []Witness, error) {
	if t.program != nil {
		v, err := vm.Run(t.program, env)
		if err != nil {
			return false, nil, errors.New(exprMessage(err))
		}
		holds, _ := v.(bool) // the type checker made sure of it
		if !holds || t.witness == "" {
			return holds, nil, nil
		}
		return true, []Witness{t.witness}, nil
	}
	var ws []Witness
	holds := len(t.all) > 0
	for _, p := range slices.Concat(t.all, t.any) {
		h, w, err := p.eval(env)
		if err != nil {
			return false, nil, err
		}
		if h {
			for _, x := range w {
				if !slices.Contains(ws, x) {
					ws = append(ws, x)
				}
			}
		}
		if len(t.all) > 0 {
			holds = holds && h
		} else {
			holds = holds || h
		}
	}
	if !holds {
		ws = nil
	}
	return holds, ws, nil
}

// vouched reports whether the test cannot hold without at least one kind of evidence.
func (t test) vouched() bool {
	switch {
	case t.program != nil:
		return t.witness != ""
	case len(t.all) > 0:
		return slices.ContainsFunc(t.all, test.vouched)
	}
	return !slices.ContainsFunc(t.any, func(p test) bool { return !p.vouched() })
}

// kinds lists the kinds of evidence that the expression looks at.
func (e expression) kinds() []Witness {
	var ws []Witness
	var walk func(test)
	walk = func(t test) {
		if t.witness != "" && !slices.Contains(ws, t.witness) {
			ws = append(ws, t.witness)
		}
		for _, p := range slices.Concat(t.all, t.any) {
			walk(p)
		}
	}
	walk(e.root)
	return ws
}

// compileWhen parses, resolves and type-checks an expression.
func compileWhen(source string) (expression, error) {
	cfg := conf.CreateNew()
	cfg.MaxNodes = maxRuleNodes
	clear(cfg.Builtins) // no loops, no clock, nothing that grows
	tree, err := parser.ParseWithConfig(source, cfg)
	if err != nil {
		return expression{}, errors.New(exprMessage(err))
	}
	r := resolver{source: tree.Source}
	if err := r.resolve(&tree.Node); err != nil {
		return expression{}, err
	}
	env := types.Map{}
	for _, n := range r.facts {
		env[n.id] = n.exprType()
	}
	cfg.WithEnv(env)
	cfg.Expect, cfg.ExpectAny = reflect.Bool, false
	root, err := split(tree.Node, tree.Source, cfg, r.facts)
	if err != nil {
		return expression{}, err
	}
	e := expression{root: root, facts: r.facts}
	if !e.root.vouched() {
		return expression{}, errors.New("it can be true without any evidence: each side of or must look at a fact, and has() and age() are circumstances only")
	}
	return e, nil
}

func (n named) exprType() types.Type {
	switch {
	case n.probe, n.typ == Truth:
		return types.Bool
	case n.typ == Text:
		return types.String
	}
	return types.Float64
}

// split takes an expression apart at and/or, and compiles the rest.
func split(n ast.Node, src file.Source, cfg *conf.Config, facts []named) (test, error) {
	if b, ok := n.(*ast.BinaryNode); ok && (isAnd(b.Operator) || isOr(b.Operator)) {
		left, err := split(b.Left, src, cfg, facts)
		if err != nil {
			return test{}, err
		}
		right, err := split(b.Right, src, cfg, facts)
		if err != nil {
			return test{}, err
		}
		if isAnd(b.Operator) {
			return test{all: []test{left, right}}, nil
		}
		return test{any: []test{left, right}}, nil
	}
	tree := &parser.Tree{Node: n, Source: src}
	if _, err := checker.Check(tree, cfg); err != nil {
		return test{}, errors.New(exprMessage(err))
	}
	program, err := compiler.Compile(tree, cfg)
	if err != nil {
		return test{}, errors.New(exprMessage(err))
	}
	return test{program: program, witness: evidenceOf(n, facts), text: n.String()}, nil
}

func isAnd(op string) bool { return op == "and" || op == "&&" }
func isOr(op string) bool  { return op == "or" || op == "||" }

// evidenceOf is the one kind of evidence that a comparison counts as: that of the first fact it
// names, since it may be true because of that one alone. Whether a fact was measured and how
// old the process is are circumstances.
func evidenceOf(n ast.Node, facts []named) (w Witness) {
	visit(&n, func(x ast.Node) {
		id, ok := x.(*ast.IdentifierNode)
		if !ok || w != "" {
			return
		}
		for _, f := range facts {
			if f.id == id.Value && !f.probe && !f.age {
				w = witnessOf(f.fact)
			}
		}
	})
	return w
}

// visitor calls a function for every node, children first.
type visitor func(ast.Node)

// Visit implements ast.Visitor.
func (v visitor) Visit(n *ast.Node) { v(*n) }

func visit(n *ast.Node, f func(ast.Node)) { ast.Walk(n, visitor(f)) }

// exprMessage shortens an error of the expression library to one line with the column.
func exprMessage(err error) string {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return oneLine(err.Error())
	}
	if fe.Line > 1 {
		return fmt.Sprintf("%s (line %d, column %d)", oneLine(fe.Message), fe.Line, fe.Column+1)
	}
	return fmt.Sprintf("%s (column %d)", oneLine(fe.Message), fe.Column+1)
}

// sizes are the suffixes that bytes() knows, those of the configuration: K, M, G, T alone are powers of
// 1024. The longer come first.
var sizes = []struct {
	suffix string
	factor float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}}

// parseBytes reads "512MiB".
func parseBytes(s string) (float64, error) {
	for _, u := range sizes {
		if digits, ok := strings.CutSuffix(strings.TrimSpace(s), u.suffix); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
			if err != nil || v < 0 || math.IsInf(v, 0) || math.IsNaN(v) {
				break
			}
			return v * u.factor, nil
		}
	}
	return 0, fmt.Errorf("%q is no size (want such as \"512MiB\")", s)
}

// parseSeconds reads "10m".
func parseSeconds(s string) (float64, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration (want such as \"10m\")", s)
	}
	return d.Seconds(), nil
}
