package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/internal/setup/host"
	"github.com/recoveryd/recoveryd/pkg/platform/systemd"
)

// sandboxed are the settings of recoveryd.service under which the look is made. Left out is what
// makes a unit of it: its command, its restarts, its directories (a directory that systemd makes
// for a unit goes when the unit ends) and its bounds.
var sandboxed = []string{"User", "Group", "SupplementaryGroups", "UMask", "Environment", "EnvironmentFile", "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateMounts", "PrivateDevices",
	"DevicePolicy", "ProtectProc", "ProcSubset", "ProtectControlGroups", "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectClock",
	"ProtectHostname", "NoNewPrivileges", "CapabilityBoundingSet", "AmbientCapabilities", "RestrictSUIDSGID", "RestrictNamespaces", "RestrictRealtime",
	"LockPersonality", "MemoryDenyWriteExecute", "PrivateUsers", "KeyringMode", "SystemCallArchitectures", "SystemCallFilter",
	"SystemCallErrorNumber", "RestrictAddressFamilies", "IPAddressDeny", "IPAddressAllow", "LoadCredential", "LoadCredentialEncrypted", "SetCredential",
	"ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem"}

// Sandboxed runs this program once more as the service's own user and within the sandbox of its
// unit, with these arguments, and returns the findings that it prints as JSON, with the words for
// as whom it looked. Where the unit is not installed it is the user alone.
func Sandboxed(ctx context.Context, s host.Service, args ...string) ([]Finding, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", fmt.Errorf("find this program: %w", err)
	}
	as := "user " + s.User + ", in the sandbox of " + setup.Service
	argv := []string{"systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--service-type=exec"}
	var cmd *exec.Cmd
	if s.Installed {
		for _, line := range s.Settings {
			if key, _, _ := strings.Cut(line, "="); slices.Contains(sandboxed, key) {
				argv = append(argv, "-p", line)
			}
		}
		for _, key := range []string{"StateDirectory", "RuntimeDirectory"} {
			argv = append(argv, writable(s.Settings, key)...)
		}
		argv = append(append(argv, "--", self), args...)
		cmd = exec.CommandContext(ctx, argv[0], argv[1:]...)
	} else {
		as = "user " + s.User + ", without a sandbox: recoveryd.service is not installed"
		uid, gid, err := ids(s.User)
		if err != nil {
			return nil, as, err
		}
		cmd = exec.CommandContext(ctx, self, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	var errOut strings.Builder
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	var r Report
	if jerr := json.Unmarshal(out, &r); jerr != nil {
		return nil, as, fmt.Errorf("look as %s: %w: %s", as, errors.Join(err, jerr), strings.TrimSpace(errOut.String()))
	}
	return r.Findings, as, nil
}

// writable allows the directories that the unit would have, below /var/lib and /run.
func writable(settings []string, key string) (argv []string) {
	below := map[string]string{"StateDirectory": "/var/lib/", "RuntimeDirectory": "/run/"}[key]
	for _, line := range settings {
		if value, ok := strings.CutPrefix(line, key+"="); ok {
			for _, name := range strings.Fields(value) {
				argv = append(argv, "-p", "ReadWritePaths=-"+below+name)
			}
		}
	}
	return argv
}

// Outside looks at what only root can tell: the rights that no call can try without an effect,
// whether the host still is as setup would leave it, and the machine itself.
func Outside(ctx context.Context, o Options, s host.Service) []Finding {
	n := &notes{}
	if b, err := dial(ctx); err == nil { // its failure is reported by Inside
		defer b.Close()
		o.askPolkit(ctx, n, b, s.User)
		o.service(ctx, n, b, s)
	}
	plan, err := host.Host{}.Look(ctx, o.Wanted)
	switch {
	case err != nil:
		n.add("setup", "host", Warn, "", "cannot be compared with the configuration: %v", err)
	case len(plan.Steps)+len(plan.Problems) == 0:
		n.ok("setup", "host", "is as this configuration needs it")
	}
	for _, st := range plan.Steps {
		n.add("setup", st.Path, Warn, "recoveryd setup shows it, recoveryd setup --apply writes it", "differs from what this configuration needs (%s)", st.Kind)
	}
	for _, p := range plan.Problems {
		n.add("setup", "host", Warn, "", "%s", p)
	}
	machine(ctx, n)
	return n.list
}

// askPolkit asks about a process of the service's user, made for that.
func (o Options) askPolkit(ctx context.Context, n *notes, b *bus, name string) {
	uid, gid, err := ids(name)
	if err != nil {
		n.add("polkit", name, Fail, "systemd-sysusers recoveryd.conf", "%v", err)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	subject := exec.CommandContext(ctx, "sleep", "300")
	subject.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	if err := subject.Start(); err != nil {
		n.add("polkit", name, Warn, "", "no process of this user can be started to ask about: %v", err)
		return
	}
	defer func() { cancel(); _ = subject.Wait() }() // it is killed: that is no news
	asker := polkitAsker{b, subject.Process.Pid, uid}
	o.rights(ctx, n, "polkit", asker, systemd.AllRights())
	asker.refusedAll(ctx, n)
}

// procview is the socket where recoveryd asks for the figures of processes that its unit hides from it.
const procview = "recoveryd-procview.socket"

// service looks at our own unit.
func (o Options) service(ctx context.Context, n *notes, b *bus, s host.Service) {
	if !s.Installed {
		n.add("service", setup.Service, Warn, "install the package, or deploy/systemd/recoveryd.service", "is not installed")
		return
	}
	p, err := b.properties(ctx, setup.Service, serviceIf)
	if err != nil {
		n.add("service", setup.Service, Warn, "", "cannot be read: %v", err)
		return
	}
	if u := text(p, "User"); u == "" || u == "root" {
		n.add("service", setup.Service, Fail, "User=recoveryd in its unit: then polkit decides what it may do", "runs as root: no rule bounds what it may do")
		return
	}
	if on, _ := p["NoNewPrivileges"].Value().(bool); !on {
		n.add("service", setup.Service, Warn, "take the packaged unit", "may gain privileges (NoNewPrivileges= is off)")
		return
	}
	if text(p, "ProtectProc") == "invisible" { // then another unit answers questions about processes
		if u, err := b.properties(ctx, procview, unitIf); err != nil || text(u, "ActiveState") != "active" {
			n.add("service", procview, Warn, "systemctl enable --now "+procview, "is not active: memory and state of processes cannot be told")
		} else {
			n.ok("service", procview, "answers questions about processes")
		}
	}
	n.ok("service", setup.Service, "runs as user %s, without privileges and without the way to any", text(p, "User"))
}

func ids(name string) (uid, gid uint32, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, fmt.Errorf("there is no user %s on this host", name)
	}
	a, err1 := strconv.ParseUint(u.Uid, 10, 32)
	b, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return uint32(a), uint32(b), errors.Join(err1, err2)
}
