package process

import (
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/pkg/platform"
)

// Keys are the keys of a target that is a child of recoveryd.
type Keys struct {
	// Program and arguments, for platform process; with it the platform is process. No shell is involved.
	Command []string `yaml:"command"`
	// Environment of the program, for platform process, besides that of recoveryd.
	Env []config.Variable `yaml:"env"`
	// Working directory of the program, for platform process.
	Dir string `yaml:"dir" form:"path" shown:"the working directory of recoveryd"`
}

// Driver is the platform of child processes. Whoever runs the daemon makes its adapter, which lives as long as
// the daemon and not as a configuration.
func Driver() platform.Driver {
	return platform.Driver{Name: "process", Keys: Keys{}, Judge: func(t platform.Target, keys any) (string, []platform.Wrong) {
		if len(keys.(*Keys).Command) == 0 {
			return t.Name, []platform.Wrong{{Key: "command", What: "is missing", Want: "the program and its arguments"}}
		}
		return t.Name, nil
	}}
}
