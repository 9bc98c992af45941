package drills

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/drill"
	"github.com/recoveryd/recoveryd/internal/drill/onhost"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// drillReportCmd reads what was kept.
func (c *cli) drillReportCmd(dir *string) *cobra.Command {
	var format string
	cmd := &cobra.Command{Use: "report [DRILL]", Short: "Print the report of a drill, of the latest one when none is named",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if format != "text" && format != "markdown" {
				return console.Exit(console.Usage, fmt.Errorf("--format %q is unknown (want text or markdown)", format))
			}
			s := onhost.Store{Dir: *dir}
			ids, err := s.Reports()
			if err != nil {
				return err
			}
			if len(args) == 0 && len(ids) == 0 {
				return fmt.Errorf("no drill has a report in %s", *dir)
			}
			id := ""
			if len(args) > 0 {
				id = args[0]
			} else {
				id = ids[len(ids)-1]
			}
			r, err := s.Report(id)
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("there is no report of drill %q in %s", id, *dir)
			}
			if err != nil {
				return err
			}
			switch {
			case c.Output == "json":
				return c.JSON(r)
			case format == "markdown":
				_, err = fmt.Fprint(c.Out, r.Markdown())
			default:
				_, err = fmt.Fprint(c.Out, r.Text())
			}
			return err
		}}
	cmd.Flags().StringVar(&format, "format", "text", "text or markdown")
	return cmd
}

// drillMendCmd is what the guard runs at its end, and what a person may run.
func (c *cli) drillMendCmd(dir *string) *cobra.Command {
	var ifLeft bool
	cmd := &cobra.Command{Use: "mend [DRILL]", Short: "Take back what a drill left that was killed", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s := onhost.Store{Dir: *dir}
			left, err := s.Left()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				left = slices.DeleteFunc(left, func(id string) bool { return id != args[0] })
			}
			if len(left) == 0 {
				if ifLeft {
					return nil
				}
				return console.Exit(console.NotHealthy, errors.New(nothingLeft(s, args)))
			}
			h, err := onhost.New(cmd.Context(), onhost.Hands{Store: s})
			if err != nil {
				return err
			}
			defer h.Close()
			return c.mendAll(cmd.Context(), h, left)
		}}
	cmd.Flags().BoolVar(&ifLeft, "if-left", false, "succeed also when nothing was left to take back")
	return cmd
}

// nothingLeft says why nothing is taken back.
func nothingLeft(s onhost.Store, args []string) string {
	if len(args) == 0 {
		return "nothing is left of any drill in " + s.Dir
	}
	ids, err := s.Reports()
	if err == nil && slices.Contains(ids, args[0]) {
		return "nothing is left of drill " + args[0] + ": it put everything back; see: recoveryd drill report " + args[0]
	}
	return fmt.Sprintf("there is no drill %q in %s%s", args[0], s.Dir, detect.Meant(args[0], ids))
}

// mendAll takes back what killed drills left.
func (c *cli) mendAll(ctx context.Context, h *onhost.Hands, ids []string) (err error) {
	for _, id := range ids {
		err = errors.Join(err, c.mend(ctx, h, id))
	}
	return err
}

// mend takes one drill back, and writes its report when it has none.
func (c *cli) mend(ctx context.Context, h *onhost.Hands, id string) error {
	r, did, found, err := h.Mend(ctx, id)
	if err != nil || !found { // somebody else has just taken it back
		return err
	}
	if did == "" {
		did = "nothing was left of it"
	}
	fmt.Fprintf(c.Out, "drill %s ended without putting things back: %s\n", id, did)
	over := *c.Console // where the drill found the daemon
	over.Socket = r.Socket
	if err := (drillDaemon{&cli{&over}}).Over(ctx, r.Order, "its process ended early; put back: "+did); err != nil {
		fmt.Fprintln(c.Err, "warning: the daemon was not told that the drill is over:", err)
	}
	switch old, err := h.Store.Report(id); {
	case err == nil:
		old.Restoration, old.Remarks = did, append(old.Remarks, "its guard put it back")
		return h.Store.SaveReport(old)
	case errors.Is(err, fs.ErrNotExist):
		return h.Store.SaveReport(drill.Judge(drill.Source{Order: r.Order, Unit: r.Unit, Announced: r.At, Injected: r.At,
			Aborted: "its process ended early", Restoration: did, Restored: time.Now()}))
	}
	return nil
}

// drillGuardCmd waits for the end of the drill's process; systemd then runs drill mend.
func drillGuardCmd() *cobra.Command {
	return &cobra.Command{Use: "guard PID", Short: "Wait until a drill has ended (run by systemd)", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			pid, err := strconv.Atoi(args[0])
			if err != nil {
				return console.Exit(console.Usage, fmt.Errorf("%q is no process", args[0]))
			}
			return onhost.AwaitExit(cmd.Context(), pid)
		}}
}

// drillSessionsCmd holds the sessions of fill-pool, as the user of the daemon.
func (c *cli) drillSessionsCmd() *cobra.Command {
	var target string
	cmd := &cobra.Command{Use: "sessions", Short: "Hold the sessions of a fill-pool drill (run by systemd)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := c.holdSessions(cmd.Context(), target)
			if err != nil {
				_, _ = daemon.SdNotify(false, "STATUS="+err.Error()) // the drill reads it
			}
			return err
		}}
	cmd.Flags().StringVar(&target, "target", "", "target whose application the sessions name")
	return cmd
}

func (c *cli) holdSessions(ctx context.Context, target string) error {
	cfg, err := c.Load()
	if err != nil {
		return err
	}
	t, ok := cfg.Target(target)
	if !ok {
		return fmt.Errorf("there is no target %q", target)
	}
	db, ok := cfg.Target(t.Pool.Database)
	if !ok || db.Postgres == nil {
		return fmt.Errorf("%s names no database (pool.database)", target)
	}
	return onhost.Fill(ctx, onhost.Filling{DSN: db.Postgres.DSN.Reveal(), Application: t.Pool.Application, Limit: t.Pool.Sessions, Reserve: cfg.Drills.Reserve},
		func(s string) { _, _ = daemon.SdNotify(false, "STATUS="+s+"\n"+daemon.SdNotifyReady) })
}

// drillHogCmd holds the memory of fill-memory.
func drillHogCmd() *cobra.Command {
	return &cobra.Command{Use: "hog BYTES", Short: "Hold the memory of a fill-memory drill", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.ParseUint(args[0], 10, 62)
			if err != nil || n == 0 {
				return console.Exit(console.Usage, fmt.Errorf("%q is no number of bytes", args[0]))
			}
			return onhost.Hog(os.Stdin, cmd.OutOrStdout(), n)
		}}
}
