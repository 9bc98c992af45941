package detect

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rule is a failure class that an operator declares in the configuration, without Go: an
// expression over the facts of a look which is true while the problem is there.
//
// Facts are written by their names (pool.utilization, workload.state); a name that is no word of its
// own goes in brackets: sql.app["codebase-mcp"], disk.share["/var"]. Numbers have the measures of
// FactTable, truths are true or false, words are quoted. There are the operators of expr-lang
// (and or not, == != < <= > >=, + - * / % **, in, contains, startsWith, endsWith, matches, ?:) and
// four functions:
//
//	age()              seconds since its present run began
//	has("pool.size")   whether a fact was measured
//	seconds("10m")     a duration as a number
//	bytes("512MiB")    a size as a number
//
// A fact that was asked for and could not be measured makes the rule unknown; one that was never
// asked for means that the rule does not apply to this target. Only has() may name such a fact.
type Rule struct {
	Name string // the class: lower-case letters, digits and hyphens; not that of a built-in class
	When string // the expression
	For  time.Duration
	// Clear is how long it must stay false to count as cured.
	Clear    time.Duration
	Looks    int // consecutive looks that must agree; 2 when zero
	Severity Severity
	Ladder   []string // strategies by name, mildest first; empty = page at once
	Because  string   // the sentence of the page; made of name and expression when empty
	Kinds    []Kind   // kinds of target; nil = all
	Targets  []string // names of targets; nil = all
	// Witnesses are the kinds of evidence that count for this class, among those whose facts the
	// expression looks at; nil = all of them.
	Witnesses []Witness
}

// RuleError says which key of a rule is wrong, so that its place in the configuration can be shown.
type RuleError struct {
	Key string // "name", "when", "witnesses", "kinds", "looks" or "severity"
	Err error
}

// Error begins with the key.
func (e *RuleError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap gives the problem without the key.
func (e *RuleError) Unwrap() error { return e.Err }

func wrong(key, format string, args ...any) error {
	return &RuleError{Key: key, Err: fmt.Errorf(format, args...)}
}

// maxRule bounds the length of an expression: a rule that needs more is a program.
const maxRule = 2000

var ruleName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// CompileRule checks a rule and makes a Condition of it, to be passed in Background.Extra. The
// expression is parsed and type-checked here, once; judging a look only evaluates it. The
// Condition is pure and safe for concurrent use. Errors are of type [*RuleError] and say what is
// wrong, where, and what may have been meant.
func CompileRule(r Rule) (Condition, error) {
	if err := r.check(); err != nil {
		return Condition{}, err
	}
	e, err := compileWhen(r.When)
	if err != nil {
		return Condition{}, &RuleError{Key: "when", Err: err}
	}
	for _, w := range r.Witnesses {
		if !slices.Contains(e.kinds(), w) {
			return Condition{}, wrong("witnesses", "the rule looks at no fact of kind %q (it looks at %s)", w, joinWitnesses(e.kinds()))
		}
	}
	looks := r.Looks
	if looks == 0 {
		looks = 2
	}
	kinds := slices.Clone(r.Kinds)
	if len(kinds) == 0 {
		kinds = []Kind{KindService, KindPostgres, KindPlain}
	}
	because := oneLine(r.Because)
	if because == "" {
		because = fmt.Sprintf("rule %s holds: %s", r.Name, oneLine(r.When))
	}
	targets, counted := slices.Clone(r.Targets), slices.Clone(r.Witnesses)
	return Condition{
		Class: Class(r.Name), Kinds: kinds, Severity: severityOr(r.Severity, P3), Looks: looks,
		For: r.For, Clear: r.Clear, Ladder: slices.Clone(r.Ladder), Summary: because, Facts: e.names(), Targets: targets,
		Match: func(o Observation, b Background) Finding {
			if len(targets) > 0 && !slices.Contains(targets, b.Target.Name) {
				return Finding{}
			}
			return e.judge(o, r.Name, because, counted)
		},
	}, nil
}

// names are the facts that the expression looks at, in order of appearance.
func (e expression) names() (out []string) {
	for _, n := range e.facts {
		if !slices.Contains(out, n.fact) {
			out = append(out, n.fact)
		}
	}
	return out
}

func (r Rule) check() error {
	switch {
	case !ruleName.MatchString(r.Name):
		return wrong("name", "%q is not a class name (want lower-case letters, digits and hyphens, such as pool-creep)", r.Name)
	case slices.Contains(builtinClasses, Class(r.Name)):
		return wrong("name", "%s is a built-in class; choose another name, or change the built-in class under classes", r.Name)
	case strings.TrimSpace(r.When) == "":
		return wrong("when", "is empty (want an expression, such as pool.utilization > 0.9)")
	case len(r.When) > maxRule:
		return wrong("when", "is %d bytes long, the limit is %d", len(r.When), maxRule)
	case r.Looks < 0 || r.For < 0 || r.Clear < 0:
		return wrong("looks", "looks, for and clear must not be negative")
	case r.Severity > P4:
		return wrong("severity", "want P1, P2, P3 or P4")
	}
	for _, k := range r.Kinds {
		if k != KindService && k != KindPostgres && k != KindPlain {
			return wrong("kinds", "%q is no kind of target (want service, postgres or plain)", k)
		}
	}
	for _, w := range r.Witnesses {
		switch w {
		case ByDependents:
			return wrong("witnesses", "a rule sees one target only, so %s cannot be its evidence", w)
		case ByAlert, ByHost:
			return wrong("witnesses", "%s accuses no target in particular and never counts", w)
		}
	}
	return nil
}

// env are the values of the expression's variables in one look. applies is false when a fact was
// never asked for; missing names one that could not be measured, with the reason.
func (e expression) env(o Observation) (env map[string]any, missing string, applies bool) {
	env = make(map[string]any, len(e.facts))
	for _, n := range e.facts {
		r, asked := o.Facts[n.fact]
		switch {
		case n.probe: // has()
			env[n.id] = asked && r.Err == ""
			continue
		case !asked:
			return nil, "", false
		case r.Err != "":
			return nil, fmt.Sprintf("%s was not measured: %s", n.fact, r.Err), true
		}
		switch n.typ {
		case Text:
			env[n.id] = r.Text
		case Truth:
			env[n.id] = r.Value != 0
		default:
			env[n.id] = r.Value
			if n.age {
				env[n.id] = float64(o.At.UnixMicro())/1e6 - r.Value
			}
		}
	}
	return env, "", true
}

// judge evaluates the expression on one look.
func (e expression) judge(o Observation, name, because string, counted []Witness) Finding {
	env, missing, applies := e.env(o)
	switch {
	case !applies:
		return Finding{} // never asked for: the rule does not apply here
	case missing != "":
		return unjudged(name, missing)
	}
	holds, ws, err := e.root.eval(env)
	switch {
	case err != nil:
		return unjudged(name, err.Error())
	case !holds:
		return Finding{}
	}
	if len(counted) > 0 {
		kept := slices.DeleteFunc(slices.Clone(ws), func(w Witness) bool { return !slices.Contains(counted, w) })
		if len(kept) > 0 {
			ws = kept
		} else {
			ws = ws[:min(len(ws), 1)] // true by evidence that does not count: one witness never suffices
		}
	}
	return Finding{Verdict: Unhealthy, Witnesses: ws, Because: because + e.readings(o)}
}

func unjudged(name, why string) Finding {
	return Finding{Verdict: Unknown, Because: fmt.Sprintf("rule %s cannot be judged: %s", name, oneLine(why))}
}

// readings prints what the rule saw: " (pool.utilization 0.93, http.status 200)".
func (e expression) readings(o Observation) string {
	var parts []string
	for _, n := range e.facts {
		if n.probe || n.age {
			continue
		}
		r := o.Facts[n.fact]
		switch n.typ {
		case Text:
			parts = append(parts, n.fact+" "+strconv.Quote(cutText(r.Text, 80)))
		case Truth:
			parts = append(parts, fmt.Sprintf("%s %t", n.fact, r.Value != 0))
		default:
			parts = append(parts, n.fact+" "+strconv.FormatFloat(r.Value, 'g', 6, 64))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func joinWitnesses(ws []Witness) string {
	names := make([]string, len(ws))
	for i, w := range ws {
		names[i] = string(w)
	}
	return join(names)
}

func severityOr(s, def Severity) Severity {
	if s == SeverityUnset {
		return def
	}
	return s
}
