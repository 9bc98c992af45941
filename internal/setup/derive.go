package setup

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/platform/envfile"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Derive says what must be on the host for this configuration to work, in a stable order.
func Derive(in Input) Wanted {
	w := Wanted{User: in.User, Units: Rights(in.Powers), Roles: roles(in)}
	for _, s := range in.Steps {
		w.Units, w.Steps = append(w.Units, UnitRights{s.Unit, []string{"start"}}), append(w.Steps, s.Unit)
	}
	slices.SortFunc(w.Units, func(a, b UnitRights) int { return cmp.Compare(a.Unit, b.Unit) })
	if len(w.Units) > 0 {
		w.Files = append(w.Files, File{Path: PolkitRule, Mode: 0o644, Content: polkitRule(in, w.Units), Why: "what recoveryd may do to other units"})
	}
	w.Files = append(w.Files, envDropIns(in)...)
	w.Files = append(w.Files, stepUnits(in)...)
	w.Dirs = directories(in)
	if f, ok := tmpfiles(in); ok {
		w.Files = append(w.Files, f)
	}
	for _, name := range in.Places.Credentials {
		if !slices.Contains(in.Loaded, name) {
			w.Credentials = append(w.Credentials, Credential{Name: name, File: path.Join(CredStore, name)})
		}
	}
	if f, ok := ownDropIn(in, w.Credentials); ok {
		w.Files = append(w.Files, f)
	}
	w.Access = append(w.Access, Access{Path: in.ConfigFile, Group: in.Group, Secret: true})
	for _, f := range in.Places.Secrets {
		w.Access = append(w.Access, Access{Path: f, Group: in.Group, Secret: true})
	}
	for _, f := range in.Places.Files {
		w.Access = append(w.Access, Access{Path: f, Group: in.Group})
	}
	w.Notes = notes(in, w)
	return w
}

// head is the first lines of a file, after the given comment sign.
func head(in Input, sign, what string) string {
	return fmt.Sprintf("%s %s from %s. Do not edit: change that, and run it again.\n%s %s\n", sign, Mark, in.ConfigFile, sign, what)
}

// mostPool bounds a pool whose configuration names no cap; no pool is that large.
const mostPool = 10000

// envDropIns let each unit take the size of its pool from the environment file that recoveryd writes, and
// nothing else: what is in that file would be root's where the service runs as root (LD_PRELOAD). So root
// passes one number on, as the unit starts. Variables that are unset by name (UnsetEnvironment=) would be a
// list that is never complete, and would take the service's own. The file need not exist: then the
// service runs with its own settings.
func envDropIns(in Input) (out []File) {
	files := map[string][]string{}
	keys := map[string]string{}
	for _, a := range in.Powers {
		if f := a.Args[strategy.ArgFile]; a.Verb == strategy.SetEnv && !slices.Contains(files[a.Object], f) {
			files[a.Object] = append(files[a.Object], f)
			keys[f] = a.Args[strategy.ArgKey]
		}
	}
	for unit, list := range files {
		slices.Sort(list)
		text := head(in, "#", "recoveryd may enlarge the pool of this service: root passes the number on that it asks for, when the service starts.") + "[Service]\n"
		for _, f := range list {
			text += fmt.Sprintf("ExecStartPre=-+%s pass-number --key %s --most %d %s\n", plain(cmp.Or(in.Program, "/usr/bin/recoveryd")), keys[f], cmp.Or(in.Caps[f], mostPool), plain(f)) +
				"EnvironmentFile=-" + plain(envfile.Passed(f)) + "\n"
		}
		out = append(out, File{Path: path.Join(UnitDir, unit+".d", EnvDropIn), Mode: 0o644, Content: text, Why: "the service gets the size of its pool that recoveryd asks for"})
	}
	slices.SortFunc(out, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

// stepUnits are the commands of playbooks that run with a user and a sandbox of their own. Installed by
// root, each is one command and no other: the right to start transient units would be that of root.
func stepUnits(in Input) (out []File) {
	for _, s := range in.Steps {
		text := head(in, "#", "It is the command of step "+s.Step+" of a playbook. Its name is made of what it says: changed by hand it is not what recoveryd means.") + s.Text
		out = append(out, File{Path: path.Join(UnitDir, s.Unit), Mode: 0o644, Content: text, Why: "the command of step " + s.Step + ", which recoveryd may start and not change"})
	}
	return out
}

// plain keeps systemd from reading specifiers into a path.
func plain(s string) string { return strings.ReplaceAll(s, "%", "%%") }

func directories(in Input) (out []Dir) {
	if dir := filepath.Dir(in.ConfigFile); dir == "/etc/recoveryd" { // any other is somebody's own
		out = append(out, Dir{Path: dir, Owner: "root", Group: in.Group, Mode: 0o750})
	}
	out = append(out,
		Dir{Path: in.StateDir, Owner: in.User, Group: in.Group, Mode: 0o750},
		Dir{Path: in.RuntimeDir, Owner: in.User, Group: in.Group, Mode: 0o750},
		// systemd reads the files in it as root when a unit starts: nobody else may write them.
		Dir{Path: path.Join(in.RuntimeDir, "env"), Owner: in.User, Group: in.Group, Mode: 0o700})
	for _, name := range in.Places.Credentials {
		if !slices.Contains(in.Loaded, name) {
			return append(out, Dir{Path: CredStore, Owner: "root", Group: "root", Mode: 0o700})
		}
	}
	return out
}

// tmpfiles makes a runtime directory of the operator's own again at each boot.
func tmpfiles(in Input) (File, bool) {
	if in.RuntimeDir == packagedRuntime || !strings.HasPrefix(in.RuntimeDir, "/run/") {
		return File{}, false
	}
	text := head(in, "#", "The runtime directory is gone after each boot.")
	text += fmt.Sprintf("d %s 0750 %s %s -\nd %s/env 0700 %s %s -\n", in.RuntimeDir, in.User, in.Group, in.RuntimeDir, in.User, in.Group)
	return File{Path: TmpFiles, Mode: 0o644, Content: text, Why: "the runtime directory of this configuration"}, true
}

// ownDropIn is what recoveryd.service needs besides what its unit says.
func ownDropIn(in Input, credentials []Credential) (File, bool) {
	var lines []string
	for _, c := range credentials {
		lines = append(lines, "LoadCredential="+c.Name+":"+plain(c.File))
	}
	for _, dir := range []struct{ path, packaged string }{{in.StateDir, packagedState}, {in.RuntimeDir, packagedRuntime}} {
		if dir.path != dir.packaged {
			lines = append(lines, "ReadWritePaths="+plain(dir.path))
		}
	}
	for _, dir := range caches(in) {
		lines = append(lines, "ReadWritePaths=-"+plain(dir))
	}
	if in.DeniesIP {
		if more := allowed(in.Peers); !(in.AllowsLocal && slices.Equal(more, []string{"IPAddressAllow=localhost"})) {
			lines = append(lines, more...)
		}
	}
	if len(lines) == 0 {
		return File{}, false
	}
	text := head(in, "#", "What this configuration needs besides what the unit allows.") + "[Service]\n" + strings.Join(lines, "\n") + "\n"
	return File{Path: path.Join(UnitDir, Service+".d", OwnDropIn), Mode: 0o644, Content: text, Why: "credentials, directories and addresses of recoveryd.service"}, true
}

// caches are the directories that recoveryd may have to empty, which the sandbox would not let it.
func caches(in Input) (out []string) {
	for _, a := range in.Powers {
		if dir := a.Args[strategy.ArgDir]; a.Verb == strategy.CacheClean && !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	slices.Sort(out)
	return out
}

// notes are what only a person can do, or should know.
func notes(in Input, w Wanted) (out []string) {
	if len(w.Units) == 0 {
		out = append(out, "no unit may be acted on: every target is only watched (mode observe), or has nothing in its ladders that acts on a unit")
	}
	for _, c := range w.Credentials {
		out = append(out, fmt.Sprintf("credential %s: put the secret into %s (root, mode 0600); recoveryd gets it at its next start", c.Name, c.File))
	}
	for _, v := range in.Places.Variables {
		out = append(out, fmt.Sprintf("environment variable %s: set it in a drop-in of %s (EnvironmentFile= of a file that only root may read)", v, Service))
	}
	for _, dir := range caches(in) {
		out = append(out, fmt.Sprintf("cache %s: let recoveryd remove what is in it: setfacl -R -m u:%s:rwX -d -m u:%s:rwX %s", dir, in.User, in.User, dir))
	}
	for _, c := range in.Clusters {
		if c.Guessed {
			out = append(out, fmt.Sprintf("target %s: its connection string cannot be read here; it is taken for host=%s user=%s", c.Target, c.Host, c.Role))
		}
	}
	for _, r := range w.Roles {
		out = append(out, r.notes(in.User)...)
	}
	out = append(out, in.Notes...)
	return out
}
