package config

import "fmt"

// alerts judges how alerts of an outside system are understood.
func (k *checker) alerts() {
	seen := map[string]int{}
	for i, a := range k.c.Alerts {
		p := k.source.item("alerts", i)
		k.among(p+".target", "target", a.Target, k.targetNames())
		k.among(p+".class", "failure class", a.Class, k.classNames())
		if !k.sound(p+".target", p+".target_label") {
			continue
		}
		switch {
		case a.Target == "" && a.TargetLabel == "":
			k.fail(Problem{Path: p + ".target", What: "is missing", Want: "the name of a target, or target_label"})
		case a.Target != "" && a.TargetLabel != "":
			k.fail(Problem{Path: p + ".target_label", What: "contradicts target", Got: a.TargetLabel, Hint: "keep one of them"})
		}
		key := fmt.Sprintf("%q %q %q", a.Alertname, a.Target, a.TargetLabel)
		if first, twice := seen[key]; twice && a.Alertname != "" {
			k.fail(Problem{Path: p + ".alertname", What: "is mapped twice to the same target", Got: fmt.Sprintf("%q", a.Alertname),
				Hint: fmt.Sprintf("the first is in line %d", k.source.place(k.source.item("alerts", first)).line)})
		} else if !twice {
			seen[key] = i
		}
	}
}
