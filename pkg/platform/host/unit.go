package host

import (
	"fmt"
	"strings"
	"time"
)

// systemdRun asks systemd for a transient unit, waits for its end and passes on its output and its
// exit status. Who may ask for one is decided by polkit.
const systemdRun = "/usr/bin/systemd-run"

// asUnit is the command line that runs a command as a transient unit. Values of the environment are
// not in it, since everybody may read the command lines of others: systemd-run takes them from its
// own. The sandbox begins closed, and the properties open what the command needs.
func asUnit(c Command, timeout time.Duration) []string {
	out := []string{systemdRun, "--quiet", "--no-ask-password", "--wait", "--pipe", "--collect", "--service-type=exec",
		"--unit=" + unitName(c.Name), "--description=recoveryd: " + c.Name}
	if c.Dir != "" {
		out = append(out, "--working-directory="+c.Dir)
	}
	// Its own bound, a little before ours, so that systemd ends it and says so.
	limit := max(timeout-time.Second, time.Second)
	base := []string{fmt.Sprintf("RuntimeMaxSec=%d", int(limit.Seconds())), "KillMode=control-group", "TimeoutStopSec=5"}
	for _, p := range []string{"NoNewPrivileges=yes", "PrivateTmp=yes", "ProtectSystem=strict", "ProtectHome=yes"} {
		name, _, _ := strings.Cut(p, "=")
		if !given(c.Properties, name) {
			base = append(base, p)
		}
	}
	for _, p := range append(base, c.Properties...) {
		out = append(out, "--property="+p)
	}
	for _, v := range c.Env {
		name, _, _ := strings.Cut(v, "=")
		out = append(out, "--setenv="+name)
	}
	return append(append(out, "--"), c.Argv...)
}

// unitName makes the name of a unit of a command's name. One that still runs refuses a second.
func unitName(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, name)
	return "recoveryd-" + clean + ".service"
}

// given reports whether a property is set by the operator.
func given(properties []string, name string) bool {
	for _, p := range properties {
		if n, _, _ := strings.Cut(p, "="); n == name {
			return true
		}
	}
	return false
}
