package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Renderer turns the core's notices into messages for people. It is a value without state.
type Renderer struct {
	Host string // name of this host
	Link string // base address of the status page; "" = no links
	// Runbook says where the runbook of a class is, "" when it has none; nil = no class has one.
	Runbook func(detect.Class) string
	// Unit returns the unit name of a target, for the commands; "" when it has none.
	Unit func(target string) string
}

// Render writes one message, complete in itself.
func (r Renderer) Render(n incident.Notice, i incident.Incident, at time.Time) notice.Notice {
	out := notice.Notice{
		Key: fmt.Sprintf("%s/t%d", i.ID, n.Tier), Because: n.Because, Kind: kinds[n.Kind], Event: event(n, i), At: at, Incident: i.ID, Tier: n.Tier,
		Priority: i.Severity.String(), Severity: severity(i.Severity), Status: status(n, i), Host: r.Host,
		Target: i.Target, Class: string(i.Class), Summary: r.summary(n, i), Since: i.Since,
		Affected: i.Affected, Evidence: evidence(n, i, at), Next: n.Next, Commands: r.commands(n.Kind, i),
	}
	out.Evidence = slices.DeleteFunc(out.Evidence, func(s string) bool { return saidIn(n.Next, s) })
	if d := i.Drill; d != nil {
		out.Drill, out.Real = d.ID, !i.Exercise()
		if i.Exercise() {
			out.Summary = notice.DrillMark + " " + out.Summary
			out.Evidence = append([]string{fmt.Sprintf("this is a drill: %s (%s of %s, by %s)", d.ID, d.Fault, d.Target, d.By)}, out.Evidence...)
		} else {
			out.Evidence = append(out.Evidence, fmt.Sprintf("it began with drill %s (%s of %s, by %s), which does not explain it any more", d.ID, d.Fault, d.Target, d.By))
		}
	}
	for _, a := range i.Attempts {
		out.Tried = append(out.Tried, notice.Attempt{At: a.At, What: a.Action, Result: attemptWords(a)})
	}
	if r.Link != "" {
		out.Link = strings.TrimSuffix(r.Link, "/") + "/incidents/" + i.ID
	}
	if r.Runbook != nil {
		out.Runbook = r.Runbook(i.Class)
	}
	if i.Class == incident.ClassPlaybook {
		return r.renderRun(out, n, i)
	}
	return out
}

var kinds = map[incident.NoticeKind]notice.Kind{
	incident.NoticeTrigger: notice.Trigger, incident.NoticeUpdate: notice.Update,
	incident.NoticeResolve: notice.Resolve, incident.NoticeChange: notice.Change,
}

// event is what a notice about an incident tells of.
func event(n incident.Notice, i incident.Incident) notice.Event {
	run := i.Class == incident.ClassPlaybook
	switch {
	case n.Kind == incident.NoticeResolve && i.EndWhy != "":
		return notice.EventClosed
	case n.Kind == incident.NoticeResolve:
		return notice.EventAllClear
	case n.Why == incident.HoldApproval && n.Kind != incident.NoticeTrigger || n.Why == incident.PlaybookWaits:
		return notice.EventApproval
	case n.Kind == incident.NoticeChange && run:
		return notice.EventPlaybookDone
	case n.Kind == incident.NoticeChange && cured(i):
		return notice.EventCure
	case n.Kind == incident.NoticeChange:
		return notice.EventOver
	case n.Kind == incident.NoticeUpdate && n.Why == incident.OperatorSaid:
		return notice.EventAck
	case n.Kind == incident.NoticeUpdate:
		return notice.EventUpdate
	case n.Again:
		return notice.EventReminder
	case run && n.Why == incident.PlaybookFailed:
		return notice.EventPlaybookFail
	case n.Why == incident.TierDue:
		return notice.EventTier
	}
	return notice.EventPage
}

// cured reports whether the last thing that was done was seen to help.
func cured(i incident.Incident) bool {
	n := len(i.Attempts)
	return n > 0 && i.Attempts[n-1].Verdict == incident.Verified
}

func severity(s detect.Severity) notice.Severity {
	switch s {
	case detect.P1:
		return notice.Critical
	case detect.P2:
		return notice.Error
	case detect.P3:
		return notice.Warning
	}
	return notice.Info
}

// status is the runbook's word: what is known, not how anybody feels about it.
func status(n incident.Notice, i incident.Incident) notice.Status {
	switch {
	case n.Why == incident.HoldApproval:
		return notice.Identified
	case n.Kind == incident.NoticeResolve || n.Kind == incident.NoticeChange:
		return notice.Resolved
	case n.Why == incident.Verified || n.Why == incident.ClearedByItself || n.Why == incident.Mended || n.Why == incident.ActionOver:
		return notice.Monitoring
	case i.Class == detect.ClassUnknown:
		return notice.Investigating
	}
	return notice.Identified
}

func (r Renderer) summary(n incident.Notice, i incident.Incident) string {
	what := fmt.Sprintf("%s: %s", i.Target, i.Class.Words()) // the host is added by every channel
	switch n.Kind {
	case incident.NoticeResolve:
		if i.EndWhy != "" {
			return fmt.Sprintf("%s: %s, after %s", what, i.EndWhy, span(i.Since, i.Closed))
		}
		return what + ": resolved after " + span(i.Since, i.Closed)
	case incident.NoticeChange:
		if n.Why == incident.HoldApproval && i.Proposal != nil {
			return fmt.Sprintf("%s: recoveryd proposes %s, and waits for a yes until %s", what, i.Proposal.Plan, i.Proposal.Until.UTC().Format("15:04 MST"))
		}
		how := "recovered by itself"
		if cured(i) {
			how = "cured by " + i.Attempts[len(i.Attempts)-1].Action
		}
		return fmt.Sprintf("%s: %s, and it stayed clear (%s in all, with probation)", what, how, span(i.Since, i.Closed))
	}
	switch n.Why {
	case incident.LadderEnded:
		plans := 0
		for _, a := range i.Attempts {
			if a.Verdict != incident.NextStep && !a.Undo {
				plans++
			}
		}
		switch plans {
		case 0:
			return what + ", and nothing could be tried"
		case 1:
			return what + ", not cured by one attempt"
		}
		return fmt.Sprintf("%s, not cured by %d attempts", what, plans)
	case incident.DegradedTooLong:
		return what + ", degraded since " + i.Since.UTC().Format("15:04 MST")
	case incident.PageFirst, incident.UnknownTooLong:
		return what + ", a person must look"
	case incident.HeldTooLong, incident.UnresolvedTooLong, incident.TierDue:
		return what + ", unresolved since " + i.Since.UTC().Format("15:04 MST")
	}
	return what
}

func evidence(n incident.Notice, i incident.Incident, at time.Time) []string {
	out := []string{i.Diagnosis.Because}
	if len(i.Diagnosis.Witnesses) > 0 {
		ws := make([]string, len(i.Diagnosis.Witnesses))
		for k, w := range i.Diagnosis.Witnesses {
			ws[k] = string(w)
		}
		out = append(out, "witnesses: "+strings.Join(ws, ", "))
	}
	if i.Held != "" {
		out = append(out, fmt.Sprintf("held back (%s): %s", i.Held, i.HeldWhy))
	}
	if a := i.Ack; a != nil && n.Kind != incident.NoticeResolve && (a.Until.IsZero() || at.Before(a.Until)) {
		out = append(out, acknowledged(a))
	}
	for _, s := range i.NotTried() {
		out = append(out, "not tried: "+s)
	}
	for _, l := range i.Lessons {
		out = append(out, "learned: "+l)
	}
	if i.Diagnosis.Advice != "" {
		out = append(out, "advice: "+i.Diagnosis.Advice)
	}
	return out
}

// saidIn reports whether what will be done next says the reason of a line already: no reason stands
// twice in one message.
func saidIn(next, line string) bool {
	for _, label := range []string{"held back (", "not tried: ", "advice: "} {
		if rest, ok := strings.CutPrefix(line, label); ok {
			if _, why, ok := strings.Cut(rest, ": "); ok && label != "advice: " {
				rest = why
			}
			return rest != "" && strings.Contains(next, rest)
		}
	}
	return false
}

// acknowledged says who looks after it, and until when nobody else is told.
func acknowledged(a *incident.Standing) string {
	out := "acknowledged by " + a.By
	if a.Why != "" {
		out += " (" + a.Why + ")"
	}
	if a.Until.IsZero() {
		return out + ": nobody else is told"
	}
	return out + ": nobody else is told until " + a.Until.UTC().Format("2006-01-02 15:04 MST")
}

func attemptWords(a incident.Attempt) string {
	s := string(a.Result)
	if s == "" {
		s = "in flight"
	}
	if a.Detail != "" {
		s += ", " + a.Detail
	}
	if a.Verdict != "" && a.Verdict != incident.NextStep {
		s += "; " + string(a.Verdict)
	}
	return s
}

// commands are what a person would type first: when it is over, to read what happened.
func (r Renderer) commands(kind incident.NoticeKind, i incident.Incident) []string {
	if kind == incident.NoticeResolve || !i.Open() {
		return []string{"recoveryd report " + i.ID, "recoveryd explain " + i.ID}
	}
	out := []string{"recoveryd ack " + i.ID + " --by YOUR-NAME --for 1h", "recoveryd explain " + i.ID}
	if i.Proposal != nil && i.Proposal.By == "" {
		out = append(out, "recoveryd approve "+i.ID)
	}
	if r.Unit != nil {
		if u := r.Unit(i.Target); u != "" {
			out = append(out, "systemctl status "+u, "journalctl -u "+u+" --since '"+i.Since.UTC().Add(-5*time.Minute).Format("2006-01-02 15:04:05")+" UTC'")
		}
	}
	if i.Class == detect.ClassPool || i.Class == detect.ClassDatabase {
		out = append(out, `psql -c "SELECT application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC"`)
	}
	return append(out, "recoveryd hold "+i.Target+" --for 1h --why '...'")
}

func span(from, to time.Time) string {
	if to.IsZero() || from.IsZero() {
		return "?"
	}
	return to.Sub(from).Round(100 * time.Millisecond).String()
}
