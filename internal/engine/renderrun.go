package engine

import (
	"fmt"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// renderRun writes the message about the run of a playbook, from the notice's own case.
func (r Renderer) renderRun(out notice.Notice, n incident.Notice, i incident.Incident) notice.Notice {
	out.Summary = runSummary(n, i)
	out.Link = r.Link // runs are shown on the first page
	out.Commands = []string{"recoveryd playbook status " + i.ID, "recoveryd explain " + i.ID}
	switch {
	case n.Why == incident.PlaybookDone:
		out.Status = notice.Completed
	case n.Kind == incident.NoticeTrigger:
		out.Commands = append(out.Commands, "recoveryd ack "+i.ID, "recoveryd playbook stop "+i.ID)
	case n.Why == incident.PlaybookWaits:
		out.Status = notice.Identified
		out.Commands = append(out.Commands, "recoveryd playbook approve "+i.ID)
	}
	return out
}

func runSummary(n incident.Notice, i incident.Incident) string {
	what := "run " + i.ID
	switch {
	case n.Kind == incident.NoticeResolve:
		return what + ", which failed, is over: " + i.Diagnosis.Because
	case n.Why == incident.PlaybookWaits:
		return what + ": " + i.Diagnosis.Because
	case n.Kind == incident.NoticeChange:
		return fmt.Sprintf("%s: succeeded after %s", what, span(i.Since, i.Closed))
	}
	return what + " failed: " + i.Diagnosis.Because
}
