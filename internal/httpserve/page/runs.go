package page

import (
	"fmt"
	"time"

	"github.com/recoveryd/recoveryd/internal/httpserve"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// runView is one line about a playbook: what runs, what failed and is not over, how the last one ended.
type runView struct {
	Mood  mood
	Name  string
	Words string
	When  string // what was at At
	At    time.Time
	By    string
	Href  string // of the incident whose rung it is
}

// runsOf lists what there is to say of playbooks: the run under way first.
func runsOf(p *httpserve.Runs) (out []runView) {
	if p == nil {
		return nil
	}
	if r := p.Now; r != nil {
		v := runView{Mood: moodWarn, Name: r.Playbook, Words: r.Words, When: "begun", At: r.Began, By: r.By}
		if r.Stage == incident.StageHalted {
			v.Mood = moodBad
		}
		if r.Incident != "" {
			v.Href = "incidents/" + r.Incident
		}
		out = append(out, v)
	}
	if l := p.Last; l != nil {
		v := runView{Mood: moodOK, Name: l.Playbook, Words: l.Words(), When: "ended", At: l.Ended, By: l.By}
		if l.Outcome != incident.PlaybookDone {
			v.Mood = moodBad
		}
		if l.Incident != "" {
			v.Href = "incidents/" + l.Incident
		}
		out = append(out, v)
	}
	return out
}

// runNotes says which runs have failed and are not seen to.
func runNotes(p *httpserve.Runs) (out []note) {
	if p == nil {
		return nil
	}
	for _, f := range p.Failed {
		text := fmt.Sprintf("Playbook run %s failed: %s.", f.ID, f.Because)
		if f.Ack != nil {
			text += " Acknowledged by " + f.Ack.By + "."
		}
		out = append(out, note{moodBad, text + " When it is seen to: recoveryd playbook stop " + f.ID})
	}
	return out
}
