package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Synthetic asks a service for real work, such as a search, and checks the answer. It is an
// independent witness of the health reply: servers say healthy while every call fails, and
// unhealthy while they serve.
//
// Real work costs the service something. After a good answer it is therefore not asked again for
// the configured interval, and then reports nothing at all; after a bad one, or when a new process
// runs, it is asked at each look.
//
// synthetic.ok is not measured when the answer speaks of the probe and not of the service: a
// wrong path, a missing credential, a rate limit, arguments that the tool does not accept.
type Synthetic struct {
	call  caller
	every time.Duration
	wants string // what makes an answer good; the same in two checks = the same demands
	hold  hold
	// sameWay: the health check goes to the same host and port. Set before the first look.
	sameWay bool

	mu         sync.Mutex // guards what follows
	goodUntil  time.Time
	invocation string
}

var _ Heir = (*Synthetic)(nil)

// Beside says where the health checks of the same target go (URLs). What gets no answer on that same
// host and port is no second witness: both take the same way. It is called before the first look.
func (s *Synthetic) Beside(health ...string) {
	way := s.call.way()
	s.sameWay = way != "" && len(health) > 0 && !slices.ContainsFunc(health, func(h string) bool { return wayOf(h) != way })
}

// wayOf is the host and port to which a URL leads; "" when it leads nowhere. The names of this host's own
// address are one.
func wayOf(link string) string {
	u, err := url.Parse(link)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	host, port, _ := net.SplitHostPort(address(u))
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		host = "localhost"
	}
	return strings.ToLower(net.JoinHostPort(host, port))
}

// caller performs one call of real work.
type caller interface {
	call(ctx context.Context) answer
	identity() string // the same for two callers that ask the same of the same server
	way() string      // where it goes, see wayOf
	Close() error
}

// answer is what came of a call. At most one of bad and unknown is set; the call was good when
// both are empty.
type answer struct {
	bad     string // the service failed, and how
	unknown string // nothing can be said about the service, and why
	silent  bool   // bad, and nothing at all was said
	part    bool   // a part of an answer came and not its end: the service lives, whatever is wrong with it
	facts   detect.Facts
}

func (a answer) good() bool { return a.bad == "" && a.unknown == "" }

func newSynthetic(c caller, m Match, every time.Duration) (*Synthetic, error) {
	if every < 0 {
		return nil, fmt.Errorf("the interval %v of a synthetic check is negative", every)
	}
	return &Synthetic{call: c, every: every, wants: fmt.Sprintf("%+v", m), hold: hold{asks: c.identity()}}, nil
}

// Name is "synthetic".
func (s *Synthetic) Name() string { return "synthetic" }

// Leads names the fact that says whether it could look.
func (s *Synthetic) Leads() string { return detect.SyntheticOK }

// Close ends the MCP session, when there is one.
func (s *Synthetic) Close() error { return s.call.Close() }

// Inherit implements Heir. The rest after a good answer is taken over too, where the same is asked
// and wanted as often as before: a reload must not cost the service another piece of work.
func (s *Synthetic) Inherit(from Witness) {
	old, ok := from.(*Synthetic)
	if !ok {
		return
	}
	s.hold.inherit(&old.hold)
	// A call that is under way was due: then there is no rest, and a reload does not wait for it.
	if s.hold.asks != old.hold.asks || s.wants != old.wants || s.every != old.every || !old.mu.TryLock() {
		return
	}
	until, invocation := old.goodUntil, old.invocation
	old.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.goodUntil, s.invocation = until, invocation
}

// Look makes the call when it is due.
func (s *Synthetic) Look(ctx context.Context, unit detect.Facts) detect.Facts {
	s.mu.Lock()
	defer s.mu.Unlock()
	start := time.Now()
	id := unit.Text(detect.WorkloadRun)
	if start.Before(s.goodUntil) && id == s.invocation {
		return detect.Facts{}
	}
	if left := s.hold.left(unit, start); left > 0 {
		return detect.Facts{detect.SyntheticOK: detect.NotMeasured(holdSentence(left))}
	}
	a := s.call.call(ctx)
	if said := startingWords(a.bad); said != "" {
		a.bad, a.unknown = "", "the service says that it is still starting: "+said
	}
	f := detect.Facts{detect.SyntheticLatency: detect.Num(time.Since(start).Seconds())}
	s.goodUntil, s.invocation = time.Time{}, id
	switch {
	case a.unknown != "":
		f[detect.SyntheticOK] = detect.NotMeasured(clean(a.unknown, maxSentence))
	case a.bad != "":
		f[detect.SyntheticOK] = detect.Flag(false)
		f[detect.SyntheticError] = detect.Word(clean(a.bad, maxSentence))
		f[detect.SyntheticSameWay] = detect.Flag(a.silent && s.sameWay)
		if a.part {
			f[detect.SyntheticPart] = detect.Flag(true)
		}
	default:
		f[detect.SyntheticOK] = detect.Flag(true)
		s.goodUntil = start.Add(s.every)
	}
	s.hold.note(a.facts, unit, time.Now())
	return f
}

// fromFacts judges a call that gave no answer to match, by the http.* facts of its reply.
func fromFacts(f detect.Facts) answer {
	a := answer{facts: f}
	why := f.Text(detect.HTTPError)
	status, _ := f.Num(detect.HTTPStatus)
	switch out := f.Text(detect.HTTPOutcome); {
	case out == "":
		a.unknown = f[detect.HTTPOutcome].Err
	case out == detect.OutcomeGateway:
		a.unknown = "a gateway answered in the service's place: " + or(why, out)
	case out == detect.OutcomeStarting:
		a.unknown = "the service says that it is still starting: " + or(why, out)
	case status >= 400 && status < 500 && !slices.Contains(aboutRequest, out):
		a.unknown = "the service does not accept the request: " + or(why, out)
	case slices.Contains(aboutRequest, out):
		a.unknown = or(why, out)
	case slices.Contains(noAnswer, out):
		a.bad, a.silent = or(why, out), true
	default:
		a.bad = or(why, out)
	}
	return a
}

// aboutRequest are outcomes that speak of our request, noAnswer those in which nobody said anything.
var (
	aboutRequest = []string{detect.OutcomeDNS, detect.OutcomeTLS, detect.OutcomeNotFound, detect.OutcomeDenied, detect.OutcomeLimited, detect.OutcomeRedirect, detect.OutcomeStream}
	noAnswer     = []string{detect.OutcomeNoReply, detect.OutcomeReset, detect.OutcomeRefused, detect.OutcomeConnect}
)
