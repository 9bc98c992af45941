package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// before is how far back people look for a cause: the runbook's "1 hour before incident".
const before = time.Hour

// open lists what only people can do or know: first what this incident asks for, then what the
// runbook asks for after any.
func open(i incident.Incident, how outcome, r Report) (out []Item) {
	add := func(text, command string) { out = append(out, Item{text, command}) }
	if i.Class == ClassCanary {
		for _, b := range r.Better {
			add(b, "")
		}
		return out
	}
	if r.State == Ongoing {
		add("Resolve it: it is still open.", "recoveryd explain "+i.ID)
	}
	if a := r.Cause.Advice; a != "" {
		add("Follow the advice: "+a+".", "")
	}
	for _, a := range kept(i) {
		add(fmt.Sprintf("Make the change of %s permanent, or take it back: %s.", stamp(a.At), sentence(a.Action)), "")
	}
	if how.why == incident.Mended {
		add("Write down what was done to mend it.", "")
	}
	if i.Relapses > 0 || failedAttempts(i) > 0 {
		add("Find out why the first cure did not last or help, and whether the ladder of class "+string(i.Class)+" should begin elsewhere.", "")
	}
	if i.Held == incident.HoldOneWitness {
		add("Give recoveryd a second witness for "+i.Target+": a call of real work (synthetic), or its platform.", "")
	}
	for _, s := range i.NotTried() {
		add("Decide whether this step should have been possible: "+sentence(s)+".", "")
	}
	for _, l := range i.Lessons {
		add("Decide whether what recoveryd learned is to stay: "+sentence(l)+".", "recoveryd forget "+i.Target)
	}
	if slices.ContainsFunc(r.Told, func(t Told) bool {
		return t.State == queue.Refused || t.State == queue.Delivered && t.Delay() > slowDelivery || t.State == queue.Waiting && r.Made.Sub(t.At) > slowDelivery
	}) {
		add("Look after the channels that were late or refused a notice.", "recoveryd notify test --all")
	}
	add("State the impact: users affected, requests failed, data lost.", "")
	add("Find the cause behind the evidence, and write it down above.", "")
	from, to := r.Since.Add(-before).UTC(), r.Since.Add(5*time.Minute).UTC()
	window := fmt.Sprintf("--since '%s UTC' --until '%s UTC'", from.Format(time.DateTime), to.Format(time.DateTime))
	logs := "journalctl " + window
	if r.Unit != "" {
		logs = "journalctl -u " + r.Unit + " " + window
	}
	add("Read the logs from one hour before.", logs)
	add("Check for deployments and upgrades before it.", "journalctl -t systemd -t sudo "+window+"; tail -n 50 /var/log/dpkg.log")
	if slices.Contains([]detect.Class{detect.ClassDatabase, detect.ClassPool, detect.ClassLatency}, i.Class) {
		add("Review the database: sessions, long transactions, locks, disk.",
			`psql -c "SELECT application_name, state, count(*), max(now() - xact_start) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC"`)
	}
	add("Decide how it is found earlier or prevented: monitoring, a limit, a rule of your own (rules:).", "")
	book, print := "the runbook of class "+string(i.Class), ""
	if words, found := strings.CutPrefix(r.Runbook, "recoveryd "); found {
		print = "recoveryd " + words
	} else if r.Runbook != "" {
		book += " (" + r.Runbook + ")"
	}
	add("Bring "+book+" up to date with what was learned.", print)
	// Nobody meets for an hour about what was cured before anybody noticed.
	if (i.Severity == detect.P1 || i.Severity == detect.P2) && !i.Paged.IsZero() {
		add("Hold the post-mortem: timeline 10 min, root cause 20 min, impact 10 min, improvements 20 min, action items 10 min; with the on-call engineer, the team lead, the service's owners and an SRE.", "")
	}
	return out
}

// kept lists the changes that a cure left in place and that do not last: they are gone with the
// next boot, or with the file in the runtime directory.
func kept(i incident.Incident) (out []incident.Attempt) {
	undone := map[int]bool{}
	for _, a := range i.Attempts {
		if a.Undo {
			undone[a.Rung] = true
		}
	}
	for _, a := range i.Attempts {
		changed := a.Verb == strategy.SetEnv || a.Verb == strategy.SetMemory || a.Verb == strategy.HTTPPoolResize
		if changed && a.Result == incident.ResultDone && !a.Undo && !undone[a.Rung] {
			out = append(out, a)
		}
	}
	return out
}

func failedAttempts(i incident.Incident) (n int) {
	for _, a := range i.Attempts {
		switch a.Verdict {
		case "", incident.Verified, incident.NextStep, incident.ClearedByItself, incident.NotBegun, incident.HoldOperator:
		default:
			n++
		}
	}
	return n
}

// stamp writes a moment with its day, as messages do.
func stamp(t time.Time) string { return notice.Stamp(t) }
