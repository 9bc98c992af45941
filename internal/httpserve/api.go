package httpserve

import (
	"net/http"
	"strconv"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Status is the answer of GET /api/v1/status.
type Status struct {
	Version  string             `json:"version"`
	Now      time.Time          `json:"now"`
	Alive    bool               `json:"alive"`
	Impaired string             `json:"impaired,omitzero"` // what recoveryd itself lacks
	Warnings []string           `json:"warnings,omitzero"` // what a person should mend about recoveryd itself, while it works
	Pause    *incident.Standing `json:"pause,omitzero"`
	Stop     *incident.Standing `json:"stop,omitzero"` // the stop file exists, and why
	Targets  []Target           `json:"targets"`       // in the order of the configuration
	Channels any                `json:"channels,omitzero"`
	// Playbooks is what runs of playbooks are under way, or of interest; absent when none was ever begun.
	Playbooks *Runs `json:"playbooks,omitzero"`
}

// Runs is how things stand with the playbooks.
type Runs struct {
	Now    *RunView             `json:"now,omitzero"`    // under way, or halted
	Failed []FailedRun          `json:"failed,omitzero"` // people were told of them, and they are not over
	Last   *incident.RunSummary `json:"last,omitzero"`   // the latest that ended
}

// RunView is the run under way in short; GET /api/v1/playbooks/runs/{id} has its steps.
type RunView struct {
	ID       string          `json:"id"`
	Playbook string          `json:"playbook"`
	By       string          `json:"by"`
	Began    time.Time       `json:"began"`
	Until    time.Time       `json:"until"` // then it fails
	Step     int             `json:"step"`  // the present one, from 1; steps+1 when all are over
	Steps    int             `json:"steps"`
	Name     string          `json:"name,omitzero"` // of the present step
	Stage    incident.Stage  `json:"stage"`
	Since    time.Time       `json:"since,omitzero"` // when the present step began
	Held     incident.Reason `json:"held,omitzero"`  // why it does not go on
	Words    string          `json:"words"`          // all of it in one line
	Targets  []string        `json:"targets,omitzero"`
	Incident string          `json:"incident,omitzero"` // whose rung it is
}

// FailedRun is a run that a person began and that failed.
type FailedRun struct {
	ID      string             `json:"id"`
	At      time.Time          `json:"at"`
	Because string             `json:"because"`
	Paged   time.Time          `json:"paged,omitzero"`
	Ack     *incident.Standing `json:"ack,omitzero"`
}

// RunsOf renders what a state knows of playbooks; nil when there is nothing.
func RunsOf(h incident.Host) *Runs {
	if h.Run == nil && len(h.Troubles) == 0 && len(h.Runs) == 0 {
		return nil
	}
	out := &Runs{}
	if r := h.Run; r != nil {
		s, _ := r.Step()
		out.Now = &RunView{ID: r.ID, Playbook: r.Playbook, By: r.By, Began: r.Began, Until: r.Until, Step: r.At + 1, Steps: len(r.Steps), Name: s.Name,
			Stage: r.Stage, Held: r.Held, Words: r.Words(), Targets: r.Targets, Incident: r.Incident}
		if n := len(r.Log); n > r.At {
			out.Now.Since = r.Log[r.At].Began
		}
	}
	for _, t := range h.Troubles {
		out.Failed = append(out.Failed, FailedRun{ID: t.Run, At: t.Case.Opened, Because: t.Case.Diagnosis.Because, Paged: t.Case.Paged, Ack: t.Case.Ack})
	}
	if n := len(h.Runs); n > 0 {
		out.Last = &h.Runs[n-1]
	}
	return out
}

// Target is one watched target, as it stands now.
type Target struct {
	Name      string             `json:"name"`
	Kind      detect.Kind        `json:"kind"`
	Unit      string             `json:"unit,omitzero"`
	DependsOn []string           `json:"depends_on,omitzero"`
	Phase     incident.Phase     `json:"phase"`
	Since     time.Time          `json:"since"`
	Reason    incident.Reason    `json:"reason,omitzero"`
	Verdict   detect.Verdict     `json:"verdict"`
	Class     detect.Class       `json:"class,omitzero"`
	Runbook   string             `json:"runbook,omitzero"` // of the class: a web address, or the command that prints it
	Culprit   string             `json:"culprit,omitzero"`
	Because   string             `json:"because"`
	Witnesses []detect.Witness   `json:"witnesses,omitzero"`
	Incident  string             `json:"incident,omitzero"`
	Hold      *incident.Standing `json:"hold,omitzero"`
	Ack       *incident.Standing `json:"ack,omitzero"`   // of its incident, as long as it holds: no further tier is told
	Drill     *incident.Drill    `json:"drill,omitzero"` // announced, and not long over
	LookedAt  time.Time          `json:"looked_at,omitzero"`
	Facts     detect.Facts       `json:"facts,omitzero"`
	Learned   []string           `json:"learned,omitzero"` // what it goes by from experience: promotions, demotions, strategies not tried
	Next      string             `json:"next,omitzero"`    // what recoveryd does next about it, or why it does not act
}

// StatusOf renders a state; it is shared by the API and the status page.
func StatusOf(d Daemon, now time.Time) Status {
	st, p := d.State(), d.Policy()
	out := Status{Version: d.Version(), Now: now, Alive: d.Alive(now) == nil, Impaired: st.Host.Impaired, Pause: st.Host.Pause, Stop: st.Host.Stop, Warnings: d.Warnings(), Channels: d.Channels(), Playbooks: RunsOf(st.Host)}
	for _, t := range p.Targets() {
		v := Target{Name: t.Name, Kind: t.Kind, Unit: t.Object, DependsOn: t.DependsOn, Because: "not looked at yet"}
		if ts := st.Targets[t.Name]; ts != nil {
			dg := ts.Diagnosis
			v.Phase, v.Since, v.Incident, v.Hold, v.Drill = ts.Phase, ts.Since, ts.Incident, ts.Hold, ts.Drill
			if ts.Phase != incident.Watching {
				v.Reason = ts.Reason
			}
			v.Verdict, v.Class, v.Culprit, v.Because, v.Witnesses = dg.Verdict, dg.Class, dg.Culprit, dg.Because, dg.Witnesses
			if dg.Class != "" {
				v.Runbook = d.Runbook(dg.Class)
			}
			v.LookedAt, v.Facts = ts.Last.At, ts.Last.Facts
			v.Learned = p.Learned(ts, now)
			i := st.Incidents[ts.Incident]
			v.Next = incident.Next(ts, i)
			if i != nil && i.Ack != nil && (i.Ack.Until.IsZero() || now.Before(i.Ack.Until)) {
				v.Ack = i.Ack
			}
		}
		out.Targets = append(out.Targets, v)
	}
	return out
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	reply(w, StatusOf(s.o.Daemon, time.Now()))
}

func (s *Server) incidents(w http.ResponseWriter, r *http.Request) {
	limit := 100
	if v := r.URL.Query().Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 10000 {
			refuse(w, http.StatusBadRequest, "limit %q is not a number from 1 to 10000", v)
			return
		}
		limit = n
	}
	list, err := s.o.Daemon.Incidents(r.Context(), r.URL.Query().Get("open") == "1", limit)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "%v", err)
		return
	}
	listed := make([]Listed, len(list))
	for n, i := range list {
		listed[n] = Listed{i, s.o.Daemon.Runbook(i.Class)}
	}
	reply(w, listed)
}

// Listed is one of the answer of GET /api/v1/incidents.
type Listed struct {
	incident.Incident
	Runbook string `json:"runbook,omitzero"` // of its class: a web address, or the command that prints it
}

// History is the answer of GET /api/v1/incidents/{id}.
type History struct {
	Incident incident.Incident `json:"incident"`
	Runbook  string            `json:"runbook,omitzero"` // of its class: a web address, or the command that prints it
	Records  []incident.Record `json:"records"`
}

func (s *Server) incident(w http.ResponseWriter, r *http.Request) {
	i, recs, err := s.o.Daemon.Incident(r.Context(), r.PathValue("id"))
	if err != nil {
		refuse(w, http.StatusNotFound, "%v", err)
		return
	}
	reply(w, History{i, s.o.Daemon.Runbook(i.Class), recs})
}
