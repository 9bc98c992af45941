package install

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/config"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/doctor"
	"github.com/recoveryd/recoveryd/internal/drill/onhost"
	"github.com/recoveryd/recoveryd/internal/setup/host"
)

func (c *cli) doctorCmd() *cobra.Command {
	var inside bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check that recoveryd can do here what its configuration asks, and no more",
		Long: `Check the host as the service's own user, within the sandbox of its unit: D-Bus, the rights that polkit
gives over each unit (and that it refuses all others), names of units, directories, secrets, PostgreSQL
and its grants, ports, channels, clock, control groups, the control socket. Nothing is changed or sent.
Started as root it becomes that user by itself, and asks besides what only root may ask.

Exit codes: 0 all well, perhaps with warnings; 1 something is missing, or too much is allowed; 2 bad
configuration or bad arguments.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doctor(cmd.Context(), inside) },
	}
	cmd.Flags().BoolVar(&inside, "inside", false, "look as whoever runs this, for root, who started it")
	_ = cmd.Flags().MarkHidden("inside") // exists: it was defined a line above
	return cmd
}

func (c *cli) doctor(ctx context.Context, inside bool) error {
	file, err := filepath.Abs(c.Config)
	if err != nil {
		return err
	}
	s := host.Host{}.Service(ctx)
	o, err := c.doctorOptions(file, s)
	if err != nil {
		return err
	}
	o.AsRoot = inside || os.Geteuid() == 0
	var r doctor.Report
	if !inside && os.Geteuid() == 0 {
		r.Findings, r.As, err = doctor.Sandboxed(ctx, s, "doctor", "--inside", "-o", "json", "--config", file)
		if err != nil {
			r.Findings = []doctor.Finding{{Check: "user", Object: s.User, Status: doctor.Fail, Detail: err.Error(), Mend: "recoveryd setup --apply"}}
		}
		r.Findings = append(r.Findings, doctor.Outside(ctx, o, s)...)
		r.Findings = append(r.Findings, drillsLeft(onhost.Store{Dir: onhost.ReportsDir})...)
	} else {
		r.As, r.Findings = "user "+username(), doctor.Inside(ctx, o)
	}
	if c.Output == "json" {
		err = c.JSON(r)
	} else {
		err = c.printDoctor(r)
	}
	if err == nil && r.Worst() == doctor.Fail && !inside {
		return console.Exit(console.NotHealthy, nil)
	}
	return err
}

// drillsLeft warns of drills that ended without putting things back, as those do whose host lost its
// power. The one that is under way is none of them.
func drillsLeft(s onhost.Store) []doctor.Finding {
	left, err := s.Left()
	if err != nil || len(left) == 0 {
		return nil
	}
	unlock, err := s.Lock()
	if err != nil {
		return nil // one is under way, and puts back by itself what others left
	}
	defer unlock()
	var out []doctor.Finding
	for _, id := range left {
		out = append(out, doctor.Finding{Check: "drills", Object: id, Status: doctor.Warn,
			Detail: "ended without putting things back and without a report", Mend: "recoveryd drill mend"})
	}
	return out
}

// doctorOptions reads the configuration twice when its secrets cannot be had: what else is in it is
// looked at all the same.
func (c *cli) doctorOptions(file string, s host.Service) (doctor.Options, error) {
	known := app.Known()
	o := doctor.Options{ConfigFile: file}
	o.Config, o.LoadError = config.Load(file, known)
	if o.LoadError != nil {
		known.WithoutSecrets = true
		var err error
		if o.Config, err = config.Load(file, known); err != nil {
			return o, console.Exit(console.Usage, err)
		}
	}
	o.Peers = app.Peers(o.Config)
	o.Instead = func(ctx context.Context) map[string]string { return app.Instead(ctx, o.Config) }
	o.Parts = func() error { return app.CheckParts(o.Config) }
	o.Warnings = app.Warnings(o.Config, time.Now())
	var err error
	o.Wanted, err = c.wanted(s)
	return o, err
}

func (c *cli) printDoctor(r doctor.Report) error {
	fmt.Fprintf(c.Out, "as %s\n\n", r.As)
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	var mend []string
	count := map[doctor.Status]int{}
	for _, f := range r.Findings {
		count[f.Status]++
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", strings.ToUpper(string(f.Status)), f.Check, f.Object, f.Detail)
		if f.Status != doctor.OK && f.Mend != "" {
			mend = append(mend, fmt.Sprintf("%s %s: %s", f.Check, f.Object, f.Mend))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "\n%d ok, %d warnings, %d failures\n", count[doctor.OK], count[doctor.Warn], count[doctor.Fail])
	if len(mend) > 0 {
		fmt.Fprintln(c.Out, "\nTo mend:")
	}
	for _, m := range mend {
		fmt.Fprintln(c.Out, " ", m)
	}
	return nil
}

func username() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprint(os.Geteuid())
}
