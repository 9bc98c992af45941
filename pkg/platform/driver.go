package platform

import (
	"context"

	"go.uber.org/zap"
)

// Driver is one platform: everything that recoveryd knows of it stands behind this, in the platform's folder.
// [github.com/recoveryd/recoveryd/pkg/platform/builtin.Drivers] lists those of a build.
type Driver struct {
	// Name is what a target's "platform" says.
	Name string
	// Keys is the struct of the keys of a target that are the platform's own, by value. Its fields have the tags of
	// the configuration (yaml, form, want, default, ...) and a comment each, from which the reference is made.
	Keys any
	// Forms are the forms of text that its keys name.
	Forms map[string]Form
	// Judge says what the platform calls a target with these keys (a pointer to the struct of Keys), and what is
	// wrong with them. It must be pure.
	Judge func(t Target, keys any) (object string, wrong []Wrong)
	// Drills: faults can be brought about on it.
	Drills bool
	// Open makes the adapter. It is asked for once for each configuration that has targets of the platform, and
	// closed (io.Closer) when that configuration is no longer in force. Nil: something else makes it.
	Open func(ctx context.Context, o Options) (Adapter, error)
}

// Form is one form of text.
type Form struct {
	Want string              // what it looks like: "a container's name such as shop-api-1"
	Fits func(string) bool   // whether a text has it
	Cure func(string) string // what to write instead of one that has not, or ""; nil: nothing is known
}

// Target is what a driver is told of a target.
type Target struct {
	Name, Kind string
	Object     string // what the platform calls it
	Keys       any    // a pointer to the struct of the driver's keys
}

// Wrong is what is wrong, or only risky, with one key of a target.
type Wrong struct {
	Key             string // of the target
	What, Got, Want string // "is a template and not a unit", what stands there, what should
	Hint            string
	Risk            bool // it is legal
}

// Options are what an adapter is made from.
type Options struct {
	Targets []Target // those of this platform, in the order of the configuration
	EnvDir  string   // where environment files with the size of a pool are
	EnvKeys []string // variables that may be set in them
	Logger  *zap.Logger
}
