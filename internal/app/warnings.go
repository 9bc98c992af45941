package app

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// Warnings are what is legal but risky in a configuration: what the file itself shows, and the
// places of the escalation where, from now on, nobody is told.
func Warnings(c *config.Config, now time.Time) []strictyaml.Problem {
	out := slices.Clone(c.Warnings)
	routed, err := routingOf(c)
	if err != nil || len(c.Notifiers) == 0 {
		return out // that is said elsewhere
	}
	for _, g := range routed.Router().Gaps(now) {
		if !g.Note {
			out = append(out, c.ProblemAt(gapPath(c, g.Name), g.Text, "recoveryd escalation shows who is told; name somebody under roles or oncall"))
		}
	}
	return out
}

// logWarnings tells the log of what is risky in a configuration that comes into force: nobody may have
// validated it.
func logWarnings(c *config.Config, log *zap.Logger) {
	for _, w := range Warnings(c, time.Now()) {
		log.Warn("the configuration is legal but risky", zap.String("where", w.Path), zap.Stringer("what", w))
	}
}

// gapPath is where in the file a name is given its people.
func gapPath(c *config.Config, name string) string {
	switch {
	case slices.ContainsFunc(c.OnCall, func(s config.Schedule) bool { return s.Name == name }):
		return "oncall[" + name + "]"
	case slices.ContainsFunc(c.Roles, func(r config.Role) bool { return r.Name == name }):
		return "roles[" + name + "]"
	}
	return "roles"
}
