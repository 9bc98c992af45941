// Package look holds the commands that show: what is going on, what happened and why, by the running daemon or
// from the journal.
package look

import (
	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/console"
)

// cli is the console that the commands print to.
type cli struct{ *console.Console }

// Commands are those of this package.
func Commands(on *console.Console) []*cobra.Command {
	c := &cli{on}
	return []*cobra.Command{c.statusCmd(), c.incidentsCmd(), c.showCmd(), c.logsCmd(), c.explainCmd(), c.reportCmd(), c.runbookCmd(), c.statsCmd(), c.evidenceCmd()}
}
