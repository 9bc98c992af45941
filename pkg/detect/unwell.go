package detect

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// unwellCondition: the service says, or shows, that it is unwell in a way that no class above
// explains. One witness never restarts anything; a failing call of real work is the second.
var unwellCondition = Condition{
	Class: ClassUnknown, Kinds: []Kind{KindService}, Severity: P2,
	Looks: 3, For: 5 * time.Second, Clear: 5 * time.Second,
	Ladder:  []string{"restart", "clean-start"},
	Summary: "unwell for a reason that could not be told: acted on only when a call of real work fails too",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		if notRunning(f) {
			return Finding{}
		}
		words, unclear := wordsOf(f)
		var ws []Witness
		var what []string
		switch f.Text(HTTPOutcome) {
		case OutcomeHTTPError:
			if !rejected(f) {
				ws, what = append(ws, ByHTTP), append(what, fmt.Sprintf("the server answers HTTP %s without a health payload%s", status(f), serverSaid(f)))
			}
		case OutcomeReset:
			ws, what = append(ws, ByHTTP), append(what, "the server closes the connection without a reply")
		case OutcomeNoReply:
			if !waits(f) {
				break // judged by the hung condition
			}
			said := "no health reply within " + waited(f) + ", but a ping is answered: it lives, and waits for something that it needs"
			if db, st, found := databaseOf(o, b); found && st == dbUnknown {
				return Finding{Verdict: Unknown, Witnesses: []Witness{ByHTTP},
					Because: fmt.Sprintf("%s; %s could not be asked", said, db.Target.Name)}
			}
			ws, what = append(ws, ByHTTP), append(what, said)
		case OutcomeReply:
			switch {
			case f.Text(HealthRequired) != "":
				ws, what = append(ws, ByHTTP), append(what, "a required part is bad: "+f.Text(HealthRequired)+", while the service calls itself "+calls(f))
			case f.Text(HealthStatus) == "unhealthy" && !explained(o, b):
				ws, what = append(ws, ByHTTP), append(what, "the service calls itself unhealthy"+ownWord(f)+reason(f))
			}
		}
		switch {
		case !f.False(SyntheticOK):
		case f.Text(HTTPOutcome) == OutcomeGateway && f.True(SyntheticSameWay):
			return Finding{} // the silence is that of the gateway as well: judged in gateway.go
		case len(ws) > 0 && silentOutcome(f) && sameWay(f):
			what = append(what, "a call of real work is not answered either, on the same way")
		case f.Text(HTTPOutcome) == OutcomeReset && f.True(SyntheticSameWay) && !b.Answered:
			// Whoever expects TLS or a PROXY header closes every connection of ours, and is well.
			what = append(what, "nor is a call of real work answered; this run has never answered us: it may expect https, or the header of a proxy")
		case len(ws) > 0 && overloaded(f):
			what = append(what, "a call of real work fails in the same words: a restart would drop what it works on, and not what it is asked for")
		default:
			if by, said := gatewaySaid(f); by == ByHTTP {
				ws, what = append(ws, by), append(what, said)
			}
			what = append(what, "a call of real work fails: "+orNone(f.Text(SyntheticError)))
			if len(ws) == 0 || !f.True(SyntheticPart) { // an answer that began is no second witness for a restart
				ws = append(ws, BySynthetic)
			}
		}
		if len(ws) == 0 {
			switch {
			case unclear:
				return Finding{Verdict: Unknown, Because: words, Advice: teach(f)}
			case f.Text(HTTPOutcome) != OutcomeReply:
			case f.Text(HealthStatus) == "degraded":
				return Finding{Verdict: Degraded, Witnesses: []Witness{ByHTTP}, Because: "the service calls itself degraded" + ownWord(f) + degradedWords(f) + reason(f)}
			case contradiction(f) != "":
				return Finding{Verdict: Degraded, Witnesses: []Witness{ByHTTP}, Because: "the reply contradicts itself: the service calls itself " + calls(f) + contradiction(f),
					Advice: "look at what it names; `ignored_parts` of this health check leaves out what does not matter, `required_parts` names what the service cannot do without"}
			}
			return Finding{}
		}
		if dep, why, by := troubledNeed(o, b); dep != "" {
			return Finding{Verdict: Unhealthy, Class: ClassDependency, Culprit: dep, Witnesses: append(ws, by),
				Because: strings.Join(what, "; ") + fmt.Sprintf("; %s, which it needs, %s", dep, why)}
		}
		if db, st, found := databaseOf(o, b); found && st == dbUnknown && len(ws) > 1 {
			return Finding{Verdict: Unknown, Witnesses: ws,
				Because: fmt.Sprintf("%s; %s could not be asked, so a sick service and one that waits for it cannot be told apart", strings.Join(what, "; "), db.Target.Name)}
		}
		return Finding{Verdict: Unhealthy, Witnesses: ws, Because: strings.Join(what, "; ")}
	},
}

// overloaded reports a service that refuses a call of real work because it has too much to do.
func overloaded(f Facts) bool { return tooBusy.MatchString(f.Text(SyntheticError)) }

var tooBusy = regexp.MustCompile(`(?i)\boverload(?:ed)?\b|\btoo (?:busy|many requests)\b|\bat (?:full )?capacity\b|\bcapacity (?:exceeded|reached)\b|\bqueue is full\b`)

// calls is what the service calls itself.
func calls(f Facts) string {
	if s := f.Text(HealthStatus); s != "" {
		return s + ownWord(f)
	}
	return "nothing"
}

// contradiction says what in a reply is at odds with its good word: a part of it, its database, or the
// HTTP status above it, which a load balancer takes for down. "" when nothing is.
func contradiction(f Facts) string {
	status, _ := f.Num(HTTPStatus)
	db := f.Text(HealthDatabase)
	switch parts := f.Text(HealthParts); {
	case parts != "":
		return ", and its parts: " + parts
	case (db == "degraded" || db == "disconnected") && f.Text(HealthStatus) == "healthy":
		return ", and its database " + db
	case status >= 400 && f.Text(HealthIgnored) == "" && f.Text(HealthStatus) == "healthy":
		return fmt.Sprintf(", under HTTP %.0f", status)
	}
	return ""
}

// teach says how an unknown word is made known.
func teach(f Facts) string {
	st := f.Text(HealthStatus)
	if f.Text(HTTPOutcome) != OutcomeReply || st == "" || f[HealthRequired].Err != "" {
		return ""
	}
	return fmt.Sprintf("if you know what it means, teach it: `words: {%q: healthy}` in this health check (or degraded, unhealthy)", st)
}

// wordsOf reports whether the reply, or the lack of one, leaves the service's health unclear, and
// why. No condition may take silence, or a word that nobody knows, for health.
func wordsOf(f Facts) (why string, unclear bool) {
	r, asked := f[HTTPOutcome]
	switch out := f.Text(HTTPOutcome); out {
	case "":
		if f.True(SyntheticOK) {
			return "", false // real work was done: that proves more than any reply
		}
		if !asked || r.Err == "" {
			return "the service's health is not known: no health check was made", true
		}
		return "the service's health is not known: " + r.Err, true
	case OutcomeReply:
	case OutcomeNoReply, OutcomeRefused, OutcomeReset, OutcomeConnect, OutcomeDNS, OutcomeTLS, OutcomeNotFound, OutcomeDenied,
		OutcomeLimited, OutcomeHTML, OutcomeGarbage, OutcomeTooLarge, OutcomeRedirect, OutcomeRPC, OutcomeHTTPError, OutcomeGateway, OutcomeStarting,
		OutcomePartial, OutcomeStream:
		return "", false // judged by the conditions of the process and of the probe
	default:
		return fmt.Sprintf("the health request ended as %q, which is no known word", out), true
	}
	st, db := f[HealthStatus], f[HealthDatabase]
	switch {
	case f[HealthRequired].Err != "":
		return "a required part could not be read: " + f[HealthRequired].Err, true
	case st.Err != "":
		return "the service's own word for its state could not be read: " + st.Err, true
	case !slices.Contains([]string{"", "healthy", "degraded", "unhealthy"}, st.Text):
		return fmt.Sprintf("the service calls its state %q, which is no known word", st.Text), true
	case !slices.Contains([]string{"", "connected", "degraded", "disconnected"}, db.Text):
		return fmt.Sprintf("the service calls the state of its database %q, which is no known word", db.Text), true
	}
	return "", false
}

// explained reports whether an unhealthy reply is about something that another condition judges,
// and knows better than to call the service sick: its database, its own health check, or the
// connections that are open now of a pool that may grow.
func explained(o Observation, b Background) bool {
	f := o.Facts
	worse := f.False(SyntheticOK) // real work fails as well: then the reply is more than a misjudgement
	if f.Text(HealthDatabase) == "disconnected" {
		_, st, _ := databaseOf(o, b)
		return !worse || st != dbAlive || poolFull(f)
	}
	if _, _, ok := busyButGrowing(f, b); ok {
		return !worse
	}
	fd := settled(f, func(c Class, because, _ string) Finding { return Finding{Class: c, Because: because} })
	return fd.Because != "" && (!worse || fd.Class == ClassMisconfigured)
}

func reason(f Facts) string {
	if parts := f.Text(HealthParts); parts != "" {
		return ": " + parts
	}
	if t := f.Text(HealthError); t != "" {
		return fmt.Sprintf(" (%q)", t)
	}
	if d := f.Text(HealthDatabase); d != "" && d != "connected" {
		return ", database " + d
	}
	return ""
}

// troubledNeed names something that the target needs and that was seen recently to serve nobody, with what
// is wrong with it and by which witness. A database that is dead or frozen is judged in database.go.
func troubledNeed(o Observation, b Background) (name, what string, by Witness) {
	for _, n := range b.Needs {
		if !b.fresh(n, o.At) {
			continue
		}
		if why, _ := refusal(n.Observation.Facts); why != "" {
			return n.Target.Name, why, BySQL
		}
		if said, by := saysStarting(n.Observation.Facts); said != "" {
			return n.Target.Name, "is still starting", by
		}
		if n.Target.Kind == KindPlain && n.Diagnosis.Bad() {
			return n.Target.Name, "does not answer", ByPlain
		}
	}
	return "", "", ""
}

// plainCondition: a plain dependency (Redis, Ollama, a TCP port) does not serve.
var plainCondition = Condition{
	Class: ClassDependency, Kinds: []Kind{KindPlain}, Severity: P2,
	Looks: 2, Clear: 2 * time.Second,
	Ladder:  []string{"start", "restart"},
	Summary: "a plain dependency does not answer its own protocol",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		r, asked := f[PlainOutcome]
		out := f.Text(PlainOutcome)
		why := func(s string) string {
			if e := f.Text(PlainError); e != "" {
				return s + ": " + e
			}
			return s
		}
		switch {
		case out == "ok":
			return Finding{}
		case out == "gateway" && !notRunning(f):
			return Finding{} // judged by the gateway condition
		case out != "refused" && out != "timeout" && out != "error":
			if notRunning(f) {
				return Finding{Verdict: Unhealthy, Witnesses: []Witness{ByPlatform}, Because: StateWords(f)}
			}
			switch {
			case !asked:
				r.Err = "no check was made"
			case r.Err == "" && out == "unknown":
				r.Err = orNone(f.Text(PlainError))
			case r.Err == "":
				r.Err = fmt.Sprintf("the check ended as %q, which is no known word", out)
			}
			return Finding{Verdict: Unknown, Class: ClassUnknown, Because: "the dependency could not be asked: " + r.Err}
		}
		if c := f.Text(SocketConnect); out == "timeout" && !notRunning(f) && (c == "timeout" || c == "unreachable" || c == "dns") {
			if backlog, _ := f.Num(SocketBacklog); backlog == 0 && !isStopped(f) {
				return Finding{Verdict: Unknown, Class: ClassUnknown, Because: why("the dependency cannot be reached (" + c + ")"),
					Advice: "check the route and firewall between recoveryd and its address"}
			}
		}
		fd := Finding{Verdict: Unhealthy, Witnesses: []Witness{ByPlain}, Because: why(fmt.Sprintf("it does not answer (%s)", out))}
		if out == "error" {
			fd.Because = why("it answers with an error")
		}
		if out == "refused" {
			fd.Witnesses = append(fd.Witnesses, BySocket)
		}
		switch {
		case notRunning(f):
			fd.Witnesses = append(fd.Witnesses, ByPlatform)
			fd.Because += ", " + StateWords(f)
			fd.Conclusive = out == "refused"
		case running(f) && out == "timeout" && accepted(f):
			// That it runs is a witness against it only when the connection is known to have been
			// accepted: a timeout alone may be a packet filter's.
			fd.Witnesses = append(fd.Witnesses, ByPlatform)
			fd.Because += ", " + StateWords(f)
			switch s := f.Text(ProcessState); {
			case isStopped(f):
				fd.Because += ", its process is stopped"
			case s == "R" || s == "D" || atWork(f):
				// One long command, or a disk that is slow, keeps Redis from everybody else; a process that
				// computes or writes is no witness against itself, and a restart loses what it has not saved.
				fd.Witnesses = fd.Witnesses[:1]
				fd.Because += ", and its process is at work"
				fd.Advice = "it may run one long command: look what it does (redis-cli SLOWLOG, top) before it is restarted"
			}
		}
		return fd
	},
}

// atWork reports a main process that computed, or waited for a disk, for a twentieth of the time in which a
// check waited for its answer. An idle Redis uses less than a hundredth; one that is stuck, nothing.
func atWork(f Facts) bool {
	busy, _ := f.Num(ProcessBusy)
	return busy >= 0.05
}

// accepted reports that the kernel is known to make connections to the port, or that it is known
// why it does not: the process is stopped, or does not take what waits.
func accepted(f Facts) bool {
	backlog, _ := f.Num(SocketBacklog)
	return f.Text(SocketConnect) == "ok" || backlog > 0 || isStopped(f)
}

// diskFacts names the facts about file systems, in order. Most looks have few or none, and it is
// asked at every look.
func diskFacts(f Facts) (names []string) {
	for name := range f {
		if isDiskFact(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// diskCondition: a file system that matters is full. No restart makes room.
var diskCondition = Condition{
	Class: ClassDisk, Kinds: []Kind{KindService, KindPostgres}, Severity: P2,
	Looks: 2, For: 10 * time.Second, Clear: 10 * time.Second,
	Summary: "a file system that matters is full: a person must make room",
	Match: func(o Observation, b Background) Finding {
		full := orDefault(b.Target.Limits.DiskFull, 0.95)
		for _, name := range diskFacts(o.Facts) {
			if share, ok := o.Facts.Num(name); ok && share >= full {
				what := "space"
				if strings.HasPrefix(name, InodeShare) {
					what = "inodes"
				}
				return Finding{Verdict: Unhealthy, Witnesses: []Witness{ByDisk},
					Because: fmt.Sprintf("%s: %s of its %s is used", diskPath(name), percent(share), what),
					Advice:  "make room; recoveryd deletes nothing it was not told to"}
			}
		}
		return Finding{}
	},
}

// latencyCondition: it serves, too slowly.
var latencyCondition = Condition{
	Class: ClassLatency, Kinds: []Kind{KindService}, Severity: P2,
	Looks: 5, For: 5 * time.Minute, Clear: 30 * time.Second,
	Summary: "it serves, but its answers (p95) are slower than its limit",
	Match: func(o Observation, b Background) Finding {
		limit := b.Target.Limits.Latency
		d, words, ok := answerTime(o.Facts)
		if limit == 0 || !ok || !understood(o.Facts) || d <= limit {
			return Finding{}
		}
		return Finding{Verdict: Degraded, Witnesses: []Witness{ByHTTP},
			Because: fmt.Sprintf("%s, more than %s", words, short(limit))}
	},
}
