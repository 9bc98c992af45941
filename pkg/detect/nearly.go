package detect

import "slices"

// Nearness says how near a rule of the operator's came to being true: which of its parts, joined by
// and, held in a look, and which did not.
type Nearness struct {
	Rule   string   `json:"rule"`
	Held   []string `json:"held"`
	Failed []string `json:"failed"`
}

// Nearly reports whether all parts but one held. A rule of one part is never near.
func (n Nearness) Nearly() bool { return len(n.Failed) == 1 && len(n.Held) > 0 }

// NearRule tells the parts of a rule on one look. It is empty where the rule does not apply, or where
// it cannot be judged: a fact that was not measured is near to nothing.
func NearRule(r Rule, o Observation) (Nearness, error) {
	n := Nearness{Rule: r.Name}
	if len(r.Targets) > 0 && !slices.Contains(r.Targets, o.Target) {
		return n, nil
	}
	e, err := compileWhen(r.When)
	if err != nil {
		return n, err
	}
	env, missing, applies := e.env(o)
	if !applies || missing != "" {
		return n, nil
	}
	var walk func(test) error
	walk = func(t test) error {
		if len(t.all) > 0 {
			for _, p := range t.all {
				if err := walk(p); err != nil {
					return err
				}
			}
			return nil
		}
		holds, _, err := t.eval(env)
		if err != nil {
			return err
		}
		if holds {
			n.Held = append(n.Held, t.words())
		} else {
			n.Failed = append(n.Failed, t.words())
		}
		return nil
	}
	return n, walk(e.root)
}

// words writes a part as it stands in the rule.
func (t test) words() string {
	if t.program != nil {
		return t.text
	}
	out := ""
	for i, p := range t.any {
		if i > 0 {
			out += " or "
		}
		out += p.words()
	}
	for i, p := range t.all {
		if i > 0 {
			out += " and "
		}
		out += p.words()
	}
	return out
}
