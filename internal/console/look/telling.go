package look

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/httpserve"
)

// printTelling prints the channels by which people are told and who watches recoveryd itself, below
// the targets of status.
func (c *cli) printTelling(st httpserve.Status) error {
	var t app.Telling
	b, err := json.Marshal(st.Channels) // any: httpserve knows nothing of outbox and canary
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err != nil {
		return fmt.Errorf("read what the daemon says of its channels: %w", err)
	}
	canaries := map[string]app.CanaryChannel{}
	if t.Canary != nil {
		for _, ch := range t.Canary.Channels {
			canaries[ch.Channel] = ch
		}
	}
	if len(t.Channels) > 0 {
		w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "\nCHANNEL\tWAITING\tACCEPTED\tCANARY\tSTATE")
		for _, ch := range t.Channels {
			waiting := fmt.Sprint(ch.Queued)
			if ch.Queued > 0 {
				waiting += ", oldest " + console.Ago(st.Now, ch.Oldest)
			}
			canary := "-"
			switch x, ok := canaries[ch.Channel]; {
			case ok && x.Failed != "":
				canary = "FAILED: " + x.Failed
			case ok:
				canary = console.Ago(st.Now, x.Accepted)
			}
			state := "ok"
			switch {
			case !ch.Configured:
				state = "not configured any more"
			case ch.Trouble != "":
				state = "TROUBLE: " + ch.Trouble
				if len(ch.Told) > 0 {
					state += " (told: " + strings.Join(ch.Told, ", ") + ")"
				}
			case !ch.FailingSince.IsZero():
				state = "failing for " + console.Age(st.Now, ch.FailingSince) + ": " + ch.LastError
			case ch.Missing != "":
				state = "not everybody has the oldest notice: " + ch.Missing
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", ch.Channel, waiting, console.Ago(st.Now, ch.LastSuccess), canary, state)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if t.StoreError != "" {
		fmt.Fprintf(c.Out, "\noutbox: %d notices are only in memory: %s\n", t.Unstored, t.StoreError)
	}
	if h := t.Heartbeat; h != nil {
		state := "sent " + console.Ago(st.Now, h.Last)
		if h.Trouble != "" {
			state = fmt.Sprintf("NOT SENT for %s (%s); last %s", console.Age(st.Now, h.Since), h.Trouble, console.Ago(st.Now, h.Last))
		}
		fmt.Fprintf(c.Out, "\nheartbeat: %s, every %s\n", state, h.Interval)
	}
	if x := t.Canary; x != nil {
		state := "next " + x.Next.Local().Format("2006-01-02 15:04 MST")
		if x.Running != "" {
			state = "under way: " + x.Running
		}
		fmt.Fprintf(c.Out, "canary: every %s, %s\n", x.Every, state)
	}
	return nil
}
