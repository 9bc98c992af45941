// Package operate holds the commands that tell the running daemon something, or people through its channels.
package operate

import (
	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/console"
)

// cli is the console that the commands print to.
type cli struct{ *console.Console }

// Commands are those of this package.
func Commands(on *console.Console) []*cobra.Command {
	c := &cli{on}
	return append([]*cobra.Command{c.notifyCmd(), c.escalationCmd(), c.recoverCmd(), c.playbookCmd(), c.reloadCmd()}, c.operatorCmds()...)
}
