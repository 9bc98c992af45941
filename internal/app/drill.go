package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// drillAllowed says why the configuration allows no such drill now; nil when it does. What the
// state of the host says about it is for the core to judge.
func drillAllowed(c *config.Config, target string, fault incident.Fault, length time.Duration, now time.Time) error {
	d := c.Drills
	switch {
	case !d.On():
		return fmt.Errorf("drills are off: no target is listed in drills.targets of the configuration")
	case !slices.Contains(d.Targets, target):
		return fmt.Errorf("target %q may not be drilled (drills.targets: %s)", target, strings.Join(d.Targets, ", "))
	case !slices.Contains(d.Faults, string(fault)):
		return fmt.Errorf("fault %q is not allowed (drills.faults: %s)", fault, strings.Join(d.Faults, ", "))
	case length > d.Timeout:
		return fmt.Errorf("a drill may last %s, not %s (drills.timeout)", d.Timeout, length)
	}
	if _, open := d.Open(now); !open {
		return fmt.Errorf("no drill window is open now (drills.windows: %s)", d.WindowWords())
	}
	return nil
}

// mayDrill asks the configuration in force.
func (a *App) mayDrill(target string, fault incident.Fault, length time.Duration, now time.Time) error {
	return drillAllowed(a.Config(), target, fault, length, now)
}
