package detect

import (
	"fmt"
	"time"
)

// hungCondition: a process lives but does not answer, not even a ping. It is only believed when every database
// that the service needs answers us, since a frozen database makes a good service hang; and only
// when the connection was accepted, since a connection that cannot be made speaks of the path.
var hungCondition = Condition{
	Class: ClassHung, Kinds: []Kind{KindService}, Severity: P1,
	Looks: 2, Clear: 2 * time.Second,
	Ladder:  []string{"restart", "kill-start"},
	Summary: "a process lives but does not answer, and its databases do",
	Match: func(o Observation, b Background) Finding {
		because, ws := silent(o, b)
		if because == "" || waits(o.Facts) {
			return Finding{}
		}
		f := o.Facts
		fd := Finding{Verdict: Unhealthy, Witnesses: ws, Because: because}
		switch {
		case f.False(SyntheticOK) && sameWay(f):
			fd.Because += ", nor is a call of real work answered on the same way"
		case f.False(SyntheticOK) && !f.True(SyntheticPart):
			fd.Witnesses = append(fd.Witnesses, BySynthetic)
			fd.Because += ", a call of real work fails too"
		}
		if running(f) {
			fd.Witnesses = append(fd.Witnesses, ByPlatform)
			fd.Because += ", " + StateWords(f)
		}
		if db, st, found := databaseOf(o, b); found {
			switch st {
			case dbUnknown:
				return Finding{Verdict: Unknown, Class: ClassUnknown, Witnesses: fd.Witnesses,
					Because: fmt.Sprintf("%s; %s could not be asked, so a hung service and a frozen database cannot be told apart", fd.Because, db.Target.Name)}
			case dbAlive:
				fd.Because += fmt.Sprintf(", %s answers", db.Target.Name)
			}
		}
		return fd
	},
}

// silent reports that a process which is not known to be gone does not answer, in words and by
// which kinds of evidence. "" when it answers, or when only the way to it is in doubt.
func silent(o Observation, b Background) (because string, ws []Witness) {
	f := o.Facts
	if notRunning(f) {
		return "", nil
	}
	backlog, _ := f.Num(SocketBacklog)
	stopped := isStopped(f)
	switch out := f.Text(HTTPOutcome); {
	case out == OutcomeNoReply,
		out == OutcomeConnect && (backlog > 0 || stopped): // a full accept queue drops our SYN
		because, ws = "no health reply within "+waited(f), []Witness{ByHTTP}
		if backlog > 0 {
			ws = append(ws, BySocket)
			because += fmt.Sprintf(", %.0f connections wait to be accepted", backlog)
		}
		if stopped {
			ws = append(ws, ByProcess)
			because += ", its process is stopped"
		}
	case out == OutcomeGateway && stopped: // the gateway alone would accuse the way only
		_, because = gatewaySaid(f)
		because, ws = because+", and its process is stopped", []Witness{ByHTTP, ByProcess}
	case refused(f) && running(f) && b.Answered:
		because, ws = "connection refused by a process that answered before", []Witness{BySocket}
	}
	return because, ws
}

// waits reports a server that did not answer its health call in time and a ping at once afterwards:
// it lives, and the call waits for something that it needs. It is not hung, whatever else speaks for it;
// whether it is unwell is judged in unwell.go.
func waits(f Facts) bool {
	return f.Text(HTTPOutcome) == OutcomeNoReply && f.True(HTTPPing)
}

// isStopped reports a main process that a signal or a debugger has stopped.
func isStopped(f Facts) bool {
	s := f.Text(ProcessState)
	return s == "T" || s == "t"
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
