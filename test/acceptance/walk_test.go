package acceptance

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/test/lab"
	"github.com/recoveryd/recoveryd/test/lab/labtest"
)

// page reads a page of the daemon as a browser does.
func (s *stage) page(path string) string {
	s.t.Helper()
	resp, err := s.HTTPClient().Get("http://" + apiAddr + path)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, resp.StatusCode, "%s: %s", path, text)
	return string(text)
}

// warnings is what a person sees who asks the host's journal what recoveryd warns of.
func (s *stage) warnings() string {
	s.t.Helper()
	out, err := s.Journal(s.t.Context(), "-u", "recoveryd.service", "-p", "warning", "-o", "cat")
	require.NoError(s.t, err)
	return out
}

// alertAbout is the vendor's alert of an incident of the target; the zero value while there is none.
func (s *stage) alertAbout(target string) escalatetest.Alert {
	for _, a := range s.pages() {
		if strings.HasPrefix(a.DedupKey, target+"-") {
			return a
		}
	}
	return escalatetest.Alert{}
}

// TestFromAptInstallToAClosedIncidentAsAPersonSeesIt walks through one night: the package, the first
// configuration, a server that cannot be started, the page, the acknowledgement, the cure, the report and the end.
// It reads only what a person would read.
func TestFromAptInstallToAClosedIncidentAsAPersonSeesIt(t *testing.T) {
	labtest.Require(t)
	t.Parallel()
	deb, err := os.ReadFile(pack(t, "../..", "1.0.0", "deb")["deb"])
	require.NoError(t, err)
	const gate, config = "/run/no-start", "/etc/recoveryd/recoveryd.yaml"
	l := labtest.Start(t, lab.Options{Binaries: labtest.Build(t, "mcp-target"), Files: map[string]lab.File{
		"/etc/systemd/system/" + lab.CodebaseUnit + ".d/50-gate.conf": {Content: "[Service]\nExecStartPre=/usr/bin/test ! -e " + gate + "\n"},
	}})
	s := &stage{Lab: l, t: t, runs: map[string]string{}, started: time.Now(),
		pd: escalatetest.NewPagerDuty(escalatetest.PagerDutyOptions{Keys: []string{pdKey}})}
	s.serve(pdAddr, s.pd)
	require.NoError(t, l.WriteFile("/root/recoveryd.deb", lab.File{Content: string(deb)}))
	s.exec("userdel", "recoveryd") // every lab has that user; here the package makes it
	s.exec("bash", "-c", "rm -rf /run/recoveryd /etc/systemd/system/*-mcp.service.d/50-recoveryd-env.conf && systemctl daemon-reload")
	began := time.Now()

	s.exec("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "install", "/root/recoveryd.deb")
	require.Zero(t, s.says("init").Code)
	s.edit(config, "mode: observe", `mode: auto
probation: 4s
# The kill may be seen before the unit's end: then the first action comes too late, and counts all the same.
budgets: {target: {actions: 8}, backoff: {initial: 1s, factor: 1.1, max: 1s}}
notifiers:
  - {name: pagerduty, type: pagerduty, routing_key_file: /etc/recoveryd/pagerduty.key, endpoint: "http://`+pdAddr+`", changes: true}`)
	s.exec("bash", "-c", "umask 027 && echo "+pdKey+" >/etc/recoveryd/pagerduty.key && chgrp recoveryd /etc/recoveryd/pagerduty.key")
	r := s.says("setup", "--apply", "--yes")
	require.Zero(t, r.Code, r.Stdout+r.Stderr)
	require.Contains(t, s.exec("cat", setup.PolkitRule), lab.CodebaseUnit)
	s.ctl("restart", "recoveryd.service")
	r = s.says("notify", "test", "--all")
	require.Zero(t, r.Code, r.Stdout+r.Stderr)
	require.Contains(t, r.Stdout, "pagerduty (pagerduty): accepted in ")
	s.eventually(20*time.Second, "all is well", func() bool { return strings.Count(s.says("status").Stdout, "  healthy  ") == 3 })
	quiet := s.warnings()
	t.Logf("all is well after %s; warnings so far:\n%s", time.Since(began).Round(time.Millisecond), quiet)

	// The server dies and cannot be started. Whoever is on call is paged, and reads the same everywhere.
	s.exec("touch", gate)
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.eventually(60*time.Second, "a page", func() bool { return s.alertAbout("codebase-mcp").Status != "" })
	told := time.Since(began)
	alert := s.alertAbout("codebase-mcp")
	require.Equal(t, "triggered", alert.Status)
	status := s.says("status").Stdout
	t.Logf("paged after %s: %s\n%s", told.Round(time.Millisecond), alert.Summary, status)
	open := s.incidents()
	require.Len(t, open, 1)
	id := open[0].ID
	sent := s.pd.Log.Entries()
	body := sent[len(sent)-1].Body
	t.Logf("page:\n%s\nwarnings:\n%s", body, strings.TrimPrefix(s.warnings(), quiet))
	require.Contains(t, alert.Summary, "codebase-mcp")
	for where, text := range map[string]string{"status": status, "the page": s.page("/"), "its own page": s.page("/incidents/" + id),
		"the page at the vendor": body, "the journal": strings.TrimPrefix(s.warnings(), quiet), "incidents": s.says("incidents").Stdout} {
		require.Contains(t, text, "codebase-mcp", where)
		require.Contains(t, text, id, where)
	}
	require.Contains(t, body, "start codebase-mcp.service", "what was tried")
	require.Contains(t, body, "recoveryd explain "+id, "how to look further")
	require.Contains(t, body, "everything it may try was tried", "what happens next")

	// Somebody takes it, mends what kept the server from starting, and lets recoveryd try again.
	r = s.says("ack", id, "--by", "ann", "--for", "1h", "--why", "looking at it")
	require.Zero(t, r.Code, r.Stderr)
	t.Log(r.Stdout)
	require.Contains(t, s.page("/incidents/"+id), "ann")
	require.Contains(t, s.says("show", id).Stdout, "ann")
	s.exec("rm", gate)
	r = s.says("retry", "codebase-mcp", "--by", "ann")
	require.Zero(t, r.Code, r.Stderr)
	s.healthy(lab.CodebaseAddr, 20*time.Second)
	s.closed(1, 30*time.Second)
	s.eventually(20*time.Second, "the all-clear is delivered", func() bool { return s.alertAbout("codebase-mcp").Status == "resolved" })
	t.Logf("over after %s", time.Since(began).Round(time.Millisecond))

	// In the morning.
	sent = s.pd.Log.Entries()
	t.Logf("all-clear: %s", sent[len(sent)-1].Body)
	status = s.says("status").Stdout
	require.Equal(t, 3, strings.Count(status, "  healthy  "), status)
	require.NotContains(t, status, id, "nothing of it is open")
	report := s.says("report", id).Stdout
	t.Log(report)
	for _, words := range []string{"cured by recoveryd after ", "ann (uid 0) acknowledged until ", "start codebase-mcp.service", "- [ ] State the impact"} {
		require.Contains(t, report, words)
	}
	require.Regexp(t, `\| page, tier 0: [^|]* \| pagerduty \| accepted after `, report)
	require.Regexp(t, `\| all-clear, tier 0: [^|]* \| pagerduty \| accepted after `, report)
	r = s.says("close", id, "--why", "it is over")
	require.Equal(t, 1, r.Code, "it has ended by itself")
	require.Contains(t, r.Stderr, "has ended at ")
	t.Logf("in all %s; warnings:\n%s", time.Since(began).Round(time.Millisecond), strings.TrimPrefix(s.warnings(), quiet))
}
