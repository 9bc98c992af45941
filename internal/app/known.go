package app

import (
	"slices"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/builtin"
	"github.com/recoveryd/recoveryd/pkg/platform"
	platforms "github.com/recoveryd/recoveryd/pkg/platform/builtin"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Names of platforms that are treated apart here.
const (
	platformSystemd = "systemd"
	platformProcess = "process"
)

// Known lists the names that a configuration may use: with the platforms of this build, or with others.
func Known(drivers ...platform.Driver) config.Known {
	k := config.Known{Platforms: platforms.Keys(driversOr(drivers)), Rule: wrongInRule, Notifier: wrongInNotifier}
	for _, s := range strategy.Builtin() {
		k.Strategies = append(k.Strategies, s.Name())
	}
	for _, c := range detect.BuiltinClasses() {
		k.Classes = append(k.Classes, string(c))
	}
	for name := range builtin.All(zap.NewNop()) {
		k.NotifierTypes = append(k.NotifierTypes, name)
	}
	slices.Sort(k.NotifierTypes)
	return k
}

// driversOr are the given platforms, or those of this build.
func driversOr(drivers []platform.Driver) []platform.Driver {
	if drivers == nil {
		return platforms.Drivers()
	}
	return drivers
}

// wrongInNotifier builds a notifier only to hear what is wrong and what is risky in its section.
func wrongInNotifier(n config.Notifier) (warnings []strictyaml.Problem, err error) {
	_, err = builtin.All(zap.NewNop())[n.Type](func(into any) error {
		found, err := n.Section.DecodeWarn(into)
		warnings = found
		return err
	})
	if err != nil {
		err = placed(n, err)
	}
	return warnings, err
}
