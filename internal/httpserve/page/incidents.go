package page

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// incidentView is one incident as it is shown, open or over.
type incidentView struct {
	ID, Href, Title, Target string
	Severity, SeverityWords string
	Mood                    mood
	Phase                   string
	Open                    bool
	Since, Opened, Closed   time.Time
	Lasted, Confirmed       string
	Because, Witnesses      string
	Advice, Next, Outcome   string
	Runbook                 string // a web address, or the command that prints it
	Affected, Skipped       []string
	Considered              []detect.Considered
	Attempts                []attemptView
	Paged                   time.Time
	PagedWhy                string
	Tier                    int
	Ack                     string
	Relapses                int
	Moments                 []moment // oldest first
	Latest                  []moment // the last few of them
	Notices                 []noticeView
	Commands                []string
}

// attemptView is one thing that was done.
type attemptView struct {
	At                             time.Time
	Strategy, Action, Result, Took string
	Mood                           mood
	Undo                           bool
}

// moment is one line of the timeline.
type moment struct {
	At       time.Time
	Phase    string
	Mood     mood
	Reason   string
	Sentence string
	Target   string // only when it is not the incident's own
	Did      []string
	Told     []string
	Key      string // names the line, so that what was opened in it stays open
	Rule     string // row of the decision table that decided
	Near     []incident.Near
	Asked    []incident.Asked
}

// noticeView is one thing that people were told.
type noticeView struct {
	At        time.Time
	Kind, Why string
	Tier      int
	Next      string
}

// latest is how many lines of the timeline the overview shows.
const latest = 4

// incidentView collects what is shown of one incident; t is its target as it stands now.
func (p *Page) incidentView(i incident.Incident, recs []incident.Record, t *incident.TargetState, root string, now time.Time) *incidentView {
	v := &incidentView{ID: i.ID, Href: root + "incidents/" + i.ID, Title: titleOf(i), Target: i.Target, Severity: i.Severity.String(), SeverityWords: severityWords(i.Severity),
		Open: i.Open(), Since: i.Since, Opened: i.Opened, Closed: i.Closed, Confirmed: "at once",
		Because: i.Diagnosis.Because, Witnesses: witnessWords(i.Diagnosis), Advice: i.Diagnosis.Advice, Runbook: p.o.Daemon.Runbook(i.Class),
		Affected: i.Affected, Skipped: i.NotTried(), Considered: i.Diagnosis.Considered,
		Paged: i.Paged, PagedWhy: string(i.PagedWhy), Tier: i.Tier, Relapses: i.Relapses}
	if d := i.Opened.Sub(i.Since); d >= 50*time.Millisecond {
		v.Confirmed = lasting(d) + " later"
	}
	if v.Open {
		v.Mood, v.Phase = moodBad, "open"
		if t != nil {
			v.Phase, v.Next = phaseWords(t.Phase), incident.Next(t, &i)
			if t.Phase == incident.Probation || t.Phase == incident.Verifying {
				v.Mood = moodWarn
			}
		}
		if standing(i.Ack, now) {
			v.Ack = "Acknowledged. " + wordOf(i.Ack, now)
		}
		v.Commands = []string{"recoveryd explain " + i.ID, "recoveryd ack " + i.ID + " --for 1h --why '...'",
			"recoveryd hold " + i.Target + " --for 1h --why '...'"}
	} else {
		v.Mood, v.Phase, v.Outcome, v.Lasted = moodOK, "over", outcomeOf(i), lasting(i.Closed.Sub(i.Since))
	}
	for _, a := range i.Attempts {
		x := attemptView{At: a.At, Strategy: a.Strategy, Action: a.Action, Result: resultWords(a), Mood: resultMood(a), Undo: a.Undo}
		if !a.Ended.IsZero() {
			x.Took = lasting(a.Ended.Sub(a.At))
		}
		v.Attempts = append(v.Attempts, x)
	}
	for _, r := range recs {
		m, told := momentOf(r, i.Target)
		v.Moments = append(v.Moments, m)
		v.Notices = append(v.Notices, told...)
	}
	v.Latest = v.Moments[max(0, len(v.Moments)-latest):]
	return v
}

func momentOf(r incident.Record, own string) (moment, []noticeView) {
	m := moment{At: r.At, Phase: phaseWords(r.To), Mood: phaseMood(r.To), Reason: string(r.Reason), Sentence: r.Sentence,
		Key: fmt.Sprintf("d%d", r.Seq), Rule: r.Rule, Near: incident.Nearly(r), Asked: incident.HoldsAsked(r)}
	if strings.HasPrefix(m.Sentence, m.Phase+" (") {
		m.Sentence = strings.TrimPrefix(m.Sentence, m.Phase+" ") // the word is said already
	}
	if r.Target != own {
		m.Target = r.Target
	}
	var told []noticeView
	for _, e := range r.Effects {
		switch e.Kind {
		case incident.Perform:
			m.Did = append(m.Did, e.Action.String())
		case incident.Notify:
			n := noticeView{At: r.At, Kind: noticeWords(e.Notice.Kind), Why: string(e.Notice.Why), Tier: e.Notice.Tier, Next: e.Notice.Next}
			m.Told = append(m.Told, n.Kind)
			told = append(told, n)
		}
	}
	return m, told
}

func noticeWords(k incident.NoticeKind) string {
	switch k {
	case incident.NoticeTrigger:
		return "page"
	case incident.NoticeUpdate:
		return "update"
	case incident.NoticeResolve:
		return "resolved"
	case incident.NoticeChange:
		return "for the record"
	}
	return string(k)
}

// detailView is the page of one incident.
type detailView struct {
	frame
	I *incidentView
}

// detail reads one incident from the journal, with everything that was decided in it.
func (p *Page) detail(ctx context.Context, id string, now time.Time) (*detailView, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	i, recs, err := p.o.Daemon.Incident(ctx, id)
	if err != nil {
		return nil, err
	}
	state := p.o.Daemon.State()
	if now1 := state.Incidents[id]; now1 != nil {
		i = *now1 // fresher than what is durable: the wording of the evidence is not journaled at every look
	}
	now = now.In(p.o.Zone)
	v := &detailView{frame: p.frame("../", now), I: p.incidentView(i, recs, state.Targets[i.Target], "../", now)}
	v.Title = v.I.Title
	v.Layout = v.Version
	if v.I.Open {
		v.Stream = i.ID + "/stream" // relative to incidents/
	}
	return v, nil
}

// pastView is the page with all incidents.
type pastView struct {
	frame
	Past        []pastIncident
	PastTrouble string
}

// pastIncident is one line of the history.
type pastIncident struct {
	ID, Href, Title, Severity string
	Mood                      mood
	Since                     time.Time
	Lasted, Did, Outcome      string
	Open, Paged               bool
}

func (p *Page) pastOf(list []incident.Incident) []pastIncident {
	out := make([]pastIncident, 0, len(list))
	for _, i := range list {
		x := pastIncident{ID: i.ID, Href: "incidents/" + i.ID, Title: titleOf(i), Severity: i.Severity.String(), Since: i.Since,
			Open: i.Open(), Paged: !i.Paged.IsZero(), Mood: moodOK, Outcome: "open"}
		if x.Open {
			x.Mood = moodBad
		} else {
			x.Lasted, x.Outcome = lasting(i.Closed.Sub(i.Since)), outcomeOf(i)
		}
		var did []string
		for _, a := range i.Attempts {
			if w := a.Strategy; !slices.Contains(did, w) {
				did = append(did, w)
			}
		}
		x.Did = strings.Join(did, ", then ")
		out = append(out, x)
	}
	return out
}

// history remembers what was read from the journal, so that a page which is open in many places
// reads it once per decision.
type history struct {
	mu      sync.Mutex // guards what follows; held while reading, so that one reads for all
	at      time.Time
	key     uint64
	seq     uint64
	records map[string][]incident.Record
	list    []incident.Incident
	err     error
}

// recent is how many incidents the overview lists.
const recent = 12

// read returns the records of the open incidents and the latest incidents.
func (h *history) read(ctx context.Context, o Options, s incident.State) (map[string][]incident.Record, []incident.Incident, error) {
	_, decisions := o.Feed.Version("")
	h.mu.Lock()
	defer h.mu.Unlock()
	// A minute: the list may also change by pruning, which is no decision.
	if !h.at.IsZero() && h.err == nil && h.key == decisions && h.seq == s.Seq && time.Since(h.at) < time.Minute {
		return h.records, h.list, nil
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	h.key, h.seq, h.at, h.records = decisions, s.Seq, time.Now(), map[string][]incident.Record{}
	if h.list, h.err = o.Daemon.Incidents(ctx, false, recent); h.err != nil {
		return nil, nil, h.err
	}
	for id := range s.Incidents {
		var recs []incident.Record
		if _, recs, h.err = o.Daemon.Incident(ctx, id); h.err != nil {
			return h.records, h.list, h.err
		}
		h.records[id] = recs
	}
	return h.records, h.list, nil
}
