package page

import (
	"encoding/json"
	"fmt"
	"time"
)

// telling is what this page reads of httpserve.Daemon.Channels, whatever else is in it.
type telling struct {
	Channels []struct {
		Channel string
		Queued  int
		Pages   int
		Oldest  time.Time
		Trouble string
	}
	Heartbeat *struct{ Trouble string }
}

// pageWaits is for how long a page may wait before it is said here: one try and its repetition
// take seconds.
const pageWaits = time.Minute

// tellingNotes says when people cannot be told: it belongs on the page because it cannot be in a
// page.
func tellingNotes(channels any, now time.Time) []note {
	b, err := json.Marshal(channels)
	if err != nil {
		return nil // a value that is no JSON is the daemon's mistake; its API fails visibly
	}
	var t telling
	if err := json.Unmarshal(b, &t); err != nil {
		return nil
	}
	var out []note
	for _, c := range t.Channels {
		switch {
		case c.Trouble != "":
			n := note{moodBad, fmt.Sprintf("People cannot be told by %s: %s", c.Channel, c.Trouble)}
			if c.Queued > 0 {
				n.Text += fmt.Sprintf(" (%s)", plural(c.Queued, "notice waits", "notices wait"))
			}
			out = append(out, n)
		case c.Pages > 0 && now.Sub(c.Oldest) > pageWaits:
			out = append(out, note{moodWarn, fmt.Sprintf("%s for %s since %s", plural(c.Pages, "page waits", "pages wait"), c.Channel, clock(c.Oldest, now))})
		}
	}
	if t.Heartbeat != nil && t.Heartbeat.Trouble != "" {
		out = append(out, note{moodWarn, "The outbound heartbeat is not sent: " + t.Heartbeat.Trouble})
	}
	return out
}
