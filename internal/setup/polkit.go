package setup

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/platform/systemd"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// UnitRights is what recoveryd may do to one unit.
type UnitRights struct {
	Unit  string   `json:"unit"`
	Verbs []string `json:"verbs"` // as systemd tells them to polkit, sorted
}

// Rights collects what a list of actions needs of polkit, unit by unit.
func Rights(powers []strategy.Action) (out []UnitRights) {
	verbs := map[string][]string{}
	for _, a := range powers {
		if a.Args[strategy.ArgPlatform] != "systemd" {
			continue // a child process is ours anyway
		}
		for _, v := range systemd.Rights(a) {
			if !slices.Contains(verbs[a.Object], v) {
				verbs[a.Object] = append(verbs[a.Object], v)
			}
		}
	}
	for unit, list := range verbs {
		slices.Sort(list)
		out = append(out, UnitRights{unit, list})
	}
	slices.SortFunc(out, func(a, b UnitRights) int { return cmp.Compare(a.Unit, b.Unit) })
	return out
}

// polkitRule lets through exactly these units and verbs. Everything else of systemd is refused in so
// many words: after "not handled" for manage-units polkit would go on to ask for manage-unit-files,
// and an administrator's wider rule for that would then allow everything.
func polkitRule(in Input, units []UnitRights) string {
	var b strings.Builder
	b.WriteString(head(in, "//", "It lets through the units of its targets, each with the verbs that its ladders can lead to."))
	fmt.Fprintf(&b, "polkit.addRule(function (action, subject) {\n    if (subject.user !== %s) return polkit.Result.NOT_HANDLED;\n", quote(in.User))
	fmt.Fprintf(&b, "    if (action.id === %s) {\n        var may = {\n", quote(systemd.ManageUnits))
	for _, u := range units {
		var verbs []string
		for _, v := range u.Verbs {
			verbs = append(verbs, quote(v))
		}
		fmt.Fprintf(&b, "            %s: [%s],\n", quote(u.Unit), strings.Join(verbs, ", "))
	}
	b.WriteString(`        };
        var unit = action.lookup("unit");
        if (may.hasOwnProperty(unit) && may[unit].indexOf(action.lookup("verb")) >= 0)
            return polkit.Result.YES;
        return polkit.Result.NO;
    }
    if (action.id.indexOf("org.freedesktop.systemd1.") === 0) return polkit.Result.NO;
    return polkit.Result.NOT_HANDLED;
});
`)
	return b.String()
}

// quote writes a text as JavaScript does. Names of units may hold backslashes.
func quote(s string) string {
	b, _ := json.Marshal(s) // a string can always be marshalled
	return string(b)
}
