package setup

import (
	"fmt"
	"strings"
)

// String is everything that is wanted, as text for people and for configuration management.
func (w Wanted) String() string {
	var b strings.Builder
	for _, f := range w.Files {
		fmt.Fprintf(&b, "==> %s (root:root %04o): %s\n%s\n", f.Path, f.Mode, f.Why, f.Content)
	}
	for _, d := range w.Dirs {
		fmt.Fprintf(&b, "==> directory %s (%s:%s %04o)\n", d.Path, d.Owner, d.Group, d.Mode)
	}
	for _, a := range w.Access {
		who := "and by nobody else (0640)"
		if !a.Secret {
			who = "(0640, or readable by all)"
		}
		fmt.Fprintf(&b, "==> %s is readable by group %s %s\n", a.Path, a.Group, who)
	}
	for _, r := range w.Roles {
		fmt.Fprintf(&b, "\n==> SQL for the cluster of target %s (%s, port %d)\n%s", r.Target, r.Host, r.Port, r.Script())
	}
	if len(w.Notes) > 0 {
		b.WriteString("\n")
	}
	for _, n := range w.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}
