package acceptance

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/doctor"
	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/test/lab"
	"github.com/recoveryd/recoveryd/test/lab/labtest"
)

// bareStage is a lab with the program and its unit, and nothing else of ours: no configuration, no
// polkit rule, no drop-in.
func bareStage(t *testing.T) *stage {
	t.Helper()
	t.Parallel()
	files := deployed(t)
	delete(files, "/etc/polkit-1/rules.d/50-recoveryd.rules")
	l := labtest.Start(t, lab.Options{Binaries: labtest.Build(t, "mcp-target", "recoveryd"), Files: files})
	s := &stage{Lab: l, t: t, runs: map[string]string{}, started: time.Now(), pd: escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{})}
	s.exec("rm", "/etc/systemd/system/"+lab.CodebaseUnit+".d/50-recoveryd-env.conf") // the lab's own, made by hand
	s.ctl("daemon-reload")
	return s
}

// says runs recoveryd in the lab as root and returns what it printed and how it ended.
func (s *stage) says(args ...string) lab.Result {
	s.t.Helper()
	r, err := s.Exec(s.t.Context(), append([]string{"/usr/bin/recoveryd"}, args...)...)
	require.NoError(s.t, err)
	return r
}

// doctor runs recoveryd doctor and returns its report and exit code.
func (s *stage) doctor() (rep doctor.Report, code int) {
	s.t.Helper()
	r := s.says("doctor", "-o", "json")
	require.NoError(s.t, json.Unmarshal([]byte(r.Stdout), &rep), r.Stdout+r.Stderr)
	return rep, r.Code
}

// failures are the lines of a report that are failures: "polkit codebase-mcp.service: refuses ...".
func failures(rep doctor.Report) (out []string) {
	for _, f := range rep.Findings {
		if f.Status == doctor.Fail {
			out = append(out, f.Check+" "+f.Object+": "+f.Detail)
		}
	}
	return out
}

func (s *stage) edit(file, old, new string) {
	s.t.Helper()
	text := s.exec("cat", file)
	require.Contains(s.t, text, old)
	require.NoError(s.t, s.WriteFile(file, lab.File{Content: strings.Replace(text, old, new, 1)}))
}

// TestFromNothingToACureUnderExactlyTheRightsThatAreNeeded goes the way of a first run: init, setup,
// start, doctor; then a fault is cured under those rights; then one of them is taken away, and a
// wider one given.
func TestFromNothingToACureUnderExactlyTheRightsThatAreNeeded(t *testing.T) {
	s := bareStage(t)
	const config, rule = "/etc/recoveryd/recoveryd.yaml", setup.PolkitRule

	r := s.says("init")
	require.Zero(t, r.Code, r.Stderr)
	require.Zero(t, s.says("validate").Code, "what init writes is valid")
	require.Equal(t, 2, s.says("init").Code, "it does not overwrite")
	require.Contains(t, s.exec("cat", config), "mode: observe")
	require.Contains(t, s.says("setup").Stdout, "no unit may be acted on", "who only watches needs no right")
	s.edit(config, "mode: observe", "mode: auto")
	s.edit(config, "    # pool: {application: codebase-mcp", "    pool: {application: codebase-mcp")

	r = s.says("setup")
	require.Equal(t, 1, r.Code, "something differs")
	require.Contains(t, r.Stdout, "+++ "+rule)
	require.Contains(t, r.Stdout, `+            "codebase-mcp.service": ["kill", "reset-failed", "restart", "start"],`)
	require.NotZero(t, s.says("setup", "--apply").Code, "nobody has confirmed")
	require.Equal(t, "", strings.TrimSpace(s.exec("find", "/etc/polkit-1/rules.d", "-type", "f")), "and so nothing was written")
	r = s.says("setup", "--apply", "--yes")
	require.Zero(t, r.Code, r.Stdout+r.Stderr)
	r = s.says("setup")
	require.Zero(t, r.Code, r.Stdout)
	require.Contains(t, r.Stdout, "nothing to do")

	s.ctl("start", "recoveryd.service")
	rep, code := s.doctor()
	require.Zero(t, code)
	require.Empty(t, failures(rep))
	require.Contains(t, rep.As, "user recoveryd, in the sandbox")
	s.eventually(20*time.Second, "the first verdict", func() bool { return s.target("codebase-mcp").Verdict == "healthy" })

	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.healthy(lab.CodebaseAddr, 20*time.Second)
	s.eventually(20*time.Second, "the cure is written down", func() bool {
		l := s.incidents()
		return len(l) == 1 && len(l[0].Attempts) == 1 && l[0].Attempts[0].Verb == "start" && l[0].Attempts[0].Result == "done"
	})

	s.edit(rule, `"codebase-mcp.service": ["kill", "reset-failed", "restart", "start"]`, `"codebase-mcp.service": ["kill", "reset-failed", "start"]`)
	s.eventually(20*time.Second, "doctor names the right that is missing", func() bool {
		rep, code = s.doctor()
		return code == 1
	})
	require.ElementsMatch(t, []string{
		"tried codebase-mcp.service: refuses restart, which the ladders of this configuration need",
		"polkit codebase-mcp.service: refuses restart, which the ladders of this configuration need"}, failures(rep))

	require.NoError(t, s.WriteFile("/etc/polkit-1/rules.d/10-wide.rules", lab.File{Content: `polkit.addRule(function (action, subject) {
    if (subject.user === "recoveryd" && action.id === "org.freedesktop.systemd1.manage-units") return polkit.Result.YES;
});`}))
	s.eventually(20*time.Second, "doctor names what is too much", func() bool {
		rep, code = s.doctor()
		return code == 1 && strings.Contains(strings.Join(failures(rep), "\n"), "nobody has named")
	})
	require.Contains(t, strings.Join(failures(rep), "\n"), "tried any other unit: start, stop, restart, kill, set-property is let through on a unit that nobody has named")
	s.exec("rm", "/etc/polkit-1/rules.d/10-wide.rules")

	r = s.says("setup", "--remove", "--apply", "--yes")
	require.Zero(t, r.Code, r.Stdout+r.Stderr)
	require.Equal(t, "", strings.TrimSpace(s.exec("find", "/etc/polkit-1/rules.d", "/etc/systemd/system", "-name", "50-recoveryd-*", "-newer", config)))
	member, err := s.SQL(t.Context(), "postgres", "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = 'recoveryd'")
	require.NoError(t, err)
	require.Equal(t, "2", member, "the role is the lab's own, and keeps what it has")
	s.strangersGetNothing()
}

// strangersGetNothing tries the control socket as others, and commands over TCP.
func (s *stage) strangersGetNothing() {
	const socket = "/run/recoveryd/control.sock"
	r, err := s.ExecAs(s.t.Context(), "mcp", "/usr/bin/recoveryd", "--socket", socket, "status")
	require.NoError(s.t, err)
	require.NotZero(s.t, r.Code, "another user does not even get to the socket")
	require.Contains(s.t, r.Stderr, "refuses user")
	// In the group it gets to the socket, and the kernel says who it is.
	r, err = s.Exec(s.t.Context(), "systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--uid=mcp", "-p", "SupplementaryGroups=recoveryd",
		"/usr/bin/recoveryd", "--socket", socket, "status")
	require.NoError(s.t, err)
	require.NotZero(s.t, r.Code)
	require.Contains(s.t, r.Stderr, "only root and its own user may command it")
	require.Empty(s.t, r.Stdout)
	resp, err := s.HTTPClient().Post("http://"+apiAddr+"/api/v1/command", "application/json", strings.NewReader(`{"verb":"pause","by":"a stranger"}`))
	require.NoError(s.t, err)
	require.NoError(s.t, resp.Body.Close())
	require.Contains(s.t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, resp.StatusCode, "nothing is commanded over TCP")
}
