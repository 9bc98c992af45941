package page

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/internal/httpserve/live"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// mood is the colour and the shape of a thing; the words say the same.
type mood string

const (
	moodOK      mood = "ok"
	moodWarn    mood = "warn"
	moodBad     mood = "bad"
	moodUnknown mood = "unknown"
)

// frame is what every page has.
type frame struct {
	Title, Host, Version string
	Root                 string // prefix of relative addresses: "" or "../"
	Stream               string // address of the stream, "" = this page does not change
	Layout               string // a page with another layout must be loaded anew
	Now                  time.Time
	Zone                 string
}

func (p *Page) frame(root string, now time.Time) frame {
	now = now.In(p.o.Zone)
	f := frame{Version: p.o.Daemon.Version(), Root: root, Now: now, Zone: now.Format("MST")}
	if p.o.Host != nil {
		f.Host = p.o.Host()
	}
	return f
}

// view is the overview.
type view struct {
	frame
	Span, Other live.Span
	Head        head
	Incidents   []*incidentView
	Targets     []*targetView
	Graph       *graph
	Holds       []holdView
	Runs        []runView
	Past        []pastIncident
	PastTrouble string
}

// head is the answer to the first question: is anything wrong?
type head struct {
	Mood  mood
	Line  string
	Notes []note
	Tab   string // title of the browser tab
}

// note is something about recoveryd itself or the whole host.
type note struct {
	Mood mood
	Text string
}

// holdView is a reason not to act that stands now.
type holdView struct {
	What  string // target, or "everything"
	Href  string
	Why   string
	Since time.Time
	Until time.Time // zero = until taken back, or not known
	Human bool      // a person's word
}

// lostView is an answer to a wrong address.
type lostView struct {
	frame
	Text string
}

// view collects the overview without the targets.
func (p *Page) view(ctx context.Context, now time.Time, span live.Span) (*view, glance) {
	now = now.In(p.o.Zone)
	v := &view{frame: p.frame("", now), Span: span, Other: live.Day}
	if span.Name == live.Day.Name {
		v.Other = live.Hour
	}
	g := p.glance(now)
	names := make([]string, 0, len(g.status.Targets))
	for _, t := range g.status.Targets {
		names = append(names, t.Name)
	}
	v.Layout = v.Version + " " + span.Name + " " + strings.Join(names, " ")
	v.Stream = "stream?span=" + span.Name
	recs, list, err := p.past.read(ctx, p.o, g.state)
	for _, i := range openIncidents(g.state) {
		v.Incidents = append(v.Incidents, p.incidentView(*i, recs[i.ID], g.state.Targets[i.Target], "", now))
	}
	v.Past, v.PastTrouble = p.pastOf(list), trouble(err)
	v.Graph = graphOf(g.status.Targets)
	v.Holds = holdsOf(g.status, g.state, now)
	v.Runs = runsOf(g.status.Playbooks)
	v.Head = headOf(g.status, g.state, p.o.Daemon.Alive(now), g.stalled)
	v.Title = v.Head.Tab
	return v, g
}

// glance is what was read of the daemon, once, for one page.
type glance struct {
	versions map[string][2]uint64 // of the feed
	status   httpserve.Status
	state    incident.State
	stalled  map[string]bool
}

func (p *Page) glance(now time.Time) glance {
	// The versions first: what is read after them is at least as new, so that nothing older is
	// remembered under them.
	g := glance{versions: map[string][2]uint64{}, stalled: map[string]bool{}}
	for _, t := range p.o.Daemon.Policy().Targets() {
		version, decisions := p.o.Feed.Version(t.Name)
		g.versions[t.Name] = [2]uint64{version, decisions}
	}
	g.status, g.state = httpserve.StatusOf(p.o.Daemon, now), p.o.Daemon.State()
	if p.o.Stalled != nil {
		for _, n := range p.o.Stalled(now) {
			g.stalled[n] = true
		}
	}
	return g
}

// openIncidents lists them: the most severe first, then the oldest.
func openIncidents(s incident.State) []*incident.Incident {
	out := make([]*incident.Incident, 0, len(s.Incidents))
	for _, i := range s.Incidents {
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b *incident.Incident) int {
		if a.Severity != b.Severity {
			return int(a.Severity) - int(b.Severity)
		}
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// headOf says in one line how things stand. What is wrong with recoveryd itself comes first: the
// rest of the page may then be old.
func headOf(st httpserve.Status, s incident.State, alive error, stalled map[string]bool) head {
	var h head
	if alive != nil {
		h.Notes = append(h.Notes, note{moodBad, "recoveryd itself is stuck, what is shown may be old: " + alive.Error()})
	}
	if st.Impaired != "" {
		h.Notes = append(h.Notes, note{moodBad, "recoveryd watches and pages, but acts on nothing: " + st.Impaired})
	}
	for _, w := range st.Warnings {
		h.Notes = append(h.Notes, note{moodWarn, w})
	}
	if st.Stop != nil {
		h.Notes = append(h.Notes, note{moodWarn, "The stop file exists: recoveryd watches and pages, but acts on nothing. " + st.Stop.Why})
	}
	if ps := st.Pause; standing(ps, st.Now) {
		h.Notes = append(h.Notes, note{moodWarn, "Everything is paused: recoveryd watches and pages, but acts on nothing. " + wordOf(ps, st.Now)})
	}
	h.Notes = append(h.Notes, tellingNotes(st.Channels, st.Now)...)
	h.Notes = append(h.Notes, runNotes(st.Playbooks)...)
	count := map[detect.Verdict]int{}
	suspect, unseen := 0, 0
	for _, t := range st.Targets {
		switch {
		case t.LookedAt.IsZero():
			unseen++
		default:
			count[t.Verdict]++
		}
		if t.Phase == incident.Suspect {
			suspect++
		}
	}
	if n := len(stalled); n > 0 {
		h.Notes = append(h.Notes, note{moodWarn, fmt.Sprintf("%s not been looked at for too long: %s", plural(n, "target has", "targets have"), strings.Join(sortedKeys(stalled), ", "))})
	}
	open := openIncidents(s)
	n := len(st.Targets)
	switch {
	case len(open) > 0:
		over := 0
		for _, i := range open {
			if t := s.Targets[i.Target]; t != nil && t.Phase == incident.Probation {
				over++
			}
		}
		h.Mood, h.Line = moodBad, plural(len(open), "open incident", "open incidents")
		if over == len(open) {
			h.Mood = moodWarn
			h.Line += ", recovered and watched for a relapse"
		} else if len(open) == 1 {
			h.Line += ": " + titleOf(*open[0])
		}
	case suspect > 0:
		h.Mood, h.Line = moodWarn, plural(suspect, "target looks wrong and is being asked again", "targets look wrong and are being asked again")
	case count[detect.Unhealthy] > 0:
		h.Mood, h.Line = moodBad, plural(count[detect.Unhealthy], "target does not serve", "targets do not serve")
	case unseen > 0:
		h.Mood, h.Line = moodUnknown, fmt.Sprintf("%d of %d targets have not been looked at yet", unseen, n)
	case count[detect.Unknown] > 0:
		h.Mood, h.Line = moodUnknown, fmt.Sprintf("of %s, %d cannot be judged", plural(n, "target", "targets"), count[detect.Unknown])
	case count[detect.Degraded] > 0:
		h.Mood, h.Line = moodWarn, fmt.Sprintf("%s, %d of them worse than they should", allServe(n), count[detect.Degraded])
	default:
		h.Mood, h.Line = moodOK, allServe(n)
	}
	if alive != nil {
		h.Mood = moodBad
	}
	h.Tab = h.Line
	return h
}

func allServe(n int) string {
	switch n {
	case 0:
		return "Nothing is watched"
	case 1:
		return "The target serves"
	}
	return fmt.Sprintf("All %d targets serve", n)
}

// holdsOf lists every reason not to act that stands now: what people said first.
func holdsOf(st httpserve.Status, s incident.State, now time.Time) []holdView {
	var out []holdView
	if st.Stop != nil {
		out = append(out, holdView{What: "everything", Why: "stopped by " + st.Stop.Why, Since: st.Stop.Since, Human: true})
	}
	if standing(st.Pause, now) {
		out = append(out, holdView{What: "everything", Why: "paused by " + byAndWhy(st.Pause), Since: st.Pause.Since, Until: st.Pause.Until, Human: true})
	}
	for _, t := range st.Targets {
		if standing(t.Hold, now) {
			out = append(out, holdView{What: t.Name, Href: "#" + anchor(t.Name), Why: "held by " + byAndWhy(t.Hold), Since: t.Hold.Since, Until: t.Hold.Until, Human: true})
		}
	}
	for _, t := range st.Targets {
		if t.Phase != incident.Held || t.Reason == incident.HoldCommand || t.Reason == incident.HoldPaused || t.Reason == incident.HoldStop {
			continue // said above already, by whom and until when
		}
		out = append(out, holdView{What: t.Name, Href: "#" + anchor(t.Name), Why: t.Next, Since: t.Since})
	}
	for _, t := range st.Targets {
		for _, l := range t.Learned {
			out = append(out, holdView{What: t.Name, Href: "#" + anchor(t.Name), Why: l})
		}
	}
	for _, i := range openIncidents(s) {
		if standing(i.Ack, now) {
			out = append(out, holdView{What: "further pages for " + i.ID, Href: "incidents/" + i.ID, Why: "acknowledged by " + byAndWhy(i.Ack), Since: i.Ack.Since, Until: i.Ack.Until, Human: true})
		}
	}
	return out
}

// standing reports whether a person's word still counts.
func standing(s *incident.Standing, now time.Time) bool {
	return s != nil && (s.Until.IsZero() || now.Before(s.Until))
}
