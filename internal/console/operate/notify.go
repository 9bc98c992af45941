package operate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// notifyCmd tries and shows the channels of the configuration, without a daemon.
func (c *cli) notifyCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "notify", Short: "Test the channels by which people are told, and show what they would get", Args: cobra.NoArgs}
	cmd.AddCommand(c.notifyTestCmd(), c.notifyPreviewCmd())
	return cmd
}

func (c *cli) notifyTestCmd() *cobra.Command {
	var channels []string
	var all bool
	cmd := &cobra.Command{Use: "test (--channel NAME | --all)", Short: "Send a marked test through channels, and take it back",
		Long: `Send a marked test page through channels as the configuration describes them, and then its all-clear. It goes
directly to the vendors, past the daemon and its outbox, so it also works before the first start. Prints for each
channel whether the vendor accepted it, and what to do when not. Exits 0 when every test was accepted. --all leaves
out public channels (Statuspage).`,
		Example: `  recoveryd notify test --channel pagerduty
  recoveryd notify test --all`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all == (len(channels) > 0) {
				return console.Exit(console.Usage, errors.New("say which channels: --channel NAME (may be repeated) or --all"))
			}
			cfg, err := c.Load()
			if err != nil {
				return err
			}
			ok, trials := true, []app.Trial{}
			err = app.TryChannels(cmd.Context(), cfg, channels, time.Now(), func(t app.Trial) {
				ok = ok && t.OK()
				trials = append(trials, t)
				if c.Output == "text" {
					c.printTrial(t)
				}
			})
			if err != nil {
				return console.Exit(console.Usage, err)
			}
			if c.Output == "json" {
				if err := c.JSON(trials); err != nil {
					return err
				}
			}
			if !ok {
				return console.Exit(console.NotHealthy, nil)
			}
			return nil
		}}
	cmd.Flags().StringArrayVar(&channels, "channel", nil, "name of a notifier in the configuration (may be repeated)")
	cmd.Flags().BoolVar(&all, "all", false, "every channel that is not public")
	return cmd
}

func (c *cli) printTrial(t app.Trial) {
	took := time.Duration(t.Took * float64(time.Second)).Round(time.Millisecond)
	who := fmt.Sprintf("%s (%s)", t.Channel, t.Type)
	switch {
	case t.Skipped != "":
		fmt.Fprintf(c.Out, "%s: skipped: %s\n", who, t.Skipped)
	case !t.Accepted:
		fmt.Fprintf(c.Out, "%s: NOT ACCEPTED after %s: %s\n    what to do: %s\n", who, took, t.Error, t.Advice)
	case t.Missing != "":
		fmt.Fprintf(c.Out, "%s: accepted in %s, but NOT BY ALL: %s\n    what to do: correct the receiver, or take it out of the channel\n", who, took, t.Missing)
	case t.Left != "":
		fmt.Fprintf(c.Out, "%s: accepted in %s, but the test alert is still open: %s\n    what to do: close it at the vendor by hand\n", who, took, t.Left)
	default:
		fmt.Fprintf(c.Out, "%s: accepted in %s, and taken back again\n", who, took)
	}
}

func (c *cli) notifyPreviewCmd() *cobra.Command {
	var channels []string
	var id, kind, state string
	cmd := &cobra.Command{Use: "preview [--channel NAME] [--incident ID]", Short: "Show exactly what channels would be sent; nothing is sent",
		Long: `Show the request bodies and mails that channels would be sent, with the templates of the configuration and
with secrets replaced: of an incident in the journal, or of an invented sample. Nothing is sent. With one --channel
only the body is printed, for other programs to read.`,
		Example: `  recoveryd notify preview
  recoveryd notify preview --channel pagerduty | jq .payload.summary
  recoveryd notify preview --channel mail --incident codebase-mcp-20261122-031205 --kind resolve`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			kinds := []notice.Kind{notice.Trigger, notice.Update, notice.Resolve, notice.Change}
			if !slices.Contains(kinds, notice.Kind(kind)) {
				return console.Exit(console.Usage, fmt.Errorf("--kind %q is unknown (want trigger, update, resolve or change)", kind))
			}
			cfg, err := c.Load()
			if err != nil {
				return err
			}
			msg := func(string) (notice.Notice, error) {
				n := notice.Sample(notice.Kind(kind), "sample-1", cfg.Host, time.Now())
				n.Runbook = app.Runbook(cfg, detect.Class(n.Class))
				if link := cfg.HTTP.ExternalURL; link != "" {
					n.Link = strings.TrimSuffix(link, "/") + "/incidents/" + n.Incident
				}
				return n, nil
			}
			if id != "" {
				if state == "" {
					state = cfg.StateDir
				}
				h, err := app.OpenHistory(cmd.Context(), state)
				if err != nil {
					return err
				}
				defer h.Close()
				msg = func(channel string) (notice.Notice, error) {
					return h.NoticeOf(cmd.Context(), cfg, id, notice.Kind(kind), channel, time.Now())
				}
			}
			list, err := app.PreviewChannels(cfg, channels, msg)
			if bad := new(app.ConfigError); errors.As(err, &bad) {
				return console.Exit(console.Usage, err)
			}
			if err != nil {
				return err
			}
			if c.Output == "json" {
				return c.JSON(list)
			}
			for n, p := range list {
				if len(channels) != 1 {
					if n > 0 {
						fmt.Fprintln(c.Out)
					}
					fmt.Fprintf(c.Out, "--- %s (%s), %s\n", p.Channel, p.Type, p.Kind)
				}
				fmt.Fprintln(c.Out, strings.TrimRight(p.Body, "\n"))
			}
			return nil
		}}
	cmd.Flags().StringArrayVar(&channels, "channel", nil, "name of a notifier in the configuration (may be repeated; default: all)")
	cmd.Flags().StringVar(&id, "incident", "", "an incident of the journal (default: an invented sample)")
	cmd.Flags().StringVar(&kind, "kind", string(notice.Trigger), "trigger, update, resolve or change")
	cmd.Flags().StringVar(&state, "state-dir", "", "directory of the journal (default: state_dir of the configuration)")
	return cmd
}
