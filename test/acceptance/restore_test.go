package acceptance

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/setup"
	"github.com/recoveryd/recoveryd/pkg/escalate/escalatetest"
	"github.com/recoveryd/recoveryd/test/lab"
)

// dataRecovery is the data recovery of configs/playbooks.yaml to the letter, but for the room on the
// disk and a table's limit of memory that a lab does not have, beside a command that tries its sandbox.
func dataRecovery(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../configs/playbooks.yaml")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(b), "  - name: data-recovery\n")
	require.True(t, found)
	body, _, found := strings.Cut(rest, "\n# The full recovery as the last")
	require.True(t, found)
	body = strings.ReplaceAll(strings.Replace(body, "free: 20GiB", "free: 1MiB", 1), ", MemoryMax=1G", "")
	c := strings.Replace(config(), "    memory: {limit: 200MiB}\n", `    memory: {limit: 200MiB}
    synthetic: [{name: search, url: "http://127.0.0.1:8000/search", body: '{"query": "recoveryd"}', match: '"results"', timeout: 900ms, every: 1h}]
`, 1)
	c = strings.Replace(c, "    pool: {application: workflow-mcp, database: postgres}\n", `    pool: {application: workflow-mcp, database: postgres}
    synthetic: [{name: search, url: "http://127.0.0.1:8001/search", body: '{"query": "recoveryd"}', match: '"results"', timeout: 900ms, every: 1h}]
`, 1)
	return c + "playbooks:\n  - name: data-recovery\n" + body + `
  - name: sandbox
    steps:
      - {do: command, name: who it is, command: [/usr/bin/id, -un], as: unit, properties: [User=mcp, PrivateNetwork=yes]}
      - {do: command, name: what it may write, command: [/usr/bin/touch, /etc/written], properties: [User=root]}
`
}

// TestDataIsRestoredOnlyByApprovalAndAfterAGoodDump runs the data recovery of the examples against the
// real PostgreSQL, its commands as units that recoveryd setup installs and that the unprivileged daemon
// may start and nothing else.
func TestDataIsRestoredOnlyByApprovalAndAfterAGoodDump(t *testing.T) {
	files := map[string]lab.File{}
	for _, name := range []string{"dump-database", "restore-database", "check-dump.sh"} {
		b, err := os.ReadFile("../../deploy/playbooks/" + name)
		require.NoError(t, err)
		files["/usr/lib/recoveryd/"+name] = lab.File{Content: string(b), Mode: 0o755}
	}
	s := newStage(t, setting{config: dataRecovery(t), files: files, before: func(s *stage) {
		s.exec("rm", setup.PolkitRule, "/etc/systemd/system/"+lab.CodebaseUnit+".d/50-recoveryd-env.conf") // the lab's own
		r := s.says("setup", "--apply", "--yes")
		require.Zero(s.t, r.Code, r.Stdout+r.Stderr)
		s.exec("install", "-d", "-o", "postgres", "-m", "0750", "/var/backups/codebase")
	}})
	say := func(code int, args ...string) string {
		t.Helper()
		r := s.says(args...)
		require.Equal(t, code, r.Code, "%v: %s%s", args, r.Stdout, r.Stderr)
		t.Logf("$ recoveryd %s\n%s%s", strings.Join(args, " "), r.Stdout, r.Stderr)
		return r.Stdout + r.Stderr
	}
	sql := func(q string) string {
		t.Helper()
		out, err := s.SQL(t.Context(), "codebase_mcp", q)
		require.NoError(t, err)
		return strings.TrimSpace(out)
	}
	asPostgres := func(argv ...string) string {
		t.Helper()
		return s.exec(append([]string{"runuser", "-u", "postgres", "--"}, argv...)...)
	}
	rep, _ := s.doctor()
	require.Empty(t, failures(rep), "setup has given everything, the units of the steps among it")

	// A unit of its own: its user, its sandbox; and no other unit may be started.
	out := say(1, "playbook", "run", "sandbox")
	require.Regexp(t, `who it is: done.*ended well after \d+ms: mcp`, out)
	require.Regexp(t, `what it may write: failed.*exit status 1: .*Read-only file system`, out)
	r, err := s.ExecAs(t.Context(), "recoveryd", "systemd-run", "--no-ask-password", "--uid=0", "/bin/true")
	require.NoError(t, err)
	require.NotZero(t, r.Code, "the right to start any unit would be the right to do anything")
	s.eventually(10*time.Second, "the failed run is told", func() bool { return len(s.pages()) == 1 })
	page := s.pd.Log.Select(func(e escalatetest.Entry) bool { return e.Kind == "trigger" })[0]
	require.Contains(t, page.Body, "what it may write failed")
	require.Contains(t, say(0, "status"), "what it may write failed: command.run sandbox/2: exit status 1")
	id := strings.Fields(page.Body[strings.Index(page.Body, "run sandbox-")+len("run "):])[0]
	require.Contains(t, say(0, "playbook", "stop", id, "--by", "ann"), "is seen to by ann")
	s.eventually(10*time.Second, "and is over", func() bool { return s.pages()[0].Status == "resolved" })

	// What is lost, and the backup that has it.
	sql("CREATE TABLE code_chunks (id int PRIMARY KEY, body text); INSERT INTO code_chunks SELECT n, repeat('x', 1000) FROM generate_series(1, 300) n; ALTER TABLE code_chunks OWNER TO mcp_user; ALTER DATABASE codebase_mcp SET work_mem TO '5MB'")
	asPostgres("/usr/lib/recoveryd/dump-database", "codebase_mcp", "/var/backups/codebase")
	asPostgres("bash", "-c", "mv /var/backups/codebase/codebase_mcp-*.dump /var/backups/codebase/last-known-good.dump")
	sql("DELETE FROM code_chunks WHERE id > 7")

	// Nothing is restored without a yes.
	require.Contains(t, say(0, "playbook", "run", "data-recovery", "--by", "ann"), "waits for approval of step 6 of 13, restore the last known good backup")
	require.Equal(t, "inactive", s.show(lab.CodebaseUnit, "ActiveState"))
	require.Contains(t, asPostgres("bash", "-c", "ls /var/backups/codebase"), "codebase_mcp-2", "what is there was dumped first")
	status := say(0, "status")
	require.Contains(t, status, "waits for approval of step 6 of 13")
	s.never(2*time.Second, "restored without a yes", func() bool { return sql("SELECT count(*) FROM code_chunks") != "7" })
	id = s.run().ID
	say(0, "playbook", "approve", id, "--by", "bob")
	s.eventually(60*time.Second, "the run is over", func() bool { return s.run().ID == "" })
	told := say(0, "playbook", "status", id)
	require.Contains(t, told, "playbook-done", told)
	require.Contains(t, told, "(approved by bob")
	require.Regexp(t, `count what was restored: done.*: 300`, told)
	require.Equal(t, "300", sql("SELECT count(*) FROM code_chunks"))
	require.Equal(t, "5MB", sql("SHOW work_mem"), "settings of the database are kept")
	require.Equal(t, "1", sql("SELECT count(*) FROM pg_database WHERE datname LIKE 'codebase_mcp_before_%'"), "what was there is not dropped")
	s.healthy(lab.CodebaseAddr, 10*time.Second)
	s.healthy(lab.WorkflowAddr, 10*time.Second)
	require.Len(t, s.pages(), 1, "nobody is woken for what went as it should")

	// Without a good dump nothing goes on: it stays as it is, and one page says so.
	s.exec("chown", "root", "/var/backups/codebase")
	out = say(1, "playbook", "run", "data-recovery", "--by", "ann")
	require.Contains(t, out, "dump what is there: failed")
	require.Contains(t, out, "keeps its targets as they are")
	s.eventually(10*time.Second, "one page", func() bool { return len(s.pages()) == 2 })
	s.never(4*time.Second, "a start, or a page for each of its targets", func() bool {
		return len(s.pages()) != 2 || s.show(lab.CodebaseUnit, "ActiveState") != "inactive"
	})
	require.Contains(t, say(0, "status"), "playbook-halted")
	standing := func() bool {
		return slices.ContainsFunc(s.pages(), func(a alert) bool { return a.Status != "resolved" })
	}
	require.True(t, standing())
	say(0, "playbook", "stop", s.run().ID, "--by", "bob")
	s.healthy(lab.CodebaseAddr, 20*time.Second)
	s.healthy(lab.WorkflowAddr, 20*time.Second)
	s.eventually(10*time.Second, "the page is over", func() bool { return !standing() })
	require.Equal(t, "300", sql("SELECT count(*) FROM code_chunks"))

	// A step that was changed is not run as it was: setup must install it anew.
	s.edit("/etc/recoveryd/recoveryd.yaml", "[/usr/bin/id, -un]", "[/usr/bin/id, -gn]")
	s.ctl("reload", "recoveryd.service")
	s.eventually(10*time.Second, "the new configuration", func() bool { return strings.Contains(say(0, "playbook", "show", "sandbox"), "-gn") })
	require.Contains(t, say(1, "playbook", "run", "sandbox"), "recoveryd setup --apply")
	rep, code := s.doctor()
	require.Equal(t, 1, code)
	require.Regexp(t, `step recoveryd-step-sandbox-1-[0-9a-f]{8}\.service: is not installed`, strings.Join(failures(rep), "\n"))
}

// runNow is the run under way as status tells it; the zero value when there is none.
type runNow struct {
	ID, Stage, Words string
	Step, Steps      int
}

func (s *stage) run() runNow {
	var st struct{ Playbooks struct{ Now runNow } }
	if err := s.get("/api/v1/status", &st); err != nil {
		return runNow{ID: err.Error()}
	}
	return st.Playbooks.Now
}
