package acceptance

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/test/lab"
)

// A unit whose program never runs, by its own settings: nobody starts it again and again, and a person is told
// what is wrong with it in words.
func TestAUnitThatItsOwnSettingsKeepFromRunningIsMisconfiguredAndNotStartedForEver(t *testing.T) {
	s := newStage(t, setting{})
	for _, c := range []struct{ unit, target, settings, says string }{
		{lab.CodebaseUnit, "codebase-mcp", "ExecStart=\nExecStart=/nonexistent/program", "/nonexistent/program"},                    // 203/EXEC
		{lab.WorkflowUnit, "workflow-mcp", "User=nosuchuser", "user"},                                                               // 217/USER
		{lab.CodebaseUnit, "codebase-mcp", "ExecStart=\nExecStart=/bin/sleep 1000\nWorkingDirectory=/nowhere", "working directory"}, // 200/CHDIR
		{lab.WorkflowUnit, "workflow-mcp", "User=mcp\nGroup=nosuchgroup", "group"},                                                  // 216/GROUP
	} {
		require.NoError(t, s.DropIn(t.Context(), c.unit, "unable", "[Service]\nType=simple\nRestart=no\n"+c.settings+"\n"))
		_, err := s.Systemctl(t.Context(), "restart", "--no-block", c.unit)
		require.NoError(t, err)
		s.eventually(30*time.Second, c.settings+" is called misconfigured, and why", func() bool {
			v := s.target(c.target)
			return v.Class == "misconfigured" && strings.Contains(v.Because, c.says)
		})
		acted := len(s.actions())
		s.never(8*time.Second, "it is started again", func() bool { return len(s.actions()) > acted })
	}
	s.eventually(60*time.Second, "people are told", func() bool { return len(s.pages()) >= 2 })
	require.LessOrEqual(t, len(s.actions()), 4, "one start at the most for each, before its status is known")
}
