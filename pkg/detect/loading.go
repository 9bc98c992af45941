package detect

import "time"

// loading makes the condition of a target that says itself that it is not up yet. Each restart would begin
// its start anew, so nothing is ever done about it; people are told when it lasts (page_after.starting).
func loading(s Severity, kinds ...Kind) Condition {
	return Condition{
		Class: ClassStarting, Kinds: kinds, Severity: s,
		Looks: 2, Clear: 2 * time.Second,
		Summary: "it answers, and says itself that it is still starting, loading or recovering: it is left to finish",
		Match: func(o Observation, b Background) Finding {
			said, by := saysStarting(o.Facts)
			if said == "" || notRunning(o.Facts) && by != BySQL {
				return Finding{}
			}
			return Finding{Verdict: Unknown, Final: true, Witnesses: []Witness{by}, Because: said + ": it is left to finish",
				Advice: "look at its log for how far it is; a restart begins it anew"}
		},
	}
}

var (
	loadingCondition    = loading(P2, KindService, KindPlain)
	recoveringCondition = loading(P1, KindPostgres) // nobody can log in meanwhile
)

// saysStarting is what a target says of its own start, and by which witness it was heard; "" when it says nothing of it.
func saysStarting(f Facts) (said string, by Witness) {
	switch {
	case f.Text(HTTPOutcome) == OutcomeStarting:
		return "it says that it is still starting (" + orNone(f.Text(HTTPError)) + ")", ByHTTP
	case f.Text(PlainOutcome) == "starting":
		return "it answers, and says that it is not ready yet (" + orNone(f.Text(PlainError)) + ")", ByPlain
	case f.Text(SQLOutcome) == SQLStarting:
		return "PostgreSQL is starting up, shutting down or recovering (" + sqlSaid(f) + ")", BySQL
	}
	return "", ""
}
