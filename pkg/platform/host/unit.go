package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/platform"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// UnitPrefix begins the name of every unit that is the command of a playbook's step.
const UnitPrefix = "recoveryd-step-"

const (
	systemctl  = "/usr/bin/systemctl"
	journalctl = "/usr/bin/journalctl"
)

// UnitName is the name of the unit that runs the command: of its step and of everything that its
// file says, so that a command that was changed, and whose unit was not installed anew, is never run
// as it was.
func (c Command) UnitName() string {
	sum := sha256.Sum256([]byte(c.UnitText()))
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, c.Name)
	return fmt.Sprintf("%s%s-%x.service", UnitPrefix, clean, sum[:4])
}

// UnitText is the unit that runs the command, for root to install: whoever may start that one unit may
// run this one command and no other, while the right to start transient units is that of root. The
// sandbox begins closed, and the properties open what the command needs. systemd ends it a little
// before our own bound, and whatever becomes of us. Everybody may read it: it must hold no secret.
func (c Command) UnitText() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("[Unit]\nDescription=recoveryd: %s\nStartLimitIntervalSec=0\n", specifiers(c.Name))
	words := make([]string, len(c.Argv))
	for i, a := range c.Argv {
		words[i] = quoted(a)
	}
	line("[Service]\nType=oneshot\nExecStart=%s", strings.Join(words, " "))
	if c.Dir != "" {
		line("WorkingDirectory=%s", specifiers(c.Dir))
	}
	for _, v := range c.Env {
		line("Environment=%s", strings.ReplaceAll(quoted(v), "$$", "$"))
	}
	limit := c.Timeout
	if limit <= 0 {
		limit = defaultTimeout
	}
	line("TimeoutStartSec=%d\nTimeoutStopSec=5\nKillMode=control-group", int(max(limit-time.Second, time.Second).Seconds()))
	for _, p := range []string{"NoNewPrivileges=yes", "PrivateTmp=yes", "ProtectSystem=strict", "ProtectHome=yes"} {
		name, _, _ := strings.Cut(p, "=")
		if !given(c.Properties, name) {
			line("%s", p)
		}
	}
	for _, p := range c.Properties {
		line("%s", specifiers(p))
	}
	return b.String()
}

// quoted writes one word of a command line, or one assignment, as systemd reads it: to the letter.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "%", "%%", "$", "$$").Replace(s) + `"`
}

// specifiers keeps systemd from reading its own abbreviations into a text.
func specifiers(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// given reports whether a property is set by the operator.
func given(properties []string, name string) bool {
	for _, p := range properties {
		if n, _, _ := strings.Cut(p, "="); n == name {
			return true
		}
	}
	return false
}

// start lets systemd run the command's unit, and waits for its end.
func (a *Adapter) start(ctx context.Context, act strategy.Action, c Command) (platform.Report, error) {
	unit, began := c.UnitName(), time.Now()
	said, err := tool(ctx, systemctl, "start", "--no-ask-password", "--quiet", unit)
	took := time.Since(began).Round(time.Millisecond)
	if ctx.Err() != nil {
		return interrupted(ctx, act, fmt.Sprintf("%s may still run after %s", unit, took))
	}
	ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), askUnitLimit)
	defer cancel()
	p := unitState(ask, unit)
	switch {
	case p["LoadState"] == "not-found":
		return failed(act, "nothing was done: "+unit+" is not installed", errors.New("its unit is not installed, or the configuration has changed since: recoveryd setup --apply"))
	case err != nil && refusal(said):
		return failed(act, "nothing was done: "+said, fmt.Errorf("%w: start of %s is refused (polkit): recoveryd setup --apply", platform.ErrPermission, unit))
	}
	out := &tail{keep: c.Keep}
	_, _ = out.Write(unitOutput(ask, unit, began)) // a tail takes everything
	if a.said != nil {
		a.said(act.Object, out.all())
	}
	last := out.lastLine()
	if last != "" {
		last = ": " + last
	}
	switch {
	case err == nil:
		return platform.Report{Result: platform.Done, Detail: fmt.Sprintf("%s ended well after %s%s", unit, took, last)}, nil
	case p["Result"] == "timeout":
		return platform.Report{Result: platform.TimedOut, Detail: fmt.Sprintf("systemd ended %s after %s%s", unit, took, last)},
			fmt.Errorf("%s %s: %w%s", act.Verb, act.Object, errActionTimeout, last)
	case p["ActiveState"] == "failed":
		how := p["Result"]
		if how == "exit-code" {
			how = "exit status " + p["ExecMainStatus"]
		}
		return failed(act, fmt.Sprintf("%s failed after %s", unit, took), errors.New(how+last))
	}
	return failed(act, "how "+unit+" ended is not known", fmt.Errorf("systemctl start: %w: %s", err, said))
}

// askUnitLimit bounds what is asked about a unit after its end.
const askUnitLimit = 5 * time.Second

// tool runs a program of systemd and returns what it printed.
func tool(ctx context.Context, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = "/", []string{plainPath, "LC_ALL=C"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// refusal reports that systemctl was told by polkit that it may not.
func refusal(said string) bool {
	for _, s := range []string{"Access denied", "Interactive authentication required", "authentication is required", "Permission denied"} {
		if strings.Contains(said, s) {
			return true
		}
	}
	return false
}

// unitState is what systemd knows of the unit's last run. A unit that ended well is forgotten at once.
func unitState(ctx context.Context, unit string) map[string]string {
	out := map[string]string{}
	said, err := tool(ctx, systemctl, "show", "--property=LoadState,ActiveState,Result,ExecMainStatus", unit)
	if err != nil {
		return out
	}
	for line := range strings.Lines(said) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			out[k] = v
		}
	}
	return out
}

// unitOutput is what the unit has printed since it was started. The journal may be a moment behind:
// what the unit printed is there when systemd's own word about the end of the job is.
func unitOutput(ctx context.Context, unit string, since time.Time) []byte {
	from := "--since=@" + strconv.FormatInt(since.Unix(), 10)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		end, err := tool(ctx, journalctl, "--quiet", "--no-pager", "--output=cat", "--lines=1", from, "_PID=1", "UNIT="+unit, "JOB_RESULT=done", "JOB_RESULT=failed", "JOB_RESULT=timeout")
		if err != nil || end != "" {
			break
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	said, err := tool(ctx, journalctl, "--quiet", "--no-pager", "--output=cat", from, "_SYSTEMD_UNIT="+unit)
	if err != nil {
		return nil
	}
	return bytes.TrimSpace([]byte(said))
}
