package slack

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// Limits of a message, in characters as Slack counts them (a character outside the basic plane
// is two). Documented: header 150, section 3,000, text of an edit 4,000; all blocks together are
// refused near 13,200. The budget below leaves room for that last, undocumented number.
const (
	maxHeader  = 150
	maxSection = 3000
	maxText    = 3900
	maxBlocks  = 11_000
)

// renderer makes Slack messages of notices.
type renderer struct {
	messages *notice.Messages
	mention  string
}

// icons lead the heading: the state must be seen while scrolling past.
func icon(n notice.Notice) string {
	switch {
	case n.Kind == notice.Change:
		return ":wrench:"
	case n.Status.Over():
		return ":large_green_circle:"
	case n.Status == notice.Monitoring:
		return ":large_yellow_circle:"
	case n.Severity == notice.Warning || n.Severity == notice.Info:
		return ":large_orange_circle:"
	}
	return ":red_circle:"
}

// state renders the incident as it stands: blocks, and the text of the notification.
func (r renderer) state(n notice.Notice) (blocks []slack.Block, text string) {
	left := maxBlocks
	section := func(md string) {
		if md == "" || left < 100 {
			return
		}
		left -= length(md)
		blocks = append(blocks, slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, md, false, false), nil, nil))
	}
	title := r.messages.Title(n)
	heading := cut(icon(n)+" "+title, maxHeader)
	left -= length(heading)
	blocks = append(blocks, slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, heading, true, false)))
	room := func() int { return min(left, maxSection) }

	section(escape(facts(n), room()))
	section(list("*Evidence*", "• ", n.Evidence, room()))
	tried := make([]string, 0, len(n.Tried))
	for _, t := range n.Tried {
		tried = append(tried, t.At.UTC().Format("15:04")+" "+notice.OneLine(t.What)+": "+notice.OneLine(t.Result))
	}
	section(list("*Tried*", "• ", tried[max(len(tried)-20, 0):], room()))
	if n.Next != "" {
		section("*Next*\n" + escape(notice.Printable(n.Next), room()-20))
	}
	if link := webLink(n.Runbook); link != "" {
		section("*Runbook* <" + link + "|" + escape(notice.OneLine(n.Class), 200) + ">")
	} else if n.Runbook != "" {
		section("*Runbook* " + escape(notice.OneLine(n.Runbook), 500))
	}
	section(codeBlock(n.Commands, room()))
	foot := "Incident " + n.Incident
	if n.Tier > 0 {
		foot += ", tier " + strconv.Itoa(n.Tier)
	}
	if !n.At.IsZero() {
		foot += " · as of " + n.At.UTC().Format(time.DateTime) + " UTC"
	}
	foot = escape(notice.OneLine(foot), 500)
	if link := webLink(n.Link); link != "" {
		foot += " · <" + link + "|open the incident>"
	}
	blocks = append(blocks, slack.NewContextBlock("", slack.NewTextBlockObject(slack.MarkdownType, foot, false, false)))
	if stage := n.Stage(); stage != "" { // the runbooks' status format
		title = string(stage) + ": " + title
	}
	return blocks, escape(title, maxText)
}

func facts(n notice.Notice) string {
	var b strings.Builder
	b.WriteString("*" + n.First() + "*: " + notice.OneLine(n.Summary))
	if stage := n.Stage(); stage != "" {
		b.WriteString("\n*Status* " + string(stage))
	}
	if !n.Since.IsZero() {
		b.WriteString("\n*Since* " + notice.Stamp(n.Since))
		if age := notice.Age(n.Since, n.At); age != "" {
			b.WriteString(" (" + age + ")")
		}
	}
	if len(n.Affected) > 0 {
		b.WriteString("\n*Affected* " + notice.OneLine(strings.Join(n.Affected, ", ")))
	}
	return b.String()
}

// step renders the newest step for the thread.
func (r renderer) step(n notice.Notice) string {
	return escape(r.messages.Step(n), maxText)
}

// plain renders everything as text, for the message that must get through without blocks.
func (r renderer) plain(n notice.Notice) string {
	return escape(r.messages.Title(n)+"\n"+r.messages.Text(n), maxText)
}

// mentioned puts the configured mention before a text that is to wake somebody.
func (r renderer) mentioned(n notice.Notice, text string) string {
	if r.mention == "" || n.Kind != notice.Trigger {
		return text
	}
	return r.mention + " " + text
}

// list renders items as bullets within limit, with a word about what did not fit.
func list(heading, bullet string, items []string, limit int) string {
	if len(items) == 0 {
		return ""
	}
	const more = "\n(more in the incident)"
	out := heading
	for _, it := range items {
		line := "\n" + bullet + escape(notice.OneLine(it), 600)
		if length(out)+length(line)+len(more) > limit {
			return out + more
		}
		out += line
	}
	return out
}

// codeBlock renders commands as a block to copy from.
func codeBlock(commands []string, limit int) string {
	if len(commands) == 0 {
		return ""
	}
	const fence = "```"
	text := strings.ReplaceAll(notice.Printable(strings.Join(commands, "\n")), fence, "'''")
	return "*Look further*\n" + fence + escape(text, limit-40) + fence
}

// escape makes text literal mrkdwn (& < > are Slack's control characters: this is what keeps a
// "<!channel>" in a log line from waking everybody) and cuts it to limit as Slack counts, never
// inside an entity.
func escape(s string, limit int) string {
	return fit(strings.ToValidUTF8(s, "\uFFFD"), limit, func(r rune) string {
		switch r {
		case '&':
			return "&amp;"
		case '<':
			return "&lt;"
		case '>':
			return "&gt;"
		}
		return string(r)
	})
}

// cut shortens plain text to limit as Slack counts.
func cut(s string, limit int) string {
	return fit(strings.ToValidUTF8(s, "\uFFFD"), limit, func(r rune) string { return string(r) })
}

// fit writes s rune by rune; when the whole is longer than limit it stops where the mark still fits.
func fit(s string, limit int, write func(rune) string) string {
	var b strings.Builder
	n, end := 0, 0 // end: where the text is cut if it turns out too long
	for _, r := range s {
		piece := write(r)
		if n += length(piece); n > limit {
			if limit < 1 {
				return ""
			}
			return b.String()[:end] + notice.Ellipsis
		}
		b.WriteString(piece)
		if n <= limit-1 {
			end = b.Len()
		}
	}
	return b.String()
}

// webLink returns s as it may stand inside <...|...>, or "" when it is no web address.
func webLink(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || strings.ContainsAny(s, "|<> \n") || len(s) > 2000 {
		return ""
	}
	return strings.ReplaceAll(s, "&", "&amp;")
}

// length counts as Slack does: UTF-16 units.
func length(s string) int {
	n := 0
	for _, r := range s {
		if n++; r > 0xFFFF {
			n++
		}
	}
	return n
}
