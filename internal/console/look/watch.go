package look

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/internal/httpserve"
)

// watchStatus asks again and again, until ctx ends: on a terminal it draws in place, elsewhere it
// prints what changed. A daemon that restarts does not end it.
func (c *cli) watchStatus(ctx context.Context, every time.Duration) error {
	screen, drawn := console.Terminal(c.Out)
	drawn = drawn && c.Output == "text"
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := ""
	for n := 0; ; n++ {
		var st httpserve.Status
		err := c.Call(ctx, http.MethodGet, "/api/v1/status", nil, &st)
		switch {
		case ctx.Err() != nil:
			return nil // interrupted: that is how it ends
		case err != nil && n == 0:
			return err // it never worked: nothing to wait for
		case drawn:
			err = c.drawStatus(screen, st, err, n == 0)
		default:
			if now := standing(st, err); now != last {
				last = now
				err = c.printChange(st, err)
			} else {
				err = nil
			}
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// standing is what must change for another print.
func standing(st httpserve.Status, err error) string {
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	fmt.Fprint(&b, st.Impaired, st.Pause != nil)
	for _, t := range st.Targets {
		fmt.Fprintln(&b, t.Name, t.Phase, t.Reason, t.Verdict, t.Class, t.Culprit, t.Incident, t.Hold != nil)
	}
	if p := st.Playbooks; p != nil {
		if p.Now != nil {
			fmt.Fprintln(&b, p.Now.ID, p.Now.Step, p.Now.Stage, p.Now.Held)
		}
		fmt.Fprintln(&b, len(p.Failed), p.Last != nil && p.Last.ID != "")
	}
	return b.String()
}

func (c *cli) printChange(st httpserve.Status, unreached error) error {
	switch {
	case c.Output == "json" && unreached != nil:
		return c.JSONLine(map[string]string{"error": unreached.Error()})
	case c.Output == "json":
		return c.JSONLine(st)
	case unreached != nil:
		_, err := fmt.Fprintf(c.Out, "%s  %v\n\n", time.Now().Local().Format(time.DateTime), unreached)
		return err
	}
	fmt.Fprintln(c.Out, st.Now.Local().Format(time.DateTime))
	if err := c.printStatus(st); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.Out)
	return err
}

// drawStatus draws over what was drawn before, line by line, so that nothing flickers.
func (c *cli) drawStatus(screen *os.File, st httpserve.Status, unreached error, first bool) error {
	width, height, err := term.GetSize(int(screen.Fd()))
	if err != nil {
		width, height = 80, 24 // what a terminal has that does not say
	}
	var b bytes.Buffer
	drawn := *c.Console
	drawn.Out = &b
	fmt.Fprintf(&b, "%s   (Ctrl-C ends)\n\n", time.Now().Local().Format(time.DateTime))
	if unreached != nil {
		fmt.Fprintln(&b, unreached)
	} else if err := (&cli{&drawn}).printStatus(st); err != nil {
		return err
	}
	_, err = screen.WriteString(frame(b.String(), width, height, first))
	return err
}

// frame is a text as it is drawn over the one before: from the upper left corner, each line cut to
// the screen and cleared to its end.
func frame(text string, width, height int, first bool) string {
	var b strings.Builder
	if first {
		b.WriteString("\x1b[2J")
	}
	b.WriteString("\x1b[H")
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if more := len(lines) - (height - 1); more > 0 && height > 2 {
		lines = append(lines[:height-2], fmt.Sprintf("... %d more lines: make the window larger, or see recoveryd top", more+1))
	}
	for _, l := range lines {
		b.WriteString(ansi.Truncate(l, width, "…") + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	return b.String()
}
