package detect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// gatewayCondition: a proxy, a load balancer or a CDN answered in the service's place. Its words are about
// the way behind it, and every check that takes the same way hears them: they are one witness, however many
// checks there are, and restart nothing. What another kind of evidence says of the service (its platform, its
// process, its database, its own port asked by another check) is judged by the conditions of that evidence.
var gatewayCondition = Condition{
	Class: ClassGateway, Kinds: []Kind{KindService, KindPlain}, Severity: P2,
	Looks: 3, For: 20 * time.Second, Clear: 5 * time.Second,
	Summary: "a gateway on the way answers in its place: the way is in doubt, the service itself was not heard",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		by, said := gatewaySaid(f)
		if by == "" || notRunning(f) || f.False(SyntheticOK) && !f.True(SyntheticSameWay) {
			return Finding{} // another kind of evidence accuses the service as well
		}
		fd := Finding{Verdict: Unhealthy, Witnesses: []Witness{by}, Because: said + ": the way to the service is in doubt, the service itself was not heard",
			Advice: "look at the gateway's log and at where it sends its requests; then ask the service on its own port. A check of that port tells recoveryd which of the two it is"}
		if running(f) {
			fd.Because += ", " + StateWords(f)
		}
		db, st, needs := databaseOf(o, b)
		switch s, _ := f.Num(HTTPStatus); {
		case f.True(SyntheticOK):
			fd.Verdict, fd.Because = Unknown, fd.Because+", and a call of real work succeeds"
		case s >= 400 && s < 500:
			// It speaks of the request: a path or a host name that leads nowhere.
			fd.Verdict, fd.Advice = Unknown, "correct the health url, or the route in the gateway"
		case (s == 504 || s == 524) && needs && st == dbUnknown: // it waited in vain: so does a service for a frozen database
			fd.Verdict, fd.Because = Unknown, fd.Because+fmt.Sprintf("; %s could not be asked", db.Target.Name)
		default:
			if dep, what, seen := troubledNeed(o, b); dep != "" {
				return Finding{Verdict: Unhealthy, Class: ClassDependency, Culprit: dep, Witnesses: []Witness{by, seen},
					Because: fmt.Sprintf("%s; %s, which it needs, %s", said, dep, what)}
			}
		}
		return fd
	},
}

// gatewaySaid is what a gateway answered in the target's place, and the witness that heard it.
func gatewaySaid(f Facts) (by Witness, said string) {
	switch {
	case f.Text(HTTPOutcome) == OutcomeGateway:
		return ByHTTP, fmt.Sprintf("a gateway answers in its place (HTTP %s: %s)", status(f), orNone(f.Text(HTTPError)))
	case f.Text(PlainOutcome) == "gateway":
		return ByPlain, "a gateway answers in its place (" + orNone(f.Text(PlainError)) + ")"
	}
	return "", ""
}

// sameWay reports that a call of real work got no answer on the way that the health check takes, and that
// something else than the process itself may be at its end: then both are one witness of that way.
func sameWay(f Facts) bool { return f.True(SyntheticSameWay) && !f.True(SocketOwnerOurs) }

// gatewayPrograms are commands that hold a port in order to pass on what comes: a silence there is that of
// the way. The kernel cuts command names at 15 characters.
var gatewayPrograms = []string{"nginx", "openresty", "angie", "haproxy", "envoy", "traefik", "caddy", "apache2", "httpd", "varnishd", "squid", "lighttpd",
	"hitch", "pound", "sslh", "stunnel", "stunnel4", "socat", "ssh", "sshd", "cloudflared", "ngrok", "pgbouncer", "pgcat", "odyssey", "pgpool", "proxysql",
	"nutcracker", "twemproxy", "linkerd2-proxy", "kong", "apisix"}

// holder names who listens on the port: "python3 (pid 12, user app) of old.service".
func holder(f Facts) string {
	who := f.Text(SocketOwner)
	if who == "" {
		who = "an unknown process"
	}
	var more []string
	if pid, ok := f.Num(SocketOwnerPID); ok {
		more = append(more, fmt.Sprintf("pid %.0f", pid))
	}
	if u := f.Text(SocketOwnerUser); u != "" {
		more = append(more, "user "+u)
	}
	if len(more) > 0 {
		who += " (" + strings.Join(more, ", ") + ")"
	}
	if u := f.Text(SocketOwnerService); u != "" {
		who += " of " + u
	}
	return who
}

// portCondition: the port belongs to somebody else. While the target does not run, starting it would only
// fail; while it runs, what does not answer on the port is not the target, and a restart would not reach it.
var portCondition = Condition{
	Class: ClassPort, Kinds: []Kind{KindService, KindPostgres, KindPlain}, Severity: P1,
	Looks:   2,
	Summary: "another process listens on the target's port, and does not answer as the target would",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		if !f.True(SocketListening) || !f.False(SocketOwnerOurs) || serves(f) || f.Text(HTTPOutcome) == OutcomeStarting {
			return Finding{} // a stranger that answers as the service would is the service, run by hand or behind a gateway
		}
		fd := Finding{Verdict: Unhealthy, Witnesses: []Witness{ByPlatform, BySocket}, Final: true,
			Because: fmt.Sprintf("%s, and its port is held by %s", StateWords(f), holder(f)),
			Advice:  fmt.Sprintf("stop the process that holds the port, then start the %s; recoveryd does not kill strangers", Noun(f))}
		switch what, by := unheard(f, b.Answered); {
		case notRunning(f) && b.Target.Kind != KindPostgres: // the port of a dsn may be a pooler's: that the cluster is dead is judged by itself
			return fd
		case !running(f) || what == "":
			return Finding{}
		case slices.Contains(gatewayPrograms, f.Text(SocketOwner)):
			if !silentOutcome(f) {
				return Finding{} // it has passed the words of somebody on: they are judged
			}
			return Finding{Verdict: Unhealthy, Class: ClassGateway, Witnesses: []Witness{by}, Final: true,
				Because: fmt.Sprintf("%s: the port is that of a gateway, %s; the target itself was not heard, %s", what, holder(f), StateWords(f)),
				Advice:  "look at the gateway's log, and ask the target on its own port. A check of that port tells recoveryd which of the two it is"}
		default:
			fd.Witnesses = []Witness{by, BySocket}
			fd.Because = fmt.Sprintf("%s, and its port is held by %s, which is not of its %s; %s", what, holder(f), Noun(f), StateWords(f))
			fd.Advice = fmt.Sprintf("find out whose process it is and end it, then restart the %s: a restart alone does not reach it, and recoveryd does not kill strangers", Noun(f))
			return fd
		}
	},
}

// unheard says what came from the port instead of the target's own answer, and by which witness; "" where
// that may be the target's own answer, or where the port was not reached. answered: the present process was
// heard on that port before, so what stands there passes requests on to it.
func unheard(f Facts, answered bool) (what string, by Witness) {
	switch out := f.Text(HTTPOutcome); out {
	case OutcomeNoReply:
		return "no health reply within " + waited(f), ByHTTP
	case OutcomeReset:
		return "the connection is closed without a reply", ByHTTP
	case OutcomeHTTPError:
		if !rejected(f) {
			return fmt.Sprintf("HTTP %s came without a health payload", status(f)), ByHTTP
		}
		return "", ""
	case OutcomeGarbage, OutcomeHTML, OutcomeNotFound, OutcomeTooLarge:
		if !answered {
			return "no health reply came, but something else (" + cmp.Or(f.Text(HTTPError), out) + ")", ByHTTP
		}
	}
	switch f.Text(SQLOutcome) {
	case SQLFrozen:
		return "no answer to a login within " + sqlWaited(f), BySQL
	case SQLClosed:
		return "the connection is closed without a word", BySQL
	case SQLNoConnect:
		return cmp.Or(f.Text(SQLError), "what answers is not PostgreSQL"), BySQL
	}
	switch f.Text(PlainOutcome) {
	case "timeout":
		return "no answer in its protocol", ByPlain
	case "error":
		return "no right answer in its protocol: " + orNone(f.Text(PlainError)), ByPlain
	}
	return "", ""
}

// silentOutcome reports that nothing at all was said on an accepted connection.
func silentOutcome(f Facts) bool {
	return f.Text(HTTPOutcome) == OutcomeNoReply || f.Text(HTTPOutcome) == OutcomeReset ||
		f.Text(SQLOutcome) == SQLFrozen || f.Text(SQLOutcome) == SQLClosed || f.Text(PlainOutcome) == "timeout"
}
