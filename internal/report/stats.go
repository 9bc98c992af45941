package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/incident"
)

// Case is one incident as the figures need it.
type Case struct {
	Incident incident.Incident
	// Cleared is when the target was proven clear for the last time, zero while it is not; see
	// [Cleared].
	Cleared time.Time
}

// Change is one change of a target's phase.
type Change struct {
	At       time.Time
	Target   string
	From, To incident.Phase
}

// Cleared finds when an incident was clear for good. Closing comes later, after the probation, and
// is the end of the watching and not of the trouble. An incident without changes of its phase is
// taken to be over when it was closed.
func Cleared(i incident.Incident, changes []Change) time.Time {
	var at time.Time
	for _, c := range changes {
		if c.Target != i.Target || c.From == c.To {
			continue
		}
		switch {
		case c.To == incident.Probation:
			at = c.At
		case c.From == incident.Probation && c.To != incident.Watching:
			at = time.Time{} // it came back
		}
	}
	if at.IsZero() {
		return i.Closed
	}
	return at
}

// Figures are the figures of some incidents. Shares are of what they say; times are in seconds,
// and absent when nothing was there to be measured.
type Figures struct {
	Target    string       `json:"target,omitzero"` // "" = all
	Class     detect.Class `json:"class,omitzero"`  // "" = all
	Incidents int          `json:"incidents"`
	Open      int          `json:"open"`          // not clear yet
	Healed    int          `json:"healed"`        // cured by recoveryd, and nobody was paged
	Alone     int          `json:"alone"`         // recovered by themselves, and nobody was paged
	Paged     int          `json:"paged"`         // people were paged, however it ended
	Ended     int          `json:"ended"`         // by a person's word or the configuration, not by a recovery: in no time to repair
	Detect    *Spread      `json:"mttd,omitzero"` // from the first bad look to the confirmation
	Repair    *Spread      `json:"mttr,omitzero"` // from the first bad look until it was clear
}

// Spread describes some durations, in seconds.
type Spread struct {
	Mean    float64 `json:"mean_seconds"`
	Median  float64 `json:"median_seconds"`
	Longest float64 `json:"longest_seconds"`
}

// HealedShare is the share of the incidents that are over which recoveryd cured without anybody
// being paged; ok is false when none is over.
func (f Figures) HealedShare() (share float64, ok bool) {
	over := f.Incidents - f.Open
	return float64(f.Healed) / float64(max(over, 1)), over > 0
}

// PagedShare is the share of all incidents for which people were paged.
func (f Figures) PagedShare() (share float64, ok bool) {
	return float64(f.Paged) / float64(max(f.Incidents, 1)), f.Incidents > 0
}

// Stats are the figures of a period.
type Stats struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	All   Figures   `json:"all"`
	Parts []Figures `json:"parts"` // per target and class, the most frequent first
	// Left is the number of incidents of the period that were left out because of [Which], or because they
	// were nothing but a person's doing.
	Left int `json:"left_out,omitzero"`
}

// Which says whether drills are counted.
type Which string

// The choices.
const (
	NoDrills   Which = "without" // what happened by itself
	WithDrills Which = "with"    // everything
	OnlyDrills Which = "only"    // what was brought about on purpose
)

// keeps reports whether an incident is counted. One that began as a drill and was taken for real
// is counted as real: it outlived what was done on purpose.
func (w Which) keeps(i incident.Incident) bool {
	switch w {
	case NoDrills:
		return !i.Exercise()
	case OnlyDrills:
		return i.Drill != nil
	}
	return true
}

// Count counts the incidents that were opened within the period. Tests of the channels are none.
func Count(cases []Case, from, to time.Time, which Which) Stats {
	type part struct {
		target string
		class  detect.Class
	}
	groups := map[part][]Case{}
	var all []Case
	left := 0
	for _, c := range cases {
		i := c.Incident
		if i.Class == ClassCanary || i.Opened.Before(from) || i.Opened.After(to) {
			continue
		}
		if !which.keeps(i) || i.Willed {
			left++
			continue
		}
		all = append(all, c)
		p := part{i.Target, i.Class}
		groups[p] = append(groups[p], c)
	}
	s := Stats{From: from, To: to, All: figures(all), Parts: []Figures{}, Left: left}
	for p, list := range groups {
		f := figures(list)
		f.Target, f.Class = p.target, p.class
		s.Parts = append(s.Parts, f)
	}
	slices.SortFunc(s.Parts, func(a, b Figures) int {
		return cmp.Or(-cmp.Compare(a.Incidents, b.Incidents), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Class, b.Class))
	})
	return s
}

func figures(list []Case) Figures {
	f := Figures{Incidents: len(list)}
	var detected, repaired []time.Duration
	for _, c := range list {
		i := c.Incident
		detected = append(detected, i.Opened.Sub(i.Since))
		if !i.Paged.IsZero() {
			f.Paged++
		}
		if c.Cleared.IsZero() {
			f.Open++
			continue
		}
		if i.EndWhy != "" {
			f.Ended++
			continue
		}
		repaired = append(repaired, c.Cleared.Sub(i.Since)-i.Aside) // what a person does on purpose is no repair
		switch {
		case !i.Paged.IsZero():
		case curedByUs(i):
			f.Healed++
		default:
			f.Alone++
		}
	}
	f.Detect, f.Repair = spread(detected), spread(repaired)
	return f
}

// curedByUs reports whether the last thing that recoveryd did was seen to help.
func curedByUs(i incident.Incident) bool {
	n := len(i.Attempts)
	return n > 0 && i.Attempts[n-1].Verdict == incident.Verified
}

func spread(list []time.Duration) *Spread {
	if len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	var sum time.Duration
	for _, d := range list {
		sum += d
	}
	return &Spread{Mean: (sum / time.Duration(len(list))).Seconds(), Median: list[len(list)/2].Seconds(), Longest: list[len(list)-1].Seconds()}
}
