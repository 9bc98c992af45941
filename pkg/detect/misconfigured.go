package detect

import (
	"fmt"
	"strings"
	"time"
)

// misconfiguredCondition: what we got is evidence about the probe or the service's settings, not
// about its health. Restarting cannot help; a person must look, and is told once.
var misconfiguredCondition = Condition{
	Class: ClassMisconfigured, Kinds: []Kind{KindService}, Severity: P3,
	Looks: 3, For: 10 * time.Second, Clear: 0,
	Summary: "the probe or the service is configured wrongly: restarting cannot help",
	Match: func(o Observation, b Background) Finding {
		f := o.Facts
		if notRunning(f) {
			return Finding{}
		}
		unknown := func(class Class, because, advice string) Finding {
			return Finding{Verdict: Unknown, Class: class, Witnesses: []Witness{ByHTTP}, Because: because, Advice: advice}
		}
		switch f.Text(HTTPOutcome) {
		case OutcomeNotFound:
			return unknown(ClassMisconfigured, fmt.Sprintf("the server answers, but has no such page (HTTP %s)%s", status(f), serverSaid(f)),
				"correct the health url (path, port, method) of this target")
		case OutcomeDenied:
			return unknown(ClassMisconfigured, fmt.Sprintf("the server answers, but refuses the probe (HTTP %s)%s", status(f), serverSaid(f)),
				"give the probe a valid token, or correct the url")
		case OutcomeHTML:
			return unknown(ClassMisconfigured, fmt.Sprintf("an HTML page came instead of a health reply (HTTP %s): a proxy or another server answers%s", status(f), pageSaid(f)),
				"correct the health url of this target; a page that asks for a login wants a path without one")
		case OutcomeTLS:
			return unknown(ClassMisconfigured, "TLS failed: "+orNone(f.Text(HTTPError)),
				"check http or https in the health url, and the certificate")
		case OutcomeRedirect:
			return unknown(ClassMisconfigured, elsewhere(f), "configure the final url, if that place is yours")
		case OutcomeStream:
			return unknown(ClassMisconfigured, fmt.Sprintf("the health url is an event stream, not a page with an end (HTTP %s): %s", status(f), orNone(f.Text(HTTPError))),
				"if it is an MCP server, use `type: mcp` (with `transport: sse` for a url that ends in /sse); otherwise give the url of its health page")
		case OutcomePartial:
			return unknown(ClassUnknown, "a part of the health reply came, and not its end: "+orNone(f.Text(HTTPError)),
				"the server lives: raise the `timeout` of this check if it is slow, or use a url whose reply ends; look for a wrong Content-Length or a proxy that cuts replies")
		case OutcomeDNS:
			return unknown(ClassMisconfigured, "the name in the health url cannot be resolved: "+orNone(f.Text(HTTPError)),
				"correct the host name, or mend the resolver")
		case OutcomeLimited:
			because := fmt.Sprintf("the server limits our rate (HTTP %s): we ask less often", status(f))
			if d, ok := f.Duration(HTTPRetryAfter); ok {
				because += ", next after " + short(d)
			}
			return unknown(ClassUnknown, because, "give the probe its own token, or poll less often")
		case OutcomeGarbage, OutcomeTooLarge:
			return unknown(ClassUnknown, fmt.Sprintf("the reply is not a health payload%s: %s", inStatus(f), orNone(f.Text(HTTPError))),
				"look at what the health url returns; a reply that cannot be read proves nothing about the service")
		case OutcomeConnect:
			return unknown(ClassUnknown, "the connection could not be made: "+orNone(f.Text(HTTPError)),
				"check the route and firewall between recoveryd and the health url")
		case OutcomeRPC:
			if rejected(f) {
				return unknown(ClassMisconfigured, fmt.Sprintf("the MCP server answers, but rejects the probe's request (HTTP %s): %s", status(f), orNone(f.Text(HTTPError))),
					"write `type: mcp` into this health check, and `transport: sse` only where the server speaks the older transport (its url ends in /sse)")
			}
			return unknown(ClassUnknown, "the MCP server answers with an error: "+orNone(f.Text(HTTPError)), "check the health resource of the server")
		case OutcomeRefused:
			if running(f) && !b.Answered {
				return unknown(ClassMisconfigured, fmt.Sprintf("the %s runs, but nothing has listened on the health port since it started", Noun(f)),
					"compare the port of the health url with the one that the service opens")
			}
		case OutcomeHTTPError:
			if rejected(f) {
				return unknown(ClassMisconfigured, fmt.Sprintf("the server answers, but rejects the probe's request (HTTP %s)%s", status(f), serverSaid(f)),
					"correct the method, headers or body of this health check; the endpoint of an MCP server wants `type: mcp`")
			}
		case OutcomeReply:
			return settled(f, unknown)
		}
		return Finding{}
	},
}

// elsewhere tells of a server that would have the probe ask another place: by a redirect, or by the address that an MCP
// server of the older transport names for messages.
func elsewhere(f Facts) string {
	if s, ok := f.Num(HTTPStatus); ok && s < 300 {
		return "the server sends the probe elsewhere, where it does not go: " + orNone(f.Text(HTTPError))
	}
	because := fmt.Sprintf("the health url answers with a redirect (HTTP %s), which is not followed", status(f))
	if e := f.Text(HTTPError); e != "" {
		because += ": " + e
	}
	return because
}

// rejected reports an HTTP status that speaks of the request and not of the server. 408 is the
// server's own timeout.
func rejected(f Facts) bool {
	s, ok := f.Num(HTTPStatus)
	return ok && s >= 400 && s < 500 && s != 408
}

// settled judges replies in the error shape: the health check of the service failed, not
// necessarily the service. ValidationError is the always-unhealthy default configuration of
// codebase-mcp (no DATABASE_URL): the server works, its health check never does.
func settled(f Facts, unknown func(Class, string, string) Finding) Finding {
	text := f.Text(HealthError)
	if f.Text(HealthDatabase) != "" || f.Text(HealthStatus) == "healthy" {
		return Finding{}
	}
	switch {
	case strings.Contains(text, "ValidationError"):
		return unknown(ClassMisconfigured, fmt.Sprintf("the service's own health check cannot work as configured (%q)", text),
			"set DATABASE_URL for the service, or watch it another way; restarting never cures this")
	case strings.Contains(text, "not initialized"):
		return unknown(ClassUnknown, fmt.Sprintf("the service says its health check is not ready (%q)", text), "")
	case strings.HasPrefix(text, "Health check failed"):
		return unknown(ClassUnknown, fmt.Sprintf("the service's own health check failed (%q)", text), "look at the service's log")
	}
	return Finding{}
}

// serverSaid quotes the server's own words behind a sentence that has named the status.
func serverSaid(f Facts) string {
	said := strings.TrimLeft(strings.TrimPrefix(f.Text(HTTPError), status(f)), ": ")
	if said == "" {
		return ""
	}
	return ": " + said
}

// pageSaid quotes the title of a web page behind a sentence that has called it one.
func pageSaid(f Facts) string {
	if _, title, ok := strings.Cut(f.Text(HTTPError), `: "`); ok {
		return `: "` + title
	}
	return ""
}

// inStatus is the status in brackets, where there was one.
func inStatus(f Facts) string {
	if _, ok := f.Num(HTTPStatus); ok {
		return " (HTTP " + status(f) + ")"
	}
	return ""
}

func status(f Facts) string {
	if v, ok := f.Num(HTTPStatus); ok && v > 0 {
		return fmt.Sprintf("%.0f", v)
	}
	return "?"
}
