package acceptance

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/lab"
)

// bringRPM puts this host's rpm into the lab, with the libraries and the loader that it needs: the lab is
// a Debian without it. It returns how rpm is called there.
func (s *stage) bringRPM() func(args ...string) lab.Result {
	s.t.Helper()
	path, err := exec.LookPath("rpm")
	require.NoError(s.t, err, "rpm is not installed here (apt-get install rpm)")
	linked, err := exec.CommandContext(s.t.Context(), "ldd", path).Output()
	require.NoError(s.t, err)
	files := regexp.MustCompile(`/\S+`).FindAllString(string(linked), -1)
	libs, loader := map[string]bool{}, ""
	for _, f := range files {
		libs["/opt/rpm"+f[:strings.LastIndex(f, "/")]] = true
		if strings.Contains(f, "/ld-linux") {
			loader = "/opt/rpm" + f
		}
	}
	require.NotEmpty(s.t, loader, string(linked))
	packed, err := exec.CommandContext(s.t.Context(), "tar", append([]string{"-C", "/", "--transform=s,^/,,", "-Phc", path, "/usr/lib/rpm/macros", "/usr/lib/rpm/rpmrc", "/usr/lib/rpm/platform"}, files...)...).Output()
	require.NoError(s.t, err)
	require.NoError(s.t, s.WriteFile("/root/rpm.tar", lab.File{Content: string(packed)}))
	s.exec("bash", "-c", "mkdir /opt/rpm && tar -C /opt/rpm -xf /root/rpm.tar && rm /root/rpm.tar")
	dirs := make([]string, 0, len(libs))
	for d := range libs {
		dirs = append(dirs, d)
	}
	return func(args ...string) lab.Result {
		s.t.Helper()
		r, err := s.Exec(s.t.Context(), append([]string{"env", "RPM_CONFIGDIR=/opt/rpm/usr/lib/rpm", loader, "--library-path", strings.Join(dirs, ":"), "/opt/rpm" + path}, args...)...)
		require.NoError(s.t, err)
		require.Zero(s.t, r.Code, "rpm %v: %s", args, r.Stderr)
		return r
	}
}

// comeByRPM takes a host without recoveryd through the life of the .rpm, by rpm itself. Its needs are
// those of another distribution, and are not looked at.
func comeByRPM(t *testing.T, s *stage, v1, v2 string) {
	rpm := s.bringRPM()
	before := s.exec("bash", "-c", inventory)
	for name, file := range map[string]string{"v1": v1, "v2": v2} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, s.WriteFile("/tmp/recoveryd_"+name+".rpm", lab.File{Content: string(text)}))
	}
	running := func(version string) {
		t.Helper()
		require.Equal(t, "active", s.show("recoveryd.service", "ActiveState"))
		require.Contains(t, s.exec("recoveryd", "version"), "recoveryd "+version+" (commit ")
		require.Equal(t, "/usr/bin/recoveryd\n", s.exec("readlink", "/proc/"+s.show("recoveryd.service", "MainPID")+"/exe"))
	}

	rpm("-i", "--nodeps", "/tmp/recoveryd_v1.rpm")
	running("1.0.0")
	require.Equal(t, "enabled\n", s.exec("systemctl", "is-enabled", "recoveryd.service"))
	require.Equal(t, "recoveryd\n", s.exec("stat", "-c", "%U", "/proc/"+s.show("recoveryd.service", "MainPID")))
	s.eventually(20*time.Second, "the host is seen to be healthy", func() bool { return s.target("this-host").Verdict == "healthy" })
	rpm("-V", "--nodeps", "recoveryd") // every file is as it was packed
	s.exec("recoveryd", "hold", "this-host", "--for", "1h", "--why", "the disk is being changed")
	s.exec("sed", "-i", "s/^mode: observe/mode: observe # mine/", "/etc/recoveryd/recoveryd.yaml")

	run := s.show("recoveryd.service", "InvocationID")
	rpm("-U", "--nodeps", "/tmp/recoveryd_v2.rpm")
	running("1.0.1")
	require.NotEqual(t, run, s.show("recoveryd.service", "InvocationID"))
	require.Contains(t, s.exec("cat", "/etc/recoveryd/recoveryd.yaml"), "# mine")
	require.Regexp(t, `(?m)^this-host +watching, hold by`, s.exec("recoveryd", "status"))

	s.exec("bash", "-c", "echo no-such-key: 1 >>/etc/recoveryd/recoveryd.yaml")
	run = s.show("recoveryd.service", "InvocationID")
	refused := rpm("-U", "--nodeps", "--force", "/tmp/recoveryd_v2.rpm")
	require.Contains(t, refused.Stdout+refused.Stderr, "NOT restarted, the previous version goes on")
	require.Equal(t, run, s.show("recoveryd.service", "InvocationID"))
	require.Equal(t, "active", s.show("recoveryd.service", "ActiveState"))

	rpm("-e", "recoveryd")
	require.Equal(t, "inactive", s.show("recoveryd.service", "ActiveState"))
	left := without(strings.Split(s.exec("bash", "-c", inventory), "\n"), strings.Split(before, "\n"))
	kept := regexp.MustCompile(`^(/etc/recoveryd(/recoveryd\.yaml\.rpmsave)?|/var/lib/recoveryd(/recoveryd\.(db|ballast|lock|mark)\S*)?|/run/recoveryd(/env)?|recoveryd:.*|systemd-journal:.*recoveryd)$`)
	for _, x := range left {
		if strings.Contains(x, "recoveryd") { // what else is new is rpm's own, or everybody's, such as /usr/share/doc
			require.Regexp(t, kept, x, "left behind")
		}
	}
	require.Contains(t, left, "/etc/recoveryd/recoveryd.yaml.rpmsave", "what the operator changed is kept, as rpm does it")
	require.Contains(t, left, "/var/lib/recoveryd/recoveryd.db")
}
