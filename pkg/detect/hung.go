package detect

import (
	"fmt"
	"time"
)

// hungCondition: a process lives but does not answer. It is only believed when every database
// that the service needs answers us, since a frozen database makes a good service hang; and only
// when the connection was accepted, since a connection that cannot be made speaks of the path.
var hungCondition = Condition{
	Class: ClassHung, Kinds: []Kind{KindService}, Severity: P1,
	Looks: 2, Clear: 2 * time.Second,
	Ladder:  []string{"restart", "kill-start"},
	Summary: "a process lives but does not answer, and its databases do",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		if notRunning(f) {
			return Finding{}
		}
		backlog, _ := f.Num(SocketBacklog)
		state := f.Text(ProcessState)
		stopped := state == "T" || state == "t"
		var fd Finding
		switch out := f.Text(HTTPOutcome); {
		case out == OutcomeNoReply,
			out == OutcomeConnect && (backlog > 0 || stopped): // a full accept queue drops our SYN
			fd = Finding{Verdict: Unhealthy, Witnesses: []Witness{ByHTTP},
				Because: fmt.Sprintf("no health reply within %s", waited(f))}
			if backlog > 0 {
				fd.Witnesses = append(fd.Witnesses, BySocket)
				fd.Because += fmt.Sprintf(", %.0f connections wait to be accepted", backlog)
			}
			if stopped {
				fd.Witnesses = append(fd.Witnesses, ByProcess)
				fd.Because += ", its process is stopped"
			}
			if f.False(SyntheticOK) {
				fd.Witnesses = append(fd.Witnesses, BySynthetic)
				fd.Because += ", a call of real work fails too"
			}
		case refused(f) && running(f) && b.Answered:
			fd = Finding{Verdict: Unhealthy, Witnesses: []Witness{BySocket},
				Because: "connection refused by a process that answered before"}
		default:
			return Finding{}
		}
		if running(f) {
			fd.Witnesses = append(fd.Witnesses, ByUnit)
			fd.Because += ", " + unitNote(f)
		}
		if db, st, found := databaseOf(o, b); found {
			if st == dbUnknown {
				return Finding{Verdict: Unknown, Class: ClassUnknown, Witnesses: fd.Witnesses,
					Because: fmt.Sprintf("%s; %s could not be asked, so a hung service and a frozen database cannot be told apart", fd.Because, db.Target.Name)}
			}
			if st == dbAlive {
				fd.Because += fmt.Sprintf(", %s answers", db.Target.Name)
			}
		}
		return fd
	},
}

func waited(f Facts) string {
	if d, ok := f.Duration(HTTPLatency); ok {
		return short(d)
	}
	return "the timeout"
}

func sqlWaited(f Facts) string {
	if d, ok := f.Duration(SQLLatency); ok {
		return short(d)
	}
	return "the timeout"
}
