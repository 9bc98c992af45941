// Package trial holds the commands that try something without a daemon: a configuration, one look, captured
// replies, the rules on what happened.
package trial

import (
	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/console"
)

// cli is the console that the commands print to.
type cli struct{ *console.Console }

// Commands are those of this package.
func Commands(on *console.Console) []*cobra.Command {
	c := &cli{on}
	return []*cobra.Command{c.validateCmd(), c.checkCmd(), c.diagnoseCmd(), c.replayCmd()}
}
