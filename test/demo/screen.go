package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// tone says what a line is about; on a terminal it is a colour.
type tone string

// The tones, as ANSI attributes.
const (
	toneNone tone = ""
	toneBad  tone = "31" // red: something broke
	toneWork tone = "33" // yellow: recoveryd works on it, or holds back
	toneGood tone = "32" // green: it is well
	toneTell tone = "35" // magenta: people are told
	toneHead tone = "1"  // bold
	toneDim  tone = "2"
)

// indent is the column in which the text of an event begins: relative time, word.
const indent = 22

// screen prints. It is used by one goroutine.
type screen struct {
	out    io.Writer
	colour bool
	width  int
}

// newScreen uses colours on a terminal only, and never when NO_COLOR is set.
func newScreen(out io.Writer) *screen {
	s := &screen{out: out, width: 110}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		s.colour = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n >= 60 {
		s.width = n
	}
	return s
}

func (s *screen) paint(t tone, text string) string {
	if !s.colour || t == toneNone {
		return text
	}
	return "\x1b[" + string(t) + "m" + text + "\x1b[0m"
}

// plain prints a line as it is.
func (s *screen) plain(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// head prints the title of a fault.
func (s *screen) head(n, of int, title string) {
	s.plain("\n%s", s.paint(toneHead, fmt.Sprintf("%d/%d  %s", n, of, title)))
}

// event prints what happened at a time after the fault; long texts go on below their beginning.
func (s *screen) event(after time.Duration, t tone, word, text string) {
	lines := wrap(text, s.width-indent)
	s.plain("%9s   %s %s", stamp(after), s.paint(t, fmt.Sprintf("%-9s", word)), lines[0])
	for _, l := range lines[1:] {
		s.plain("%s%s", strings.Repeat(" ", indent), l)
	}
}

// note prints a remark without a time.
func (s *screen) note(t tone, text string) {
	deeper := ""
	for _, l := range wrap(text, s.width-indent-2) {
		s.plain("%s%s%s", strings.Repeat(" ", indent), deeper, s.paint(t, l))
		deeper = "  "
	}
}

// stamp is a time after the fault, in seconds: 0.01 s, 12.3 s.
func stamp(d time.Duration) string {
	if d >= 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// wrap breaks a text between words, so that no line is longer than width where that is possible.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, w := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}
