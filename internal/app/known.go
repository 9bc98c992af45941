package app

import (
	"slices"

	"go.uber.org/zap"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/builtin"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Names of the platforms that this build has.
const (
	platformSystemd = "systemd"
	platformProcess = "process"
)

// Known lists the names that a configuration may use in this build.
func Known() config.Known {
	k := config.Known{Platforms: []string{platformSystemd, platformProcess}, Rule: wrongInRule}
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
