package app

import (
	"fmt"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// asking tells which facts of a target the operator's rules look at: those are measured at every look.
type asking []detect.Condition

// rulesAsk compiles the rules of a configuration for what they ask.
func rulesAsk(c *config.Config) (a asking, err error) {
	for _, r := range c.Rules {
		cond, err := detect.CompileRule(ruleOf(r))
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.Name, err)
		}
		a = append(a, cond)
	}
	return a, nil
}

// of reports whether a rule about the target looks at facts whose names begin with prefix.
func (a asking) of(t config.Target, prefix string) bool {
	return slices.ContainsFunc(a, func(c detect.Condition) bool { return c.Asks(targetOf(t), prefix) })
}

// paths are the file systems that rules which name the target look at. A rule that names no target is
// about those that measure the path anyway, or it would hold for every target of the host.
func (a asking) paths(t config.Target) (paths []string) {
	for _, c := range a {
		if len(c.Targets) == 0 || !c.Asks(targetOf(t), "") {
			continue
		}
		for _, f := range c.Facts {
			for _, prefix := range []string{detect.DiskShare, detect.InodeShare} {
				if path, ok := strings.CutPrefix(f, prefix); ok && !slices.Contains(paths, path) {
					paths = append(paths, path)
				}
			}
		}
	}
	return paths
}
