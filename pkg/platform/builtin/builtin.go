// Package builtin lists the platforms of this build. It is the only place that names them all.
package builtin

import (
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/strictyaml"
	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/platform/docker"
	"github.com/recoveryd/recoveryd/pkg/platform/process"
	"github.com/recoveryd/recoveryd/pkg/platform/systemd"
)

// Drivers lists them. The first is the one that is meant where a configuration says nothing else.
func Drivers() []platform.Driver {
	return []platform.Driver{systemd.Driver(), process.Driver(), docker.Driver()}
}

// Keys are what the configuration is told of platforms.
func Keys(drivers []platform.Driver) (out []config.Platform) {
	for _, d := range drivers {
		p := config.Platform{Name: d.Name, Keys: d.Keys, Drills: d.Drills, Forms: map[string]strictyaml.Form{}}
		for name, f := range d.Forms {
			p.Forms[name] = strictyaml.Form(f)
		}
		if d.Judge != nil {
			p.Judge = func(t config.Target, keys any) (string, []config.Wrong) {
				object, found := d.Judge(platform.Target{Name: t.Name, Kind: t.Kind, Object: t.Object, Keys: keys}, keys)
				var wrong []config.Wrong
				for _, w := range found {
					wrong = append(wrong, config.Wrong(w))
				}
				return object, wrong
			}
		}
		out = append(out, p)
	}
	return out
}
