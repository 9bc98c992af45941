package report

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Markdown writes the report for a wiki or a pull request. What comes from outside (evidence,
// details of actions, words of people) is escaped: it shows as it is and formats nothing.
func (r Report) Markdown() string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("# Incident Report - %s: %s", r.Since.UTC().Format(time.DateOnly), md(r.Target))
	line("\n%s", md(r.Headline))
	line("\n## Summary\n")
	for _, f := range r.Summary() {
		line("- **%s**: %s", f.Name, md(f.Text))
	}
	line("\n## Timeline\n\nTimes are UTC; in brackets, since the first bad look.\n")
	for n, m := range r.Timeline {
		line("- **%s** (%s) %s", r.clock(n), since(m.After), md(m.Text))
	}
	line("\n## Root Cause\n\nBy the evidence, **%s**: %s.\n", md(r.Cause.Culprit), md(r.Cause.Kind))
	for _, f := range r.Cause.Facts() {
		line("- **%s**: %s", f.Name, md(f.Text))
	}
	line("\nThe cause behind this evidence is for people to find (see the action items).")
	line("\n## Resolution\n\n%s", md(r.Resolution))
	if len(r.Tried) > 0 {
		line("\n### What was tried\n\n| # | At | Action | Took | Result | Did it help |\n|---|---|---|---|---|---|")
		for n, t := range r.Tried {
			line("| %d | %s | %s | %s | %s | %s |", n+1, t.At.UTC().Format(time.TimeOnly), md(t.Name()), t.tookWords(), md(t.Result), md(t.Verdict))
		}
	}
	if len(r.NotTried) > 0 {
		line("\n### What was not tried\n")
		for _, s := range r.NotTried {
			line("- %s", md(sentence(s)))
		}
	}
	line("\n## Impact\n")
	for _, f := range r.Impact {
		line("- **%s**: %s", f.Name, md(f.Text))
	}
	line("\n## Communication\n")
	r.communication(line)
	line("\n## Lessons Learned\n\nBy the figures; people add theirs.\n")
	lessons := func(title string, all []string, none string) {
		line("**%s**\n", title)
		if len(all) == 0 {
			all = []string{none}
		}
		for _, s := range all {
			line("- %s", md(s))
		}
	}
	lessons("What went well", r.Well, "nothing stands out in the figures")
	line("")
	lessons("What could be improved", r.Better, "nothing stands out in the figures")
	line("\n## Action Items\n")
	for _, i := range r.Open {
		line("- [ ] %s", md(i.Text))
		if i.Command != "" {
			line("      `%s`", strings.ReplaceAll(i.Command, "`", "'"))
		}
	}
	if len(r.Evidence) > 0 {
		line("\n## Evidence\n\n%s", whenCollected)
		for _, p := range r.Evidence {
			f := fence(p.Text)
			line("\n### %s (%s)\n\n%s\n%s\n%s", md(p.Title()), stamp(p.At), f, strings.TrimRight(p.Text, "\n"), f)
		}
	}
	line("\n---\n\n%s", md(r.Footer()))
	return b.String()
}

func (r Report) communication(line func(string, ...any)) {
	if len(r.Told) == 0 {
		line("Nobody was told.")
	} else {
		line("| Decided | What | Channel | What became of it |\n|---|---|---|---|")
		for _, t := range r.Told {
			line("| %s | %s | %s | %s |", t.At.UTC().Format(time.TimeOnly), md(t.Name()), md(t.Who()), md(t.Outcome()))
		}
	}
	if len(r.People) == 0 {
		line("\nNobody gave recoveryd a command.")
		return
	}
	line("\nWhat people said to recoveryd:\n")
	for _, w := range r.People {
		line("- **%s** %s", w.At.UTC().Format(time.TimeOnly), md(w.String()))
	}
}

// whenCollected is above the evidence of a report.
const whenCollected = "Collected before a disruptive action, which would have destroyed it. A start destroys nothing: " +
	"there it was collected when the start was over, with the facts of the unit from before."

// md escapes one line of text so that Markdown shows it as it is. Underscores inside of words are
// no emphasis and stay readable.
func md(s string) string {
	var b strings.Builder
	rs := []rune(s)
	word := func(i int) bool { return i >= 0 && i < len(rs) && (unicode.IsLetter(rs[i]) || unicode.IsDigit(rs[i])) }
	for i, c := range rs {
		switch c {
		case '\\', '`', '*', '|', '<', '>', '[', ']':
			b.WriteByte('\\')
		case '_', '~':
			if !word(i-1) || !word(i+1) {
				b.WriteByte('\\')
			}
		case '&':
			b.WriteString("&amp;")
			continue
		case '\n', '\r':
			c = ' '
		}
		b.WriteRune(c)
	}
	return b.String()
}

// fence is longer than any run of backticks in the text.
func fence(text string) string {
	f := "```"
	for strings.Contains(text, f) {
		f += "`"
	}
	return f
}
