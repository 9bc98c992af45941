package drills

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/drill"
	"github.com/recoveryd/recoveryd/internal/drill/conduct"
	"github.com/recoveryd/recoveryd/internal/drill/onhost"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// drillCmd breaks something on purpose, as root and beside the daemon.
func (c *cli) drillCmd() *cobra.Command {
	var target, plan, dir, by string
	var timeout time.Duration
	cmd := &cobra.Command{Use: "drill FAULT --target TARGET | drill --plan NAME", Short: "Break a target on purpose, and measure how it is found, cured and told",
		Long: `Bring a real and bounded fault about, and measure by the daemon's own records how soon it was noticed, acted on,
proven cured and told. Faults: kill, stop, freeze, fill-pool, fill-memory.

What may be drilled, and when, is in the section drills of the configuration: nothing, until a target is listed.
The daemon refuses a drill while an incident is open, while anything or anybody holds the target, when it is not
seen to be well, and when its budgets leave no room for a real failure. The fault is taken back when the target is
well again, when the time is over, on Ctrl-C, and by a guard of its own when this process is killed.

Ends with 0 when the drill passed (or the target came back by itself), 1 when not, 2 when it was refused.`,
		Example: `  sudo recoveryd drill kill --target codebase-mcp
  sudo recoveryd drill --plan monthly
  recoveryd drill report --format markdown`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg := c.Glance()
			if cfg == nil {
				_, err := c.Load() // says why
				return errors.Join(err, console.Exit(console.Usage, fmt.Errorf("the configuration %s cannot be read", c.Config)))
			}
			steps, pause, err := drillSteps(cfg, plan, target, args)
			if err != nil {
				return console.Exit(console.Usage, err)
			}
			if timeout <= 0 {
				timeout = cfg.Drills.Timeout
			}
			hands, unlock, err := c.drillHands(cmd.Context(), cfg, dir)
			if err != nil {
				return err
			}
			defer hands.Close()
			defer unlock()
			return c.drills(cmd.Context(), cfg, hands, steps, pause, timeout, by)
		}}
	f := cmd.Flags()
	f.StringVar(&target, "target", "", "target to break")
	f.StringVar(&plan, "plan", "", "run the drills of this plan of the configuration, one after the other")
	f.DurationVar(&timeout, "timeout", 0, "time from the fault until the target must be well (default: drills.timeout)")
	console.WhoSays(f, &by)
	cmd.PersistentFlags().StringVar(&dir, "dir", reportsDir(), "directory of the reports")
	cmd.AddCommand(c.drillReportCmd(&dir), c.drillMendCmd(&dir), drillGuardCmd(), c.drillSessionsCmd(), drillHogCmd())
	return cmd
}

// reportsDir is the directory that systemd made for the drills, or the usual one.
func reportsDir() string {
	if d := os.Getenv("STATE_DIRECTORY"); filepath.Base(d) == filepath.Base(onhost.ReportsDir) {
		return d
	}
	return onhost.ReportsDir
}

// drillSteps are the drills that are asked for.
func drillSteps(cfg *config.Config, plan, target string, args []string) ([]config.DrillStep, time.Duration, error) {
	switch {
	case plan != "" && (target != "" || len(args) > 0):
		return nil, 0, errors.New("--plan names its own faults and targets: leave out FAULT and --target")
	case plan != "":
		p, ok := cfg.Drills.Plan(plan)
		if !ok {
			var names []string
			for _, x := range cfg.Drills.Plans {
				names = append(names, x.Name)
			}
			return nil, 0, fmt.Errorf("there is no plan %q in drills.plans (there are: %s)", plan, console.Dash(strings.Join(names, ", ")))
		}
		return p.Steps, p.Pause, nil
	case len(args) == 0 || target == "":
		return nil, 0, fmt.Errorf("name a fault and --target, or --plan (faults: %v)", incident.Faults())
	case !slices.Contains(incident.Faults(), incident.Fault(args[0])):
		return nil, 0, fmt.Errorf("unknown fault %q (want one of %v)", args[0], incident.Faults())
	}
	return []config.DrillStep{{Fault: args[0], Target: target}}, 0, nil
}

// drillHands connects to the host, takes the lock, and mends what an earlier drill left.
func (c *cli) drillHands(ctx context.Context, cfg *config.Config, dir string) (*onhost.Hands, func(), error) {
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	file, err := filepath.Abs(c.Config)
	if err != nil {
		return nil, nil, err
	}
	h, err := onhost.New(ctx, onhost.Hands{Store: onhost.Store{Dir: dir}, Program: program, Config: file, User: ownerOf(cfg.RuntimeDir)})
	if err != nil {
		return nil, nil, err
	}
	unlock, err := h.Store.Lock()
	if err == nil { // those whose guard was killed too
		var left []string
		left, err = h.Store.Left()
		if err = errors.Join(err, c.mendAll(ctx, h, left)); err != nil {
			unlock()
		}
	}
	if err != nil {
		h.Close()
		return nil, nil, err
	}
	return h, unlock, nil
}

// ownerOf is the user that a directory belongs to: that of the daemon.
func ownerOf(dir string) string {
	fi, err := os.Stat(dir)
	if err != nil {
		return "root"
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return "root"
	}
	id := strconv.FormatUint(uint64(st.Uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// drills runs the steps until one fails, and prints each report.
func (c *cli) drills(ctx context.Context, cfg *config.Config, h *onhost.Hands, steps []config.DrillStep, pause, timeout time.Duration, by string) error {
	var reports []drill.Report
	var last error
	for n, s := range steps {
		if n > 0 && !waitFor(ctx, pause) {
			break
		}
		id := fmt.Sprintf("%s-%s-%s", time.Now().UTC().Format("20060102-150405"), s.Fault, slug(s.Target))
		o := drill.Order{ID: h.Store.Free(id),
			Fault: incident.Fault(s.Fault), Target: s.Target, By: by, Timeout: timeout}
		r := (&conduct.Conductor{Daemon: drillDaemon{c}, Hands: &drillHands{Hands: h, cfg: cfg, socket: c.SocketPath()}, Host: cfg.Host,
			Tell: func(format string, args ...any) {
				fmt.Fprintf(c.Err, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
			}}).Run(ctx, o)
		reports = append(reports, r)
		if err := h.Store.SaveReport(r); err != nil {
			fmt.Fprintln(c.Err, "warning: the report is not kept:", err)
		}
		if c.Output == "text" {
			if n > 0 {
				fmt.Fprintln(c.Out)
			}
			fmt.Fprint(c.Out, r.Text())
		}
		switch r.Verdict {
		case drill.Passed, drill.Alone:
			continue
		case drill.Refused:
			last = console.Exit(console.Usage, fmt.Errorf("drill refused: %s", r.Why))
		default:
			last = console.Exit(console.NotHealthy, fmt.Errorf("drill %s: %s", r.Verdict, r.Why))
		}
		break
	}
	if c.Output == "json" {
		if err := c.JSON(reports); err != nil {
			return err
		}
	}
	if last == nil && len(reports) < len(steps) {
		return console.Exit(console.NotHealthy, errors.New("the plan was interrupted"))
	}
	return last
}

func waitFor(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// slug makes a part of a drill's id of a target's name, which is also a part of a unit's name.
func slug(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, s[:min(len(s), 40)]), "-")
}
