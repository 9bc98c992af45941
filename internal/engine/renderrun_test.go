package engine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

func TestAFailedRunIsToldWithItsStepsAndWhatToTypeNext(t *testing.T) {
	began := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	c := incident.Incident{ID: "full-recovery-20261122-030000", Target: "playbook:full-recovery", Class: incident.ClassPlaybook, Severity: detect.P1,
		Since: began, Opened: began.Add(3 * time.Second), Affected: []string{"codebase-mcp"}, Diagnosis: detect.Diagnosis{Because: "step 2 of 2, clean /var/cache/mcp failed: denied"},
		Attempts: []incident.Attempt{{At: began, Action: "stop codebase-mcp", Result: incident.ResultDone, Detail: "its unit is inactive"}, {At: began, Action: "clean /var/cache/mcp", Result: incident.ResultFailed, Detail: "denied"}}}
	r := Renderer{Host: "db1", Link: "https://status.example/", Unit: func(string) string { return "" }}
	n := r.Render(incident.Notice{Kind: incident.NoticeTrigger, Why: incident.PlaybookFailed, Next: "nothing"}, c, began)
	require.Equal(t, "run full-recovery-20261122-030000 failed: step 2 of 2, clean /var/cache/mcp failed: denied", n.Summary)
	require.Equal(t, notice.Critical, n.Severity)
	require.Equal(t, "P1", n.Priority)
	require.Equal(t, notice.Attempt{At: began, What: "clean /var/cache/mcp", Result: "failed, denied"}, n.Tried[1])
	require.Equal(t, []string{"recoveryd playbook status " + c.ID, "recoveryd explain " + c.ID, "recoveryd ack " + c.ID, "recoveryd playbook stop " + c.ID}, n.Commands)
	require.Equal(t, "https://status.example/", n.Link)

	c.Diagnosis.Because = "seen to by ann"
	n = r.Render(incident.Notice{Kind: incident.NoticeResolve, Why: incident.Mended}, c, began)
	require.Equal(t, "run full-recovery-20261122-030000, which failed, is over: seen to by ann", n.Summary)
	require.Equal(t, notice.Resolved, n.Status)

	c.Closed = began.Add(4 * time.Second)
	n = r.Render(incident.Notice{Kind: incident.NoticeChange, Why: incident.PlaybookDone}, c, began)
	require.Equal(t, "run full-recovery-20261122-030000: succeeded after 4s", n.Summary)

	n = r.Render(incident.Notice{Kind: incident.NoticeChange, Why: incident.PlaybookWaits}, c, began)
	require.Equal(t, notice.Identified, n.Status)
	require.Contains(t, n.Commands, "recoveryd playbook approve "+c.ID)
}
