// Package top is the live view of every target on a terminal. Start reading at topModel in keys.go.
package top

import (
	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/console"
)

// cli is the console that the commands print to.
type cli struct{ *console.Console }

// Commands are those of this package.
func Commands(on *console.Console) []*cobra.Command {
	c := &cli{on}
	return []*cobra.Command{c.topCmd()}
}
