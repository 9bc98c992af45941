package strictyaml

import (
	"fmt"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// kind says what a node of the file is.
type kind uint8

const (
	null kind = iota
	truth
	integer
	decimal
	text
	list
	mapping
)

// words are the kinds as an operator calls them.
var words = [...]string{"nothing", "true or false", "a number", "a number", "text", "a list", "a mapping"}

func (k kind) String() string { return words[k] }

// Place is a position in the file; the zero value is "no position".
type Place struct{ Line, Col int }

// node is one value of the file with its position. Anchors, aliases and merge keys are resolved.
type node struct {
	kind    kind
	at      Place
	scalar  *value // nil for lists and mappings
	items   []*node
	entries []entry
}

// value is a scalar. Nodes point to it, because some of them hold secrets: fmt does not follow a
// pointer inside a struct, not even for a verb that makes no sense.
type value struct {
	text   string // as written, without quotes
	number any    // integer: int64 or uint64; decimal: float64
}

// text is a scalar as written, without quotes; "" for lists and mappings.
func (n *node) text() string {
	if n.scalar == nil {
		return ""
	}
	return n.scalar.text
}

// entry is one key of a mapping. Keys may repeat; the reader reports that.
type entry struct {
	key    string
	at     Place
	value  *node
	merged bool // came by "<<" and yields to a key written here
}

// The bounds of a tree. A configuration of a host with 5,000 targets has about 60,000 values,
// nested eight deep. The bound on values also stops aliases of aliases of aliases.
const (
	maxDepth  = 32
	maxValues = 100_000
)

// planter converts the parser's tree into ours.
type planter struct {
	anchors map[string]ast.Node
	open    map[string]bool // anchors being resolved now: an alias to one of them is endless
	values  int
	report  func(Place, string, string)
	stop    bool
}

// at is where a node begins. The parser gives the colon for a mapping; we want its first key.
func at(n ast.Node) Place {
	switch m := n.(type) {
	case *ast.MappingNode:
		if len(m.Values) > 0 && !m.IsFlowStyle {
			return at(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return at(m.Key)
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return Place{max(1, t.Position.Line), max(1, t.Position.Column)}
	}
	return Place{1, 1}
}

// plant returns the node for n, or a null node after reporting why there is none.
func (p *planter) plant(n ast.Node, depth int) *node {
	if n == nil {
		return &node{at: Place{1, 1}}
	}
	out := &node{at: at(n)}
	if p.values++; p.stop || p.values > maxValues || depth > maxDepth {
		if !p.stop {
			p.report(out.at, "too many values, or nested too deeply", "a configuration needs far fewer; are there aliases of aliases?")
		}
		p.stop = true
		return out
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		out.kind = mapping
		for _, v := range n.Values {
			p.entry(out, v, depth)
		}
	case *ast.MappingValueNode:
		out.kind = mapping
		p.entry(out, n, depth)
	case *ast.SequenceNode:
		out.kind = list
		for _, v := range n.Values {
			out.items = append(out.items, p.plant(v, depth+1))
		}
	case *ast.AnchorNode:
		name := n.Name.GetToken().Value
		p.anchors[name] = n.Value
		p.open[name] = true
		out = p.plant(n.Value, depth+1)
		delete(p.open, name)
	case *ast.AliasNode:
		return p.alias(n, out, depth)
	case *ast.TagNode:
		p.report(out.at, "YAML tags are not supported", "leave "+n.GetToken().Value+" out")
	default:
		scalar(n, out)
	}
	return out
}

func (p *planter) alias(n *ast.AliasNode, out *node, depth int) *node {
	name := n.Value.GetToken().Value
	target, ok := p.anchors[name]
	switch {
	case !ok:
		p.report(out.at, fmt.Sprintf("there is no anchor &%s before this alias", name), "")
		out.kind = mapping // nothing more is to be said of it where it is merged
		return out
	case p.open[name]:
		p.report(out.at, fmt.Sprintf("alias *%s stands inside its own anchor", name), "")
		return out
	}
	return p.plant(target, depth+1)
}

func (p *planter) entry(out *node, v *ast.MappingValueNode, depth int) {
	if v.Key.IsMergeKey() {
		p.merge(out, p.plant(v.Value, depth+1))
		return
	}
	var key ast.Node = v.Key
	if k, ok := key.(*ast.MappingKeyNode); ok {
		key = k.Value
	}
	k := &node{at: at(key)}
	scalar(key, k)
	if k.kind == null && k.text() == "" {
		p.report(k.at, "a key must be a plain word", "")
		return
	}
	out.entries = append(out.entries, entry{key: k.text(), at: k.at, value: p.plant(v.Value, depth+1)})
}

// merge adds the keys of "<<: *anchor" or "<<: [*a, *b]".
func (p *planter) merge(out, from *node) {
	switch from.kind {
	case mapping:
		for _, e := range from.entries {
			e.merged = true
			out.entries = append(out.entries, e)
		}
	case list:
		for _, item := range from.items {
			if item.kind != mapping {
				p.report(item.at, "only mappings can be merged with <<", "")
				continue
			}
			p.merge(out, item)
		}
	default:
		p.report(from.at, "only mappings can be merged with <<", "")
	}
}

// scalar fills in a scalar node.
func scalar(n ast.Node, out *node) {
	set := func(k kind, s string, number any) { out.kind, out.scalar = k, &value{s, number} }
	switch n := n.(type) {
	case *ast.NullNode:
		set(null, n.GetToken().Value, nil)
	case *ast.BoolNode:
		set(truth, strconv.FormatBool(n.Value), nil)
	case *ast.IntegerNode:
		set(integer, n.GetToken().Value, n.Value)
	case *ast.FloatNode:
		set(decimal, n.GetToken().Value, n.Value)
	case *ast.InfinityNode:
		set(decimal, n.GetToken().Value, n.Value)
	case *ast.NanNode:
		set(text, n.GetToken().Value, nil) // no setting can be "not a number"
	case *ast.StringNode:
		set(text, n.Value, nil)
	case *ast.LiteralNode:
		set(text, n.Value.Value, nil)
	}
}
