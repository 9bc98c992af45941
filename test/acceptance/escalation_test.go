package acceptance

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/test/lab"
)

const (
	pulseAddr = "127.0.0.1:7004"
	pulsePath = "/ping/5ecre7-0f-the-dead-man"
)

// tool runs the built binary as an operator does.
func (s *stage) tool(args ...string) lab.Result {
	s.t.Helper()
	r, err := s.Exec(s.t.Context(), append([]string{"/usr/bin/recoveryd"}, args...)...)
	require.NoError(s.t, err)
	return r
}

// pulse is a dead-man service: it counts the calls of its secret address.
type pulse struct {
	mu sync.Mutex
	n  int
}

func (p *pulse) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.URL.Path != pulsePath {
		http.Error(w, "no such check", http.StatusNotFound)
		return
	}
	p.n++
}

func (p *pulse) count() int { p.mu.Lock(); defer p.mu.Unlock(); return p.n }

func TestAPageReachesARealMailServerAndARealAlertmanagerAndIsTakenBack(t *testing.T) {
	manager := program(t, "prometheus-alertmanager")
	if err := exec.Command("/usr/bin/python3", "-c", "import aiosmtpd").Run(); err != nil {
		t.Skip("needs python3-aiosmtpd: run scripts/bootstrap")
	}
	cert, key := certificate(t)
	var mails func() []received
	var hook *alertHook
	s := newStage(t, setting{
		config: config() + `
  - {name: mail, type: email, server: "` + mailAddr + `", tls: starttls, ca_file: ` + mailCA + `, from: "recoveryd <recoveryd@lab.example>", to: [ops@lab.example], templates: {title: "{{.Priority}} {{.Status}}: {{.Target}} {{.Class}}"}}
  - {name: alerts, type: alertmanager, urls: ["http://` + alertmanagerAddr + `"], labels: {team: platform}}
`,
		files:  map[string]lab.File{mailCA: {Content: cert}},
		before: func(s *stage) { mails, hook = s.mailServer(cert, key), s.alertmanager(manager) },
	})
	require.NoError(t, s.Control(lab.CodebaseControl).Set(t.Context(), "reply", "kind=not-found"))
	s.eventually(60*time.Second, "one mail", func() bool { return len(mails()) == 1 })
	page := mails()[0]
	require.Equal(t, "P3 Identified: codebase-mcp misconfigured", page.Get("Subject"), "by the operator's template")
	require.Equal(t, "<ops@lab.example>", page.Get("To"))
	require.Contains(t, page.text, "has no such page (HTTP 404)", "the evidence")
	require.Contains(t, page.text, "journalctl -u codebase-mcp.service", "how to look further")
	s.eventually(30*time.Second, "Alertmanager tells its receiver", func() bool { return len(hook.list()) >= 1 })
	require.Equal(t, []string{"firing codebase-mcp"}, hook.list())
	firing := s.alerts()
	require.Len(t, firing, 1)
	require.Equal(t, "platform", firing[0].Labels["team"])
	require.Equal(t, "active", firing[0].Status.State)
	require.Contains(t, firing[0].Annotations["description"], "HTTP 404")

	require.NoError(t, s.Control(lab.CodebaseControl).Clear(t.Context(), "reply"))
	s.eventually(60*time.Second, "a second mail", func() bool { return len(mails()) == 2 })
	over := mails()[1]
	require.Equal(t, "P3 Resolved: codebase-mcp misconfigured", over.Get("Subject"))
	require.Equal(t, page.Get("References"), over.Get("References"), "in the same thread")
	s.eventually(30*time.Second, "Alertmanager takes it back", func() bool { return len(hook.list()) == 2 })
	require.Equal(t, []string{"firing codebase-mcp", "resolved codebase-mcp"}, hook.list())
	require.Empty(t, s.alerts(), "no alert is active any more")

	r := s.tool("notify", "test", "--channel", "mail", "--channel", "alerts")
	require.Zero(t, r.Code, "%s%s", r.Stdout, r.Stderr)
	require.Contains(t, r.Stdout, "mail (email): accepted in ")
	require.Contains(t, r.Stdout, "alerts (alertmanager): accepted in ")
	s.eventually(20*time.Second, "the test and its end are mailed", func() bool { return len(mails()) == 4 })
	require.Contains(t, mails()[2].text, "This is a test. Nothing is wrong.")
	require.Empty(t, s.alerts(), "the test was taken back")
}

// activeAlert is what a scenario reads of Alertmanager's API.
type activeAlert struct {
	Labels, Annotations map[string]string
	Status              struct{ State string }
}

// alerts asks Alertmanager what fires.
func (s *stage) alerts() (list []activeAlert) {
	s.t.Helper()
	resp, err := s.HTTPClient().Get("http://" + alertmanagerAddr + "/api/v2/alerts?active=true")
	require.NoError(s.t, err)
	defer resp.Body.Close()
	require.NoError(s.t, json.NewDecoder(resp.Body).Decode(&list))
	return list
}

func TestHeartbeatsLeaveTheHostOnlyWhileRecoverydWorks(t *testing.T) {
	dead := &pulse{}
	s := newStage(t, setting{
		config: config() + `
heartbeat: {url_file: /etc/recoveryd/heartbeat.url, interval: 1s, timeout: 900ms}
`,
		files: map[string]lab.File{"/etc/recoveryd/heartbeat.url": {Content: "http://" + pulseAddr + pulsePath + "\n", Mode: 0o640, GID: lab.UIDRecoveryd}},
		before: func(s *stage) {
			s.serve(pulseAddr, dead)
			s.exec("mkdir", "-p", "/var/lib/recoveryd")
			s.exec("mount", "-t", "tmpfs", "-o", "size=16m,uid=2002,gid=2002,mode=0750", "tmpfs", "/var/lib/recoveryd")
		}})
	s.eventually(15*time.Second, "heartbeats", func() bool { return dead.count() >= 3 })
	quiet := func(span time.Duration, why string) {
		t.Helper()
		n := dead.count() + 1 // one may be under way
		s.never(span, "heartbeats "+why, func() bool { return dead.count() > n })
	}
	goesOn := func() {
		t.Helper()
		n := dead.count()
		s.eventually(20*time.Second, "heartbeats again", func() bool { return dead.count() >= n+2 })
	}
	// Shorter than the watchdog of the unit, which would start it anew.
	require.NoError(t, s.SignalMain(t.Context(), "recoveryd.service", "STOP"))
	quiet(5*time.Second, "of a frozen daemon")
	require.NoError(t, s.SignalMain(t.Context(), "recoveryd.service", "CONT"))
	goesOn()

	s.eventually(40*time.Second, "said in the log", func() bool {
		s.exec("sh", "-c", "cat /dev/zero >> /var/lib/recoveryd/junk 2>/dev/null; true") // also what the journal's reserve gives back
		return strings.Contains(s.daemonLog(), "no heartbeat was sent")
	})
	quiet(4*time.Second, "of a daemon that cannot write its journal")
	require.Contains(t, s.tool("status").Stdout, "heartbeat: NOT SENT for ")
	s.exec("rm", "/var/lib/recoveryd/junk")
	goesOn()

	s.ctl("stop", "recoveryd.service")
	quiet(3*time.Second, "of a stopped daemon")
	require.NotContains(t, s.daemonLog(), "5ecre7", "whoever knows the address can keep the service quiet")
}

func TestACanaryProvesTheChannelsAndAChannelThatFailsItIsPagedThroughTheOther(t *testing.T) {
	s := newStage(t, setting{config: config() + "canary: {every: 1m}\n"})
	s.eventually(30*time.Second, "a canary, and its end", func() bool { return len(s.pages()) == 1 && s.pages()[0].Status == "resolved" })
	first := s.pd.Log.Entries()[0]
	require.Contains(t, first.Body, "[TEST]")
	require.Contains(t, first.Body, `"severity":"info"`)
	proven := regexp.MustCompile(`(?s)pagerduty +0 +\S+ ago +\S+ ago +ok\n.*slack +0 +\S+ ago +\S+ ago +ok\n.*canary: every 1m, next `)
	s.eventually(20*time.Second, "status shows that both have accepted it", func() bool { return proven.MatchString(s.tool("status").Stdout) })
	s.slack.Set(escalatetest.Fault{Mode: escalatetest.FaultStatus, Status: http.StatusForbidden})
	s.eventually(100*time.Second, "a page about slack", func() bool {
		for _, e := range s.pd.Log.Entries() {
			if e.Kind == "trigger" && strings.Contains(e.Body, "slack") && !strings.Contains(e.Body, "[TEST]") {
				return true
			}
		}
		return false
	})
	require.Contains(t, s.tool("status").Stdout, "TROUBLE: slack")
	require.Empty(t, s.actions(), "a test touches nothing")
}

func TestReportsAndFiguresAreWrittenWithAndWithoutADaemon(t *testing.T) {
	s := newStage(t, setting{})
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.closed(1, 60*time.Second)
	require.NoError(t, s.Control(lab.WorkflowControl).Set(t.Context(), "reply", "kind=not-found"))
	s.eventually(60*time.Second, "a page", func() bool { return len(s.pages()) == 1 })
	var paged incidentView
	for _, i := range s.incidents() {
		if i.Target == "workflow-mcp" {
			paged = i
		}
	}
	cured := s.incidents()[0]
	r := s.tool("ack", paged.ID, "--by", "ann", "--for", "1h", "--why", "looking at it")
	require.Zero(t, r.Code, r.Stderr)
	require.NoError(t, s.Control(lab.WorkflowControl).Clear(t.Context(), "reply"))
	s.closed(2, 60*time.Second)
	s.eventually(20*time.Second, "the all-clear is delivered", func() bool { return s.pages()[0].Status == "resolved" })

	r = s.tool("notify", "test", "--all")
	require.Zero(t, r.Code, "%s%s", r.Stdout, r.Stderr)
	require.Len(t, s.pages(), 2)
	s.slack.Set(escalatetest.Fault{Mode: escalatetest.FaultStatus, Status: http.StatusForbidden})
	r = s.tool("notify", "test", "--all")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Stdout, "slack (slack): NOT ACCEPTED")
	require.Contains(t, r.Stdout, "what to do: ")
	preview := s.tool("notify", "preview", "--channel", "pagerduty", "--incident", paged.ID)
	require.Zero(t, preview.Code, preview.Stderr)
	require.Contains(t, preview.Stdout, paged.ID)
	require.NotContains(t, preview.Stdout, pdKey)

	for _, daemon := range []string{"running", "stopped"} {
		t.Run("the daemon is "+daemon, func(t *testing.T) {
			if daemon == "stopped" {
				s.ctl("stop", "recoveryd.service")
			}
			r := s.tool("report", cured.ID)
			require.Zero(t, r.Code, r.Stderr)
			for _, words := range []string{"# Incident Report - ", "cured by recoveryd after ", "Nobody was paged", "start codebase-mcp.service", "- [ ] State the impact",
				"journalctl -u codebase-mcp.service --since"} {
				require.Contains(t, r.Stdout, words)
			}
			r = s.tool("report", paged.ID)
			require.Contains(t, r.Stdout, "ann (uid 0) acknowledged until ")
			require.Regexp(t, `\| page, tier 0: [^|]* \| pagerduty \| accepted after `, r.Stdout)
			require.Regexp(t, `\| all-clear, tier 0: [^|]* \| pagerduty \| accepted after `, r.Stdout)
			r = s.tool("report", cured.ID, "--out", "/tmp/report.html")
			require.Zero(t, r.Code, r.Stderr)
			require.Contains(t, s.exec("cat", "/tmp/report.html"), "<h2>Root Cause</h2>")
			r = s.tool("stats", "--since", "1h")
			require.Zero(t, r.Code, r.Stderr)
			require.Regexp(t, `codebase-mcp +down +1 +0 +\S+ +\S+ +\S+ +1 \(100%\) +0 +0 \(0%\)`, r.Stdout)
			require.Regexp(t, `workflow-mcp +misconfigured +1 +0 +\S+ +\S+ +\S+ +0 \(0%\) +0 +1 \(100%\)`, r.Stdout)
			require.Regexp(t, `all +2 +0 `, r.Stdout)
			if daemon == "running" {
				t.Logf("stats:\n%s", r.Stdout)
			}
		})
	}
}
