package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/escalate/queue"
	"github.com/recoveryd/recoveryd/pkg/escalate/route"
	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// headline is the whole incident in one sentence.
func headline(i incident.Incident, how outcome, r Report) string {
	where := ""
	if r.Host != "" {
		where = " on " + r.Host
	}
	s := fmt.Sprintf("%s%s: %s", i.Target, where, r.Cause.Kind)
	switch n := plans(i); {
	case i.Class == ClassCanary && how.at.IsZero():
		return s + "; not answered by every channel yet"
	case i.Class == ClassCanary:
		return s + ", over after " + span(r.Duration)
	case how.at.IsZero():
		s += "; not over, after " + span(r.Duration)
	case i.EndWhy != "":
		s += fmt.Sprintf("; %s, after %s", sentence(i.EndWhy), span(r.Duration))
	case how.why == incident.Verified:
		s += fmt.Sprintf("; cured by recoveryd after %s (%s)", span(r.Duration), counted(n, "attempt"))
	case how.why == incident.Mended:
		s += fmt.Sprintf("; clear after %s, after people were told", span(r.Duration))
	default:
		s += fmt.Sprintf("; clear by itself after %s", span(r.Duration))
	}
	if i.Paged.IsZero() {
		return s + ". Nobody was paged."
	}
	return s + "."
}

// plans counts what was tried: a plan of several actions is one, and taking a change back is none.
func plans(i incident.Incident) (n int) {
	for _, a := range i.Attempts {
		if a.Verdict != incident.NextStep && !a.Undo {
			n++
		}
	}
	return n
}

// resolution says what ended the trouble, or why it goes on.
func resolution(i incident.Incident, how outcome, r Report) string {
	switch {
	case how.at.IsZero() && i.Held != "":
		return fmt.Sprintf("Not resolved. recoveryd holds back (%s): %s.", i.Held, strings.TrimSuffix(sentence(i.HeldWhy), "."))
	case how.at.IsZero():
		return "Not resolved."
	case i.EndWhy != "":
		return fmt.Sprintf("Not seen to be resolved: %s. Nothing was learned from it, and it counts in no time to repair.", sentence(i.EndWhy))
	case how.why == incident.Verified:
		last := i.Attempts[len(i.Attempts)-1]
		s := fmt.Sprintf("Cured by %s (strategy %s) at %s. It was clear %s, proven by looking and not by the action's own word.",
			sentence(last.Action), last.Strategy, stamp(last.At), after(r.Duration))
		if last.Undo {
			s = "A change was taken back (" + sentence(last.Action) + "), and after that it was clear."
		}
		return s + probation(i)
	case how.why == incident.Mended:
		return "It became clear after people were told, not by an action of recoveryd. Whoever mended it knows how: write it here." + probation(i)
	case i.Class == ClassCanary:
		return "The test was taken back by an all-clear on every channel."
	case len(i.Attempts) > 0:
		return "It became clear, though not by the last action of recoveryd." + probation(i)
	}
	return "It became clear by itself; recoveryd did nothing." + probation(i)
}

func probation(i incident.Incident) string {
	relapses := ""
	if i.Relapses > 0 {
		relapses = " It had come back " + counted(i.Relapses, "time") + " before that."
	}
	if i.Open() {
		return relapses + " It is still watched for a relapse."
	}
	return relapses + " It stayed clear until " + stamp(i.Closed) + ", when the incident was closed."
}

// impact says what is known of those who use the target, and what is not.
func impact(i incident.Incident, r Report) []Fact {
	if i.Class == ClassCanary {
		return []Fact{{"Services", "none: this is a test"}}
	}
	out := []Fact{{"Service", fmt.Sprintf("%s, %s, for %s", i.Target, classWords(i.Class), span(r.Duration))}}
	if len(i.Affected) > 0 {
		out = append(out, Fact{"Affected besides", listed(i.Affected) + ", which need it"})
	} else {
		out = append(out, Fact{"Affected besides", "no other target that recoveryd watches"})
	}
	return append(out,
		Fact{"What was seen", sentence(i.Diagnosis.Because)},
		Fact{"Users affected", "not measured by recoveryd"},
		Fact{"Requests failed", "not measured by recoveryd"},
		Fact{"Data loss", "not measured by recoveryd. " + harm(i)})
}

// harm says what recoveryd itself may have cost: whoever judges data loss must know.
func harm(i incident.Incident) string {
	counts := map[strategy.Verb]int{}
	for _, a := range i.Attempts {
		if a.Result == incident.ResultDone || a.Result == incident.ResultUnknown || a.Result == incident.ResultTimedOut || a.Result == "" {
			counts[a.Verb]++
		}
	}
	var did []string
	for _, x := range []struct {
		verb strategy.Verb
		what string
	}{
		{strategy.Restart, "a stop of running processes (killed if they outlived their grace)"}, {strategy.Kill, "a kill of all processes without a stop"},
		{strategy.PGTerminateIdle, "an end of idle database sessions"}, {strategy.PGTerminateLong, "an end of open transactions, which rolls them back"},
		{strategy.CacheClean, "an emptied cache directory"}, {strategy.CommandRun, "an operator's command"},
	} {
		switch n := counts[x.verb]; {
		case n == 1:
			did = append(did, x.what)
		case n > 1:
			did = append(did, fmt.Sprintf("%s, %d times", x.what, n))
		}
	}
	if len(did) == 0 {
		return "recoveryd ended no work in progress."
	}
	return "What recoveryd did that may have cost work in progress: " + listed(did) + "; the results are under what was tried."
}

// lessons says what went well and what did not, by the figures alone.
func lessons(i incident.Incident, r Report) (well, better []string) {
	if i.Class == ClassCanary {
		return nil, nil
	}
	good := func(f string, a ...any) { well = append(well, fmt.Sprintf(f, a...)) }
	bad := func(f string, a ...any) { better = append(better, fmt.Sprintf(f, a...)) }
	// The runbooks' health check asks every 30 s and wants several failures.
	if d := i.Opened.Sub(i.Since); d <= slowDetection {
		good("Confirmed %s.", after(d))
	} else {
		bad("It took %s from the first bad look until it was confirmed.", span(d))
	}
	if len(i.Affected) > 0 && len(i.Attempts) > 0 {
		good("One culprit was found behind %s; recoveryd acted on %s only.", counted(len(i.Affected)+1, "failing target"), i.Target)
	}
	if !r.Cleared.IsZero() && i.Paged.IsZero() && i.EndWhy == "" {
		good("It was over in %s and nobody was woken.", span(r.Duration))
	}
	if n := failedAttempts(i); n > 0 {
		bad("%s did not help for good.", upper(counted(n, "action")))
	}
	if i.Relapses > 0 {
		bad("It came back %s within probation.", counted(i.Relapses, "time"))
	}
	if i.Held != "" && r.State == Ongoing {
		bad("recoveryd holds back since %s (%s).", stamp(i.HeldSince), i.Held)
	}
	if _, ok := detect.Agree(i.Class, i.Diagnosis.Witnesses); !ok && i.Held == incident.HoldOneWitness {
		bad("There was only one kind of evidence. A second one, such as a call of real work (synthetic), would have let recoveryd act.")
	}
	g, b := deliveries(r)
	well, better = append(well, g...), append(better, b...)
	if answer := route.Response(i.Severity.String()); !i.Paged.IsZero() && answer > 0 {
		waited := r.Duration - i.Paged.Sub(r.Since)
		switch {
		case !r.Acked.IsZero() && r.Acked.Sub(i.Paged) <= answer:
			good("Acknowledged %s after the page; %s allows %s.", span(r.Acked.Sub(i.Paged)), i.Severity, span(answer))
		case !r.Acked.IsZero():
			bad("Acknowledged %s after the page; %s allows %s.", span(r.Acked.Sub(i.Paged)), i.Severity, span(answer))
		case waited > answer:
			bad("Nobody acknowledged with recoveryd within %s, the response time of %s.", span(answer), i.Severity)
		}
	}
	return well, better
}

// slowDetection is the longest confirmation that counts as quick: the runbook's own loop asks
// every 30 s.
const slowDetection = 30 * time.Second

// deliveries judges how the channels did.
func deliveries(r Report) (well, better []string) {
	accepted, slow := 0, map[string]string{}
	var order []string
	for _, t := range r.Told {
		if t.State == queue.Delivered && t.Delay() <= slowDelivery {
			accepted++
			continue
		}
		if t.State == queue.Collapsed {
			continue // a later notice made it pointless; that one counts
		}
		if _, known := slow[t.Channel]; known {
			continue // the first one is enough to make people look
		}
		order = append(order, t.Channel)
		slow[t.Channel] = fmt.Sprintf("%s: %s %s.", t.Channel, kindWords(t.Kind), t.Outcome())
	}
	if accepted > 0 && len(slow) == 0 {
		well = append(well, upper(counted(accepted, "notice"))+" accepted by the channels without delay.")
	}
	for _, c := range order {
		better = append(better, slow[c])
	}
	return well, better
}

// slowDelivery is the longest time until a channel accepts a notice that is worth no remark.
const slowDelivery = time.Minute
