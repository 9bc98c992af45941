package incident

import (
	"slices"
	"time"
)

// Mode says how far recoveryd may go with a target.
type Mode string

// The modes.
const (
	Auto    Mode = "auto"    // act
	Propose Mode = "propose" // ask for a person's approval, page when none comes in time
	Observe Mode = "observe" // watch and page, never act
)

// StrategyMode replaces the mode of targets (of all when Targets is nil) for one strategy. A target
// in mode observe stays so. Of two that apply the later one counts.
type StrategyMode struct {
	Strategy string
	Targets  []string
	Mode     Mode
}

// Approval says how a proposal is answered, and what follows from the answers.
type Approval struct {
	// Deadline is how long a proposal may wait for a person's yes until people are paged; 0 = they
	// are paged at once. A yes that comes later still counts.
	Deadline time.Duration
	// PromoteAfter so many proposals of a strategy for a target in a row that were approved and
	// helped, it needs no approval any more; 0 = never.
	PromoteAfter int
	// DemoteAfter so many attempts of a strategy on a target in a row that did not help, it needs
	// approval from then on; 0 = never.
	DemoteAfter int
}

// Proposal is a plan that waits for a person's yes.
type Proposal struct {
	Strategy string    `json:"strategy"`
	Plan     string    `json:"plan"` // in words: a yes counts for this plan and for no other
	At       time.Time `json:"at"`
	Until    time.Time `json:"until"`       // then people are paged
	By       string    `json:"by,omitzero"` // who said yes; "" nobody yet
}

// mode is how far recoveryd may go with a target, whatever the strategy.
func (p *Policy) mode(target string) Mode {
	if m, ok := p.o.Modes[target]; ok && m != "" {
		return m
	}
	return Auto
}

// configured is the mode of a strategy on a target as the configuration has it.
func (p *Policy) configured(target, strategy string) Mode {
	m := p.mode(target)
	if m == Observe {
		return m
	}
	for _, s := range p.o.StrategyModes {
		if s.Strategy == strategy && s.Mode != "" && (s.Targets == nil || slices.Contains(s.Targets, target)) {
			m = s.Mode
		}
	}
	return m
}

// modeOf is the mode in force: as configured, or as it was promoted or demoted since.
func (p *Policy) modeOf(t *TargetState, strategy string) Mode {
	m := p.configured(t.Name, strategy)
	tr := t.trust(strategy)
	switch {
	case tr == nil || tr.From != m:
		return m // learned under another configuration
	case tr.Mode == Auto && p.o.Approval.PromoteAfter > 0, tr.Mode == Propose && p.o.Approval.DemoteAfter > 0:
		return tr.Mode
	}
	return m
}

// approved reports whether a person has said yes to this very plan.
func (i *Incident) approved(plan string) bool {
	return i != nil && i.Proposal != nil && i.Proposal.By != "" && i.Proposal.Plan == plan
}

// propose asks for a yes, unless it was asked for this plan already. It reports whether it is new.
func (tn *turn) propose() bool {
	words := planWords(tn.plan)
	if i := tn.inc; i.Proposal != nil && (i.Proposal.Plan == words || tn.t.Flaps.flapping(tn.now)) {
		return false // of what flaps, one plan after the other is not asked for
	} else if i.Proposal != nil {
		tn.toAndFro()
	}
	tn.change().Proposal = &Proposal{Strategy: tn.plan.Strategy, Plan: words, At: tn.now, Until: tn.now.Add(tn.p.o.Approval.Deadline)}
	return true
}

// HoldWords says why recoveryd holds back, and what a person can do about it.
func (i *Incident) HoldWords() string {
	s := "recoveryd holds back (" + string(i.Held) + "): " + i.HeldWhy
	if i.Held == HoldApproval && i.Proposal != nil {
		s += ". Allow it with: recoveryd approve " + i.ID
		if i.Paged.IsZero() {
			s += " (people are paged at " + i.Proposal.Until.UTC().Format("15:04:05 MST") + ")"
		}
	}
	return s
}
