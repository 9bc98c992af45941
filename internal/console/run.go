package console

import (
	"fmt"
	"time"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

// LogLine is what became of one step.
func LogLine(r incident.Run, i int) string {
	l := r.Log[i]
	result, took := string(l.Result), ""
	if l.Result == "" {
		result = string(r.Stage)
	} else {
		took = " in " + l.Ended.Sub(l.Began).Round(10*time.Millisecond).String()
	}
	out := fmt.Sprintf("%s  %2d/%d  %s: %s%s", Clock(l.Began), i+1, len(r.Steps), l.Name, result, took)
	if l.Detail != "" {
		out += ", " + l.Detail
	}
	if l.Approved != "" {
		out += " (approved by " + l.Approved + ")"
	}
	return out
}

// PrintRun prints a whole run.
func (c *Console) PrintRun(r incident.Run) {
	fmt.Fprintf(c.Out, "playbook %s, begun %s by %s", r.Playbook, r.Began.Local().Format(time.DateTime), r.By)
	if r.Why != "" {
		fmt.Fprintf(c.Out, " (%s)", r.Why)
	}
	fmt.Fprintln(c.Out)
	for i := range r.Log {
		fmt.Fprintln(c.Out, LogLine(r, i))
	}
	if r.Held != "" {
		fmt.Fprintf(c.Out, "waits (%s): %s\n", r.Held, r.HeldWhy)
	}
	fmt.Fprintln(c.Out, r.Words())
}
