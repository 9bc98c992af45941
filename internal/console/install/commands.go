// Package install holds the commands that put recoveryd into place on a host: a first configuration, the rights, and whether
// all of it is there; and two that units run.
package install

import (
	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/console"
)

// cli is the console that the commands print to.
type cli struct{ *console.Console }

// Commands are those of this package.
func Commands(on *console.Console) []*cobra.Command {
	c := &cli{on}
	return []*cobra.Command{c.initCmd(), c.setupCmd(), c.doctorCmd(), procviewCmd(), passNumberCmd()}
}
