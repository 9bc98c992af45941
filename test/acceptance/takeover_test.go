package acceptance

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/test/lab"
)

// TestWhoeverTakesOverTheDaemonPassesOneNumberToAServiceAndNothingElse does as user recoveryd what a daemon
// that was taken over could do with everything that it may write and ask for.
func TestWhoeverTakesOverTheDaemonPassesOneNumberToAServiceAndNothingElse(t *testing.T) {
	s := bareStage(t)
	const config, wish = "/etc/recoveryd/recoveryd.yaml", "/run/recoveryd/env/codebase-mcp.env"
	require.Zero(t, s.says("init").Code)
	s.edit(config, "mode: observe", "mode: auto")
	s.edit(config, "    # pool: {application: codebase-mcp", "    pool: {application: codebase-mcp")
	r := s.says("setup", "--apply", "--yes")
	require.Zero(t, r.Code, r.Stdout+r.Stderr)

	as := func(script string) lab.Result {
		t.Helper()
		r, err := s.Exec(t.Context(), "runuser", "-u", "recoveryd", "--", "sh", "-c", script)
		require.NoError(t, err)
		return r
	}
	const restart = "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager RestartUnit ss codebase-mcp.service replace"
	environment := func(text string) string {
		t.Helper()
		before := s.show(lab.CodebaseUnit, "InvocationID")
		r := as("printf '" + text + "' >" + wish + " && " + restart)
		require.Zero(t, r.Code, r.Stderr)
		s.eventually(20*time.Second, "a new run", func() bool {
			return s.show(lab.CodebaseUnit, "InvocationID") != before && s.show(lab.CodebaseUnit, "ActiveState") == "active"
		})
		return strings.ReplaceAll(s.exec("cat", "/proc/"+s.show(lab.CodebaseUnit, "MainPID")+"/environ"), "\x00", "\n")
	}
	env := environment(`LD_PRELOAD=/tmp/x.so\nLD_AUDIT=/tmp/x.so\nPATH=/tmp\nPYTHONPATH=/tmp\nNODE_OPTIONS=-r/tmp/x\nBASH_ENV=/tmp/x\nGCONV_PATH=/tmp\nDB_POOL_SIZE=33\n`)
	require.Contains(t, env, "\nDB_POOL_SIZE=33\n", "the size is passed on")
	for _, name := range []string{"LD_", "/tmp", "PYTHON", "NODE_", "BASH_ENV", "GCONV"} {
		require.NotContains(t, env, name)
	}
	require.NotContains(t, environment(`DB_POOL_SIZE=4000000\nLD_PRELOAD=/tmp/x.so\n`), "4000000", "not above the cap")
	require.NotContains(t, environment(`DB_POOL_SIZE=33\\\nLD_PRELOAD=/tmp/x.so\n`), "LD_")

	for what, script := range map[string]string{
		"what was passed on":      "echo LD_PRELOAD=/tmp/x.so >/run/recoveryd-env/codebase-mcp.env",
		"the directory of it":     "touch /run/recoveryd-env/workflow-mcp.env",
		"the drop-in":             "echo >>/etc/systemd/system/codebase-mcp.service.d/" + setup.EnvDropIn,
		"a drop-in of its own":    "mkdir /run/systemd/system/codebase-mcp.service.d",
		"its own configuration":   "echo >>" + config,
		"the program":             "echo >>/usr/bin/recoveryd",
		"another unit":            strings.Replace(restart, "codebase-mcp.service", "dbus.service", 1),
		"a transient unit":        "systemd-run --no-ask-password true",
		"a property of the unit":  "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager SetUnitProperties 'sba(sv)' codebase-mcp.service true 1 CPUQuotaPerSecUSec t 1",
		"the manager's variables": "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager SetEnvironment as 1 LD_PRELOAD=/tmp/x.so",
		"a link to a unit file":   "systemctl --no-ask-password link /tmp/x.service",
		"a reload":                "systemctl --no-ask-password daemon-reload",
	} {
		require.NotZero(t, as(script).Code, "user recoveryd may change %s", what)
	}
	require.Zero(t, as("rm -r /run/recoveryd/env && ln -s /etc /run/recoveryd/env").Code)
	r = s.says("setup", "--apply", "--yes")
	require.Equal(t, "root:root 755", strings.TrimSpace(s.exec("stat", "-c", "%U:%G %a", "/etc")), "setup gives nothing away through a link: "+r.Stdout+r.Stderr)

	// In which order systemd does it: what is unset by name stays unset, whatever a file says. It is the list that
	// is never complete, and that takes the service's own.
	require.NoError(t, s.WriteFile("/tmp/e", lab.File{Content: "LD_PRELOAD=/tmp/x.so\nPERL5LIB=/tmp\n"}))
	env = s.exec("systemd-run", "--pipe", "--wait", "-q", "-p", "EnvironmentFile=/tmp/e", "-p", "UnsetEnvironment=LD_PRELOAD", "-E", "LD_PRELOAD=", "env")
	require.NotContains(t, env, "LD_PRELOAD")
	require.Contains(t, env, "PERL5LIB=/tmp")
}

// TestAFloodOfStrangersCostsThemTheirPageAndNobodyElseAnything opens 3,000 connections to the status page of the
// packaged unit: of clients who do not read, who write slowly, who say nothing.
func TestAFloodOfStrangersCostsThemTheirPageAndNobodyElseAnything(t *testing.T) {
	s := newStage(t, setting{})
	pid := s.show("recoveryd.service", "MainPID")
	require.Equal(t, "4096", s.show("recoveryd.service", "LimitNOFILE"))
	ctx, end := context.WithCancel(t.Context())
	defer end()
	// Dialled by one thread of the lab's network each, which costs more than the connection: in few at once.
	for worker := range 8 {
		go func() {
			for i := worker; ctx.Err() == nil; i += 8 {
				c, err := s.DialContext(ctx, "tcp", "127.0.0.1:9465")
				if err != nil {
					continue
				}
				defer c.Close() //nolint:errcheck,gocritic // at the end of the flood
				switch i % 3 {
				case 0:
					_, _ = fmt.Fprint(c, strings.Repeat("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 50)) // and never read
				case 1:
					_, _ = fmt.Fprint(c, "POST /api/v1/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
				}
			}
		}()
	}
	most := 0
	s.eventually(time.Minute, "3,000 connections came", func() bool {
		most = max(most, strings.Count(s.exec("ls", "/proc/"+pid+"/fd"), "\n"))
		return strings.Contains(s.exec("cat", "/proc/net/snmp"), "Tcp:") && s.accepted() > 3000
	})
	require.NoError(t, s.SignalMain(t.Context(), lab.CodebaseUnit, "KILL"))
	s.healthy(lab.CodebaseAddr, 30*time.Second)
	r, err := s.Exec(t.Context(), "/usr/bin/recoveryd", "status")
	require.NoError(t, err)
	require.Contains(t, r.Stdout, "codebase-mcp", "the control socket answers: "+r.Stderr)
	require.NoError(t, s.Control(lab.WorkflowControl).Set(t.Context(), "variant", "name=G"))
	s.eventually(90*time.Second, "a page", func() bool {
		return len(s.pd.Log.Select(func(e escalatetest.Entry) bool { return e.Kind == "trigger" })) > 0
	})
	most = max(most, strings.Count(s.exec("ls", "/proc/"+pid+"/fd"), "\n"))
	require.Less(t, most, 400, "descriptors")
	require.Equal(t, pid, s.show("recoveryd.service", "MainPID"), "it was never killed")
	require.NotContains(t, s.daemonLog(), "too many open files")
	peak := s.exec("sh", "-c", "grep VmHWM /proc/"+pid+"/status")
	t.Log(most, "descriptors at most;", strings.TrimSpace(peak))
	end()
	s.eventually(30*time.Second, "the page is back", func() bool {
		_, err := s.status()
		return err == nil
	})
}

// accepted is how many connections the kernel of the lab's network has taken.
func (s *stage) accepted() (n int) {
	lines := bufio.NewScanner(strings.NewReader(s.exec("grep", "^Tcp:", "/proc/net/snmp")))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) > 6 {
			_, _ = fmt.Sscan(f[6], &n) // PassiveOpens; the first line has its name
		}
	}
	return n
}

func (s *stage) status() (*http.Response, error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return s.DialContext(ctx, network, addr)
	}}}
	resp, err := client.Get("http://127.0.0.1:9465/")
	if err == nil {
		_ = resp.Body.Close()
	}
	return resp, err
}
