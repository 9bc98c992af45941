package top

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/pkg/detect"
)

// View draws everything.
func (m topModel) View() tea.View {
	v := tea.NewView(m.screen())
	v.AltScreen = true
	v.WindowTitle = "recoveryd top"
	return v
}

// screen is the text of the whole screen, no line longer and no more lines than it has.
func (m topModel) screen() string {
	if m.width == 0 || m.at.IsZero() && m.trouble == nil {
		return "asking the daemon ..."
	}
	lines := m.head()
	foot := []string{"", m.paint(console.Faint, console.BarLegend), m.paint(console.Faint, "up/down choose   h hour   d day   space stop   q end")}
	about := m.about()
	rows := m.rows()
	if room := m.height - len(lines) - len(foot) - min(len(about), 6); len(rows) > max(2, room) {
		rows = m.around(rows, max(2, room))
	}
	lines = append(lines, rows...)
	lines = append(lines, about[:max(0, min(len(about), m.height-len(lines)-len(foot)))]...)
	lines = append(lines, foot...)
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, m.width, "…")
	}
	return strings.Join(lines[:min(len(lines), m.height)], "\n")
}

// head answers first whether anything is wrong.
func (m topModel) head() []string {
	st := m.heard.st
	state := "live"
	switch {
	case m.trouble != nil:
		state = m.paint(console.Bad, "NO ANSWER, what is shown is old: ") + console.Printable(m.trouble.Error())
	case m.stopped:
		state = m.paint(console.Warn, "stopped")
	}
	lines := []string{fmt.Sprintf("%s  %s  %s", m.paint(console.Strong, "recoveryd "+st.Version), m.at.Local().Format(time.TimeOnly), state), m.summary()}
	if st.Impaired != "" {
		lines = append(lines, m.paint(console.Bad, "recoveryd may only page: "+console.Printable(st.Impaired)))
	}
	if st.Pause != nil {
		lines = append(lines, m.paint(console.Warn, "paused by "+console.Printable(st.Pause.By+console.UntilWords(st.Pause))))
	}
	return append(lines, "")
}

// summary counts in one line.
func (m topModel) summary() string {
	count := map[detect.Verdict]int{}
	open := map[string]bool{}
	for _, t := range m.heard.st.Targets {
		count[t.Verdict]++
		if t.Incident != "" {
			open[t.Incident] = true
		}
	}
	parts := []string{fmt.Sprintf("%d targets", len(m.heard.st.Targets))}
	for _, v := range []detect.Verdict{detect.Healthy, detect.Degraded, detect.Unhealthy, detect.Unknown} {
		if count[v] > 0 {
			parts = append(parts, m.paint(console.VerdictHue(v), fmt.Sprintf("%d %s", count[v], v)))
		}
	}
	switch len(open) {
	case 0:
		parts = append(parts, "no open incident")
	case 1:
		parts = append(parts, m.paint(console.Bad, "1 open incident"))
	default:
		parts = append(parts, m.paint(console.Bad, fmt.Sprintf("%d open incidents", len(open))))
	}
	return strings.Join(parts, ", ")
}

// sparkWidth is how wide the small curves of a row are, with its number of at most 9 letters.
const (
	sparkWidth = 8
	numWidth   = 9
	wideEnough = 120 // from here on a row has its curves beside its bar
)

// rows are the heads of the table and a line for each target.
func (m topModel) rows() []string {
	name := len("TARGET")
	for _, t := range m.heard.st.Targets {
		name = max(name, min(24, ansi.StringWidth(t.Name)))
	}
	curved := m.width >= wideEnough
	left := 2 + name + 2 + 9 + 2 + 10 + 2
	bar := m.width - left - 10
	if curved {
		bar -= 3 * (2 + sparkWidth + 1 + numWidth)
	}
	bar = max(10, min(bar, m.span.Slots))
	head := "  " + pad("TARGET", name) + "  " + pad("VERDICT", 9) + "  " + pad("PHASE", 10) + "  " + pad(strings.ToUpper(m.span.Words), bar) + "  SERVED"
	if curved {
		for _, k := range []string{"POOL", "MEMORY", "ANSWER"} {
			head = pad(head, left+bar+10) + "  " + pad(k, sparkWidth+1+numWidth)
			left += 2 + sparkWidth + 1 + numWidth
		}
	}
	lines := []string{m.paint(console.Strong, head)}
	for i, t := range m.heard.st.Targets {
		slots := m.heard.past[t.Name]
		mark := "  "
		if i == m.index() {
			mark = m.paint(console.Strong, "> ")
		}
		served := "-"
		if share, ok := console.Uptime(slots); ok {
			served = fmt.Sprintf("%.1f %%", share*100)
		}
		l := mark + pad(ansi.Truncate(console.Printable(t.Name), name, "…"), name) + "  " + m.paint(console.VerdictHue(t.Verdict), pad(t.Verdict.String(), 9)) + "  " +
			m.paint(console.PhaseHue(t.Phase), pad(t.Phase.String(), 10)) + "  " + pad(console.UptimeBar(slots, bar, m.paint), bar) + "  " + pad(served, 8)
		if curved {
			for _, k := range console.Curves(slots) {
				text := ""
				if console.Ever(slots, k.Of) {
					text = console.Sparkline(slots, sparkWidth, k.Top, k.Of) + " "
					if v, ok := console.Present(slots, k.Of); ok {
						text += k.Words(v)
					} else {
						text += "-"
					}
				}
				l += "  " + pad(text, sparkWidth+1+numWidth)
			}
		}
		lines = append(lines, l)
	}
	return lines
}

// around keeps the heads and those rows around the chosen one that there is room for.
func (m topModel) around(rows []string, room int) []string {
	from := min(max(0, m.index()-(room-1)/2), len(rows)-room)
	return append(rows[:1:1], rows[1+from:from+room]...)
}

// about is everything of the chosen target.
func (m topModel) about() []string {
	if len(m.heard.st.Targets) == 0 {
		return nil
	}
	t := m.heard.st.Targets[m.index()]
	slots := m.heard.past[t.Name]
	lines := []string{"", m.paint(console.Strong, console.Printable(t.Name)) + ": " + m.paint(console.VerdictHue(t.Verdict), t.Verdict.String()) + ", " +
		m.paint(console.PhaseHue(t.Phase), t.Phase.String()) + " for " + console.Age(m.heard.st.Now, t.Since) + ", looked at " + console.Ago(m.heard.st.Now, t.LookedAt)}
	add := func(k, v string) {
		if v == "" {
			return
		}
		for n, part := range console.Wrap(console.Printable(v), max(30, m.width-14)) {
			if n > 0 {
				k = ""
			}
			lines = append(lines, fmt.Sprintf("  %-10s  %s", k, part))
		}
	}
	add("because", t.Because)
	add("incident", t.Incident)
	add("next", t.Next)
	add("runbook", t.Runbook)
	if t.Ack != nil {
		add("acked", "by "+t.Ack.By+console.UntilWords(t.Ack))
	}
	if t.Hold != nil {
		add("hold", "by "+t.Hold.By+console.UntilWords(t.Hold))
	}
	add("needs", strings.Join(t.DependsOn, ", "))
	for _, k := range console.Curves(slots) {
		if console.Ever(slots, k.Of) {
			lines = append(lines, fmt.Sprintf("  %-10s  %s  %s", k.Name, console.Sparkline(slots, min(m.width-34, len(slots)), k.Top, k.Of), k.Now(slots)))
		}
	}
	return lines
}

// pad fills a text with blanks, as wide as it looks.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-ansi.StringWidth(s)))
}
