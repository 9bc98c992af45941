package detect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// resolver replaces the fact names and functions of a parsed expression by plain variables, and
// refuses everything that a rule must not contain. What it does not know is refused.
type resolver struct {
	source file.Source
	facts  []named
}

func (r *resolver) fail(n ast.Node, format string, args ...any) error {
	e := (&file.Error{Location: n.Location(), Message: fmt.Sprintf(format, args...)}).Bind(r.source)
	return fmt.Errorf("%s", exprMessage(e))
}

// comparisons are the operators after which a literal is checked against the fact's values.
var comparisons = []string{"==", "!=", "<", "<=", ">", ">=", "in"}

// operators that a rule may use besides.
var operators = []string{"and", "&&", "or", "||", "+", "-", "*", "/", "%", "**", "contains", "startsWith", "endsWith", "matches"}

// resolve works on one node and what is below it.
func (r *resolver) resolve(at *ast.Node) error {
	switch n := (*at).(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode:
		return nil
	case *ast.IdentifierNode, *ast.MemberNode, *ast.ChainNode:
		return r.fact(at)
	case *ast.CallNode:
		return r.call(at, n)
	case *ast.BuiltinNode:
		return r.fail(n, "unknown function %s (there are age, has, seconds and bytes)", n.Name)
	case *ast.UnaryNode:
		return r.resolve(&n.Node)
	case *ast.ConditionalNode:
		for _, c := range []*ast.Node{&n.Cond, &n.Exp1, &n.Exp2} {
			if err := r.resolve(c); err != nil {
				return err
			}
		}
		return nil
	case *ast.ArrayNode:
		for _, c := range n.Nodes {
			switch c.(type) {
			case *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.BoolNode:
			default:
				return r.fail(c, "a list may hold numbers, words and truths only")
			}
		}
		return nil
	case *ast.BinaryNode:
		return r.binary(n)
	}
	return r.fail(*at, "this cannot be used in a rule: %s", cutText((*at).String(), 40))
}

func (r *resolver) binary(n *ast.BinaryNode) error {
	if !slices.Contains(operators, n.Operator) && !slices.Contains(comparisons, n.Operator) {
		return r.fail(n, "the operator %s cannot be used in a rule", n.Operator)
	}
	if _, list := n.Right.(*ast.ArrayNode); (n.Operator == "in") != list {
		return r.fail(n, "in wants a list, such as http.status in [502, 503]")
	}
	if _, constant := n.Right.(*ast.StringNode); n.Operator == "matches" && !constant {
		return r.fail(n, "matches wants a quoted pattern")
	}
	if err := r.resolve(&n.Left); err != nil {
		return err
	}
	if err := r.resolve(&n.Right); err != nil {
		return err
	}
	if !slices.Contains(comparisons, n.Operator) {
		return nil
	}
	if err := r.plausible(n.Left, n.Right); err != nil {
		return err
	}
	return r.plausible(n.Right, n.Left)
}

// plausible refuses comparisons that can never be true: a word that the fact never takes, and a
// percentage where the fact is a share.
func (r *resolver) plausible(side, literal ast.Node) error {
	id, ok := side.(*ast.IdentifierNode)
	if !ok {
		return nil
	}
	f, known := FactNamed(id.Value)
	if !known {
		return nil // age(), has()
	}
	if list, ok := literal.(*ast.ArrayNode); ok {
		for _, x := range list.Nodes {
			if err := r.plausible(side, x); err != nil {
				return err
			}
		}
	}
	switch lit := literal.(type) {
	case *ast.StringNode:
		if f.Words != nil && !slices.Contains(f.Words, lit.Value) {
			return r.fail(literal, "%s is never %q%s", id.Value, lit.Value, Meant(lit.Value, f.Words))
		}
	case *ast.IntegerNode:
		if f.Type == Share && lit.Value > 1 {
			return r.fail(literal, "%s is a share from 0 to 1, not a percentage: did you mean %g?", id.Value, float64(lit.Value)/100)
		}
	case *ast.FloatNode:
		if f.Type == Share && lit.Value > 1 {
			return r.fail(literal, "%s is a share from 0 to 1, not a percentage: did you mean %g?", id.Value, lit.Value/100)
		}
	}
	return nil
}

// fact resolves a chain of names to one fact.
func (r *resolver) fact(at *ast.Node) error {
	path, ok := pathOf(*at)
	if !ok {
		return r.fail(*at, "this is no fact: %s (want a name such as pool.utilization, or disk.share[\"/var\"])", cutText((*at).String(), 40))
	}
	name := strings.Join(path, ".")
	f, known := FactNamed(name)
	if !known {
		return r.fail(*at, "unknown fact %s%s", name, Meant(name, factNames()))
	}
	if !f.Prefix {
		name = f.Name // it may be an older one
	}
	r.variable(at, named{id: name, fact: name, typ: f.Type})
	return nil
}

// pathOf reads a.b["c"] as [a b c].
func pathOf(n ast.Node) ([]string, bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return []string{n.Value}, true
	case *ast.MemberNode:
		prop, ok := n.Property.(*ast.StringNode)
		if !ok || n.Optional || prop.Value == "" {
			return nil, false
		}
		path, ok := pathOf(n.Node)
		return append(path, prop.Value), ok
	}
	return nil, false
}

// call resolves the four functions. None of them is left to be called when a look is judged.
func (r *resolver) call(at *ast.Node, n *ast.CallNode) error {
	id, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		return r.fail(n, "only age, has, seconds and bytes can be called in a rule")
	}
	text := ""
	if len(n.Arguments) == 1 {
		if s, ok := n.Arguments[0].(*ast.StringNode); ok {
			text = s.Value
		}
	}
	constant := func(v float64, err error) error {
		if err != nil {
			return r.fail(n, "%s: %v", id.Value, err)
		}
		ast.Patch(at, &ast.FloatNode{Value: v})
		return nil
	}
	switch id.Value {
	case "age":
		if len(n.Arguments) > 0 {
			return r.fail(n, "age() takes nothing: it is the age of the target's present run, in seconds")
		}
		r.variable(at, named{id: "age()", fact: WorkloadSince, typ: Number, age: true})
		return nil
	case "has":
		f, known := FactNamed(text)
		if !known {
			return r.fail(n, "has() wants the quoted name of a fact, not %q%s", text, Meant(text, factNames()))
		}
		if !f.Prefix {
			text = f.Name
		}
		r.variable(at, named{id: "has(" + text + ")", fact: text, probe: true})
		return nil
	case "seconds":
		return constant(parseSeconds(text))
	case "bytes":
		return constant(parseBytes(text))
	}
	return r.fail(n, "unknown function %s (there are age, has, seconds and bytes)", id.Value)
}

// variable puts a plain variable in the node's place.
func (r *resolver) variable(at *ast.Node, n named) {
	ast.Patch(at, &ast.IdentifierNode{Value: n.id})
	if !slices.Contains(r.facts, n) {
		r.facts = append(r.facts, n)
	}
}

func factNames() []string {
	var names []string
	for _, f := range FactTable() {
		names = append(names, f.Name)
	}
	return names
}
