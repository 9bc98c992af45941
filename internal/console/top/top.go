package top

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
)

// topCmd is the live view. What it shows and how it answers keys is topview.go and topkeys.go; here
// it only gets its terminal and its data.
func (c *cli) topCmd() *cobra.Command {
	var every time.Duration
	cmd := &cobra.Command{Use: "top", Short: "Watch every target live, with the bars and curves of its last hour or day",
		Long: `Watch every target live on the whole terminal: state, a bar of the last hour (or 24 hours), curves of its
pool, its memory and its time to answer, and everything about the target that is chosen. It needs a terminal (over ssh:
ssh -t HOST sudo recoveryd top); recoveryd status needs none. It only looks: commands are given beside it.

Keys: up and down (or k and j) choose a target, h and d show the last hour or day, space stops and goes on, q ends.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, ok := console.Terminal(c.Out)
			in := os.Stdin
			_, readable := console.Terminal(in)
			if !ok || !readable || os.Getenv("TERM") == "dumb" {
				return console.Exit(console.Usage, errors.New("top draws on a terminal, and this is none (over ssh: ssh -t HOST sudo recoveryd top); for a file or a pipe use: recoveryd status, or recoveryd status --watch"))
			}
			if every < console.MinWatch {
				return console.Exit(console.Usage, fmt.Errorf("--interval %s is too short (want %s or more)", every, console.MinWatch))
			}
			m := topModel{span: live.Hour, every: every, paint: c.Paint, ask: func(span live.Span) topData { return c.askTop(cmd.Context(), span) }}
			if first := m.ask(m.span); first.err != nil {
				return first.err // said on the ordinary screen, with the way out
			}
			_, err := tea.NewProgram(m, tea.WithContext(cmd.Context()), tea.WithInput(in), tea.WithOutput(out)).Run()
			if errors.Is(err, tea.ErrInterrupted) || errors.Is(err, tea.ErrProgramKilled) && cmd.Context().Err() != nil {
				return nil // that is how it ends
			}
			return err
		}}
	cmd.Flags().DurationVar(&every, "interval", 2*time.Second, "time between two questions to the daemon")
	return cmd
}

// topData is what the daemon said, or why it said nothing.
type topData struct {
	st   httpserve.Status
	past map[string][]httpserve.Slot
	span live.Span
	err  error
}

func (c *cli) askTop(ctx context.Context, span live.Span) topData {
	d := topData{span: span, past: map[string][]httpserve.Slot{}}
	if d.err = c.Call(ctx, http.MethodGet, "/api/v1/status", nil, &d.st); d.err != nil {
		return d
	}
	var past []httpserve.TargetHistory
	if d.err = c.Call(ctx, http.MethodGet, "/api/v1/history?span="+span.Name, nil, &past); d.err != nil {
		return d
	}
	for _, p := range past {
		d.past[p.Target] = p.Slots
	}
	return d
}
