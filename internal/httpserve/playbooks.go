package httpserve

import (
	"net/http"
	"time"

	"github.com/recoveryd/recoveryd/pkg/incident"
	"github.com/recoveryd/recoveryd/pkg/strategy"
)

// Playbooks is the answer of GET /api/v1/playbooks.
type Playbooks struct {
	Playbooks []PlaybookView        `json:"playbooks"`     // in the order of the configuration
	Run       *incident.Run         `json:"run,omitzero"`  // under way, or halted
	Runs      []incident.RunSummary `json:"runs,omitzero"` // the latest that are over, newest first
}

// PlaybookView is one configured playbook.
type PlaybookView struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitzero"`
	Timeout     time.Duration   `json:"timeout"`
	Keep        bool            `json:"keep,omitzero"`     // a failure leaves its targets as they are until a person ends the run
	Approval    bool            `json:"approval,omitzero"` // a person must approve a step of it
	Targets     []string        `json:"targets"`           // what it has in hand while it runs
	Steps       []strategy.Step `json:"steps"`
}

func (s *Server) playbooks(w http.ResponseWriter, _ *http.Request) {
	st := s.o.Daemon.State()
	out := Playbooks{Playbooks: []PlaybookView{}, Run: st.Host.Run}
	for _, b := range s.o.Daemon.Policy().Playbooks() {
		out.Playbooks = append(out.Playbooks, PlaybookView{Name: b.Name, Description: b.Description, Timeout: b.Timeout, Keep: b.Keep,
			Approval: b.NeedsApproval(), Targets: b.Targets(), Steps: b.Steps})
	}
	for i := len(st.Host.Runs) - 1; i >= 0; i-- {
		out.Runs = append(out.Runs, st.Host.Runs[i])
	}
	reply(w, out)
}

// run answers with one run, as it stands now or as it ended.
func (s *Server) run(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if live := s.o.Daemon.State().Host.Run; live != nil && live.ID == id {
		reply(w, live)
		return
	}
	run, _, err := s.o.Daemon.PlaybookRun(r.Context(), id)
	if err != nil {
		if rung := s.rung(r, id); rung != nil {
			reply(w, rung)
			return
		}
		refuse(w, http.StatusNotFound, "%v", err)
		return
	}
	reply(w, run)
}

// rung finds a run that was a rung of a ladder: its records are kept with the incident.
func (s *Server) rung(r *http.Request, id string) (run *incident.Run) {
	for _, x := range s.o.Daemon.State().Host.Runs {
		if x.ID != id || x.Incident == "" {
			continue
		}
		_, recs, err := s.o.Daemon.Incident(r.Context(), x.Incident)
		if err != nil {
			return nil
		}
		for _, rec := range recs {
			if rec.Run != nil && rec.Run.ID == id {
				run = rec.Run
			}
		}
	}
	return run
}
