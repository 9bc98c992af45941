package strategy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Set is the strategies that ladders may name, in order of registration.
type Set struct{ list []Strategy }

// NewSet checks that names are unique and not empty.
func NewSet(list ...Strategy) (Set, error) {
	var seen []string
	for _, s := range list {
		if s.Name() == "" || slices.Contains(seen, s.Name()) {
			return Set{}, fmt.Errorf("strategy name %q is empty or used twice", s.Name())
		}
		seen = append(seen, s.Name())
	}
	return Set{list}, nil
}

// Names lists the strategies in order.
func (s Set) Names() []string {
	names := make([]string, len(s.list))
	for i, st := range s.list {
		names[i] = st.Name()
	}
	return names
}

// Get returns a strategy by name.
func (s Set) Get(name string) (Strategy, bool) {
	i := slices.IndexFunc(s.list, func(st Strategy) bool { return st.Name() == name })
	if i < 0 {
		return nil, false
	}
	return s.list[i], true
}

// Next plans the first rung of the ladder, at or after position from, that is applicable. It
// returns the rung's position, and -1 when none is left; skipped says why each earlier one was
// passed over.
func (s Set) Next(ladder []string, from int, in Input) (rung int, p Plan, skipped []string) {
	return s.NextUnless(ladder, from, in, func(string) string { return "" })
}

// NextUnless is Next for a caller that has reasons of its own to pass over a strategy. It is asked
// for one only when that applies, and says why not; "" = it is taken.
func (s Set) NextUnless(ladder []string, from int, in Input, pass func(strategy string) string) (rung int, p Plan, skipped []string) {
	for i := max(from, 0); i < len(ladder); i++ {
		st, ok := s.Get(ladder[i])
		if !ok {
			skipped = append(skipped, fmt.Sprintf("%s: no such strategy", ladder[i]))
			continue
		}
		plan, err := st.Plan(in)
		if err == nil {
			why := pass(ladder[i])
			if why == "" {
				return i, plan, skipped
			}
			skipped = append(skipped, fmt.Sprintf("%s: %s", ladder[i], why))
			continue
		}
		skipped = append(skipped, fmt.Sprintf("%s: %s", ladder[i], because(err)))
	}
	return -1, Plan{}, skipped
}

// because strips the wrapping of an ErrNotApplicable down to its reason.
func because(err error) string {
	if errors.Is(err, ErrNotApplicable) {
		if _, after, ok := strings.Cut(err.Error(), ErrNotApplicable.Error()+": "); ok {
			return after
		}
	}
	return err.Error()
}
