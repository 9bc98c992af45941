package notice

import (
	"time"
)

// Previewer is a notifier that can show what it would send. The bytes are exactly the body or
// message of the request, with every secret replaced; nothing is sent.
type Previewer interface {
	Preview(d Delivery) ([]byte, error)
}

// Sample returns a complete, invented notice of the given kind, marked as a test, for previews
// and for `notify test`. Two samples with the same id share their key, so that a trigger can be
// resolved again.
func Sample(kind Kind, id, host string, now time.Time) Notice {
	n := Notice{
		ID:       id + "/" + string(kind),
		Key:      id + "/t0",
		Kind:     kind,
		At:       now,
		Incident: id,
		Priority: "P1",
		Severity: Critical,
		Status:   Identified,
		Host:     host,
		Target:   "codebase-mcp",
		Class:    "down",
		Event:    EventPage,
		Summary:  "codebase-mcp is down: no process serves port 8000",
		Since:    now.Add(-4 * time.Minute),
		Affected: []string{"codebase-mcp", "workflow-mcp (needs it)"},
		Evidence: []string{
			"unit codebase-mcp.service failed with exit code 1, 3 times in 4 minutes",
			"connection to 127.0.0.1:8000 refused",
		},
		Tried: []Attempt{
			{At: now.Add(-3 * time.Minute), What: "restart codebase-mcp.service", Result: "done, down again after 20 s"},
			{At: now.Add(-1 * time.Minute), What: "restart codebase-mcp.service", Result: "done, down again after 15 s"},
		},
		Next:     "no further restart: two did not help and the budget of this hour is used up",
		Commands: []string{"recoveryd ack " + id + " --by YOUR-NAME --for 1h", "recoveryd explain " + id, "journalctl -u codebase-mcp.service -n 100"},
		Runbook:  "recoveryd runbook down",
		To:       []string{"primary: alice"},
		With:     []string{"chat"},
		Because:  "primary is told of P1 at once",
		Test:     true,
	}
	if kind != Trigger {
		n.To, n.With, n.Because = nil, nil, ""
	}
	if kind == Resolve || kind == Change {
		n.Commands = []string{"recoveryd report " + id, "recoveryd explain " + id}
	}
	switch kind {
	case Update:
		n.Status, n.Event = Monitoring, EventUpdate
		n.Next = "watching for 2 minutes before this is called resolved"
	case Resolve:
		n.Status, n.Event, n.Next = Resolved, EventAllClear, "nothing; it has been healthy for 2 minutes"
	case Change:
		n.Status, n.Severity, n.Priority, n.Event = Resolved, Info, "P4", EventCure
		n.Summary = "restarted codebase-mcp after a crash; verified healthy"
	}
	return n
}

// samples are the notices that a template must be able to render: each kind, full and empty.
func samples() []Notice {
	at := time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)
	var all []Notice
	for _, k := range []Kind{Trigger, Update, Resolve, Change} {
		all = append(all, Sample(k, "sample", "host", at), Notice{Kind: k, At: at})
	}
	return all
}
