package replay

import (
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Comparison is what came of a replay.
type Comparison struct {
	// Steps are those that did or told something on either side, and those at which a difference
	// began or changed.
	Steps     []Compared `json:"steps"`
	Events    int        `json:"events"`
	Decisions int        `json:"decisions"` // recorded ones that did or told something
	Different int        `json:"different"` // of Steps, those that differ
	Bytes     bool       `json:"byte_equal"`
	// Reloaded says that the configuration changed during the recording, Cut why it ends early.
	Reloaded bool   `json:"reloaded,omitzero"`
	Cut      string `json:"cut,omitzero"`
	// Configs are the fingerprints of the configurations that were in force.
	Configs []string `json:"configs"`
}

// Compared is one event with what was decided about it, and what the other rules decide.
type Compared struct {
	At       time.Time          `json:"at"`
	Kind     incident.EventKind `json:"kind"`
	Recorded Decision           `json:"recorded"`
	Replayed Decision           `json:"replayed"`
	Differs  bool               `json:"differs"`
	// Follows: an earlier step differed, so the recording shows what happened after another decision.
	Follows bool `json:"follows,omitzero"`
	// Unwatched: the other configuration has no such target.
	Unwatched bool `json:"unwatched,omitzero"`
}

// First is the first step that differs, nil when none does.
func (c Comparison) First() *Compared {
	i := slices.IndexFunc(c.Steps, func(s Compared) bool { return s.Differs })
	if i < 0 {
		return nil
	}
	return &c.Steps[i]
}

// Run puts the recorded events to a policy and compares its decisions with the recorded ones. It is
// pure: the same recordings and policy give the same comparison.
func Run(tapes []Tape, p *incident.Policy) Comparison {
	c := Comparison{Bytes: true}
	for _, t := range tapes {
		c.run(t, p)
	}
	return c
}

func (c *Comparison) run(t Tape, p *incident.Policy) {
	c.config(t.Head.Config)
	s := t.Head.State.state()
	diverged := false
	apart := map[string]string{} // by target: the difference that was listed last
	for _, i := range t.Items {
		switch {
		case i.Cut != "":
			c.Cut = i.Cut
		case i.Config != "":
			c.Reloaded = true
			c.config(i.Config)
		case i.Fold != nil:
			s = incident.Fold(s, *i.Fold)
		case i.Event != nil && i.Got != nil:
			var rec incident.Record
			s, rec = p.Step(s, i.Now, *i.Event)
			x := Compared{At: i.Now, Kind: i.Event.Kind, Recorded: *i.Got, Replayed: DecisionOf(rec), Follows: diverged}
			_, watched := p.Target(i.Event.Target)
			x.Unwatched = !watched
			x.Differs = !watched || !same(x.Recorded, x.Replayed)
			c.Events++
			if x.Recorded.Acts() {
				c.Decisions++
			}
			c.Bytes = c.Bytes && x.Recorded.Sum == x.Replayed.Sum
			key := ""
			if x.Differs {
				diverged = true
				key = x.Recorded.outcome() + " | " + x.Replayed.outcome()
			}
			if x.Recorded.Acts() || x.Replayed.Acts() || key != "" && key != apart[i.Event.Target] {
				c.Steps = append(c.Steps, x)
				if x.Differs {
					c.Different++
				}
			}
			apart[i.Event.Target] = key
		}
	}
}

func (c *Comparison) config(fingerprint string) {
	if !slices.Contains(c.Configs, fingerprint) {
		c.Configs = append(c.Configs, fingerprint)
	}
}

// same reports whether two decisions are the same in what they do, tell and conclude. The words may
// differ: they quote thresholds.
func same(a, b Decision) bool {
	return a.Target == b.Target && a.From == b.From && a.To == b.To && a.Reason == b.Reason && a.Verdict == b.Verdict &&
		a.Class == b.Class && a.Culprit == b.Culprit && slices.Equal(a.Actions, b.Actions) && slices.Equal(a.Notices, b.Notices)
}

// outcome is where a decision leaves the target, in words.
func (d Decision) outcome() string {
	return d.To.String() + " " + string(d.Reason) + " " + d.Verdict.String() + " " + string(d.Class) + " " + d.Culprit
}
