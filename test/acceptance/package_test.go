package acceptance

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/test/lab"
	"github.com/recoveryd/recoveryd/test/lab/labtest"
)

// pack runs scripts/package in a directory with the sources and returns what it made, by extension.
func pack(t *testing.T, sources, version, formats string) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "scripts/package")
	cmd.Dir = sources
	cmd.Env = append(os.Environ(), "VERSION="+version, "FORMATS="+formats, "DIST="+t.TempDir(),
		"COMMIT=0123456789abcdef0123456789abcdef01234567", "SOURCE_DATE_EPOCH=1700000000")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	require.NoError(t, err, complaints.String())
	made := map[string]string{}
	for _, file := range strings.Fields(string(out)) {
		made[strings.TrimPrefix(filepath.Ext(file), ".")] = file
	}
	return made
}

// workingTree copies the sources to another place, without git, as an archive of a release has them.
func workingTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	copied := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c",
		`tar -C ../.. --exclude=./.git --exclude=./bin --exclude=./dist -c . | tar -x -C "$1"`, "bash", dir)
	out, err := copied.CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

func TestThePackages(t *testing.T) {
	t.Parallel()
	here := pack(t, "../..", "1.0.0", "deb rpm")
	t.Run("are the same bytes wherever they are built, and hold what a host needs", func(t *testing.T) {
		t.Parallel()
		hold(t, here)
	})
	t.Run("install, upgrade and go away without a trace", func(t *testing.T) {
		labtest.Require(t)
		t.Parallel()
		come(t, here)
	})
}

// hold builds once more, elsewhere, and reads what is in the packages.
func hold(t *testing.T, here map[string]string) {
	there := pack(t, workingTree(t), "1.0.0", "deb rpm")
	require.Len(t, here, 4)
	for kind, file := range here {
		a, err := os.ReadFile(file)
		require.NoError(t, err)
		b, err := os.ReadFile(there[kind])
		require.NoError(t, err)
		require.True(t, string(a) == string(b), "%s differs from the one that was built elsewhere", filepath.Base(file))
	}

	sums := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", here["sha256"])
	sums.Dir = filepath.Dir(here["sha256"])
	out, err := sums.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, 3, strings.Count(string(out), ": OK"), string(out))

	var bill struct {
		BOMFormat  string
		Components []struct{ Name, Version string }
	}
	text, err := os.ReadFile(here["json"])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &bill))
	require.Equal(t, "CycloneDX", bill.BOMFormat)
	var names []string
	for _, c := range bill.Components {
		names = append(names, c.Name)
	}
	require.Subset(t, names, []string{"std", "github.com/coreos/go-systemd/v22", "go.uber.org/zap"})
	require.NotContains(t, names, "github.com/stretchr/testify", "only what is linked counts")

	deb, err := exec.CommandContext(t.Context(), "dpkg-deb", "--fsys-tarfile", here["deb"]).Output()
	require.NoError(t, err)
	list := exec.CommandContext(t.Context(), "tar", "-t")
	list.Stdin = strings.NewReader(string(deb))
	inDeb, err := list.Output()
	require.NoError(t, err)
	lists := map[string]string{"deb": strings.ReplaceAll(string(inDeb), "./", "/")}
	if _, err := exec.LookPath("rpm"); err == nil {
		inRPM, err := exec.CommandContext(t.Context(), "rpm", "-qpl", here["rpm"]).Output()
		require.NoError(t, err)
		lists["rpm"] = string(inRPM)
		conf, err := exec.CommandContext(t.Context(), "rpm", "-qpc", here["rpm"]).Output()
		require.NoError(t, err)
		require.Equal(t, "/etc/recoveryd/recoveryd.yaml\n", string(conf))
		out, err := exec.CommandContext(t.Context(), "rpm", "-K", "--nosignature", here["rpm"]).CombinedOutput()
		require.NoError(t, err, string(out))
	} else {
		t.Log("rpm is not installed: the contents of the .rpm were only compared, not read")
	}
	for kind, list := range lists {
		for _, file := range []string{
			"/usr/bin/recoveryd", "/etc/recoveryd/recoveryd.yaml", "/usr/lib/systemd/system/recoveryd.service",
			"/usr/lib/systemd/system/recoveryd-procview.service", "/usr/lib/systemd/system/recoveryd-procview.socket",
			"/usr/lib/sysusers.d/recoveryd.conf", "/usr/lib/tmpfiles.d/recoveryd.conf",
			"/usr/share/man/man1/recoveryd.1.gz", "/usr/share/man/man1/recoveryd-status.1.gz", "/usr/share/man/man5/recoveryd.yaml.5.gz",
			"/usr/share/bash-completion/completions/recoveryd", "/usr/share/fish/vendor_completions.d/recoveryd.fish", "/_recoveryd",
			"/usr/share/recoveryd/prometheus/recoveryd.rules.yml", "/usr/share/recoveryd/grafana/recoveryd.json",
			"/usr/share/recoveryd/recoveryd.schema.json", "/usr/share/recoveryd/recoveryd.cdx.json",
			"/usr/share/doc/recoveryd/copyright", "/usr/share/doc/recoveryd/THIRD-PARTY-LICENCES.gz", "/usr/share/doc/recoveryd/docs/runbooks/pool.md",
		} {
			require.Contains(t, list, file+"\n", kind)
		}
	}
}

// inventory lists all files of the lab but those that change by themselves, and the users.
const inventory = `find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/tmp -o -path /var/log -o -path /var/cache \
 -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/systemd -o -path /opt/lab -o -path /root \) -prune -o -print | sort
find /run/recoveryd /var/lib/systemd/deb-systemd-helper-enabled -print 2>/dev/null | sort
sort /etc/passwd /etc/group /etc/shadow /etc/gshadow | cut -d: -f1,3,4`

// come takes a host through the life of the package, and then of the other one.
func come(t *testing.T, first map[string]string) {
	next := pack(t, "../..", "1.0.1", "deb rpm")
	v1, v2 := first["deb"], next["deb"]
	l := labtest.Start(t, lab.Options{Binaries: labtest.Build(t, "mcp-target"), Bare: true})
	s := &stage{Lab: l, t: t, started: time.Now(), pd: escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{})}
	s.exec("userdel", "recoveryd") // every lab has that user; here the package shall make it
	s.exec("bash", "-c", "rm -rf /run/recoveryd /etc/systemd/system/*-mcp.service.d")
	for name, file := range map[string]string{"v1": v1, "v2": v2} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, l.WriteFile("/root/recoveryd_"+name+".deb", lab.File{Content: string(text)}))
	}
	apt := func(args ...string) string {
		return s.exec(append([]string{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y"}, args...)...)
	}
	running := func(version string) {
		require.Equal(t, "active", s.show("recoveryd.service", "ActiveState"))
		require.Contains(t, s.show("recoveryd.service", "FragmentPath"), "/lib/systemd/system/recoveryd.service")
		require.Contains(t, s.exec("recoveryd", "version"), "recoveryd "+version+" (commit 0123456789abcdef0123456789abcdef01234567)")
		exe := s.exec("readlink", "/proc/"+s.show("recoveryd.service", "MainPID")+"/exe")
		require.Equal(t, "/usr/bin/recoveryd\n", exe, "it runs the program that is installed, not one that was replaced")
	}
	before := s.exec("bash", "-c", inventory)

	// A first installation: it runs, unprivileged, and watches this host without touching anything.
	apt("install", "/root/recoveryd_v1.deb")
	running("1.0.0")
	require.Equal(t, "enabled\n", s.exec("systemctl", "is-enabled", "recoveryd.service"))
	status := s.exec("cat", "/proc/"+s.show("recoveryd.service", "MainPID")+"/status")
	uid := strings.TrimSpace(s.exec("id", "-u", "recoveryd"))
	require.NotEqual(t, "0", uid)
	for _, line := range []string{"Uid:\t" + uid + "\t" + uid + "\t" + uid + "\t" + uid, "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		require.Contains(t, status, line+"\n")
	}
	s.eventually(20*time.Second, "the host is seen to be healthy", func() bool { return s.target("this-host").Verdict == "healthy" })
	require.Equal(t, []string{"this-host"}, s.targets())
	for unit, most := range map[string]string{"recoveryd.service": "10", "recoveryd-procview.service": "5"} { // tenths
		s.exec("systemd-analyze", "security", "--no-pager", "--threshold="+most, unit)
	}
	require.Equal(t, "750 root recoveryd\n", s.exec("stat", "-c", "%a %U %G", "/etc/recoveryd"), "secrets may be put here")
	require.Contains(t, s.exec("id", "-nG", "recoveryd"), "systemd-journal")

	// Processes of others are hidden from it; what it may know of them is told to it alone.
	mine, err := l.Exec(t.Context(), "nsenter", "-t", s.show("recoveryd.service", "MainPID"), "-m", "-S", uid, "-G", uid, "cat", "/proc/1/stat")
	require.NoError(t, err)
	require.NotZero(t, mine.Code)
	require.Contains(t, mine.Stderr, "No such file")
	require.Equal(t, "600 recoveryd recoveryd\n", s.exec("stat", "-c", "%a %U %G", "/run/recoveryd-procview.sock"))

	// A vendor that is added without setup is not reached, and that is said before anybody must be told.
	packaged := s.exec("cat", "/etc/recoveryd/recoveryd.yaml")
	require.NoError(t, l.WriteFile("/etc/recoveryd/recoveryd.yaml", lab.File{Content: packaged + "notifiers: [{name: hook, type: webhook, url: \"https://192.0.2.7/hook\"}]\n"}))
	s.ctl("reload", "recoveryd.service")
	const blocked = "recoveryd.service keeps recoveryd from notifier hook (its address: IPAddressDeny=). To mend it: recoveryd setup --apply && systemctl restart recoveryd.service"
	s.eventually(20*time.Second, "status warns of it", func() bool { return strings.Contains(s.exec("recoveryd", "status"), "warning: "+blocked) })
	doctor, err := l.Exec(t.Context(), "recoveryd", "doctor")
	require.NoError(t, err)
	require.Regexp(t, `(?m)^FAIL +reach +recoveryd\.service +keeps recoveryd from notifier hook`, doctor.Stdout)

	// The operator's own configuration, an open incident and a hold.
	require.NoError(t, l.WriteFile("/etc/recoveryd/recoveryd.yaml", lab.File{Content: operatorsConfig}))
	s.ctl("start", "victim@8100.service")
	s.ctl("reload", "recoveryd.service")
	s.eventually(20*time.Second, "the server is seen to be healthy", func() bool { return s.target("victim").Verdict == "healthy" })
	s.exec("recoveryd", "hold", "this-host", "--for", "1h", "--why", "the disk is being changed")
	require.NoError(t, l.SignalMain(t.Context(), "victim@8100.service", "KILL"))
	s.eventually(20*time.Second, "an incident is open", func() bool { return len(s.incidents()) == 1 })
	open := s.incidents()[0]
	require.Equal(t, "down", open.Class)

	// An upgrade: the new program, the same incident, the same hold, the operator's file untouched.
	run := s.show("recoveryd.service", "InvocationID")
	apt("install", "/root/recoveryd_v2.deb")
	running("1.0.1")
	require.NotEqual(t, run, s.show("recoveryd.service", "InvocationID"))
	s.eventually(20*time.Second, "both targets are known again", func() bool { return s.target("victim").Phase != "" })
	after := s.incidents()
	require.Len(t, after, 1, "the incident is the same one")
	require.Equal(t, open.ID, after[0].ID)
	require.Zero(t, after[0].Closed)
	require.Equal(t, operatorsConfig, s.exec("cat", "/etc/recoveryd/recoveryd.yaml"))
	require.Regexp(t, `(?m)^this-host +watching, hold by`, s.exec("recoveryd", "status"))

	// A version that would refuse the configuration does not replace the one that runs.
	require.NoError(t, l.WriteFile("/etc/recoveryd/recoveryd.yaml", lab.File{Content: operatorsConfig + "no-such-key: 1\n"}))
	run = s.show("recoveryd.service", "InvocationID")
	r, err := l.Exec(t.Context(), "dpkg", "-i", "/root/recoveryd_v2.deb")
	require.NoError(t, err)
	require.Zero(t, r.Code, r.Stderr)
	require.Contains(t, r.Stderr, "NOT restarted, the previous version goes on")
	require.Contains(t, r.Stderr, "no-such-key")
	require.Equal(t, run, s.show("recoveryd.service", "InvocationID"))
	require.Equal(t, "active", s.show("recoveryd.service", "ActiveState"))

	// Removed, it stops and keeps what it knows. Purged, it never was.
	apt("remove", "recoveryd")
	require.Equal(t, "inactive", s.show("recoveryd.service", "ActiveState"))
	s.exec("test", "-s", "/var/lib/recoveryd/recoveryd.db")
	s.exec("test", "-s", "/etc/recoveryd/recoveryd.yaml")
	s.ctl("stop", "victim@8100.service")
	for _, name := range []string{"/etc/recoveryd/pagerduty.key", "/etc/polkit-1/rules.d/50-recoveryd.rules", "/etc/tmpfiles.d/recoveryd-setup.conf", "/etc/systemd/system/victim@8100.service.d/50-recoveryd-env.conf",
		"/etc/systemd/system/recoveryd-step-data-recovery-4-0123abcd.service"} {
		require.NoError(t, l.WriteFile(name, lab.File{}))
	}
	apt("purge", "recoveryd")
	left := strings.Split(s.exec("bash", "-c", inventory), "\n")
	require.Empty(t, without(left, strings.Split(before, "\n")), "left behind")
	require.Empty(t, without(strings.Split(before, "\n"), left), "not its own, and gone")
	comeByRPM(t, s, first["rpm"], next["rpm"])
}

// without returns what of a list is not in another.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(x string) bool { return slices.Contains(other, x) })
}

// operatorsConfig watches a server that recoveryd may not touch.
const operatorsConfig = `version: 1
mode: observe
targets:
  - {name: this-host, kind: plain, platform: none, interval: 2s, check: {type: http, timeout: 1s, url: "http://127.0.0.1:9465/livez"}}
  - {name: victim, kind: service, unit: victim@8100.service, interval: 2s, health: [{timeout: 1s, url: "http://127.0.0.1:8100/health/status"}]}
`
