package api

import "slices"

// Selector says which labels are meant. One without a requirement matches everything, nil matches nothing: the difference
// between {} and a field that was left out.
type Selector struct {
	MatchLabels      map[string]string `json:"matchLabels,omitempty"`
	MatchExpressions []Requirement     `json:"matchExpressions,omitempty"`
}

// Requirement is one condition of a selector.
type Requirement struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"` // In, NotIn, Exists, DoesNotExist
	Values   []string `json:"values,omitempty"`
}

// Matches reports whether the labels are meant. nil matches nothing; an operator that is not known, too, since a guess could
// act on the wrong pods.
func (s *Selector) Matches(labels map[string]string) bool {
	if s == nil {
		return false
	}
	for key, want := range s.MatchLabels {
		if got, has := labels[key]; !has || got != want {
			return false
		}
	}
	for _, r := range s.MatchExpressions {
		got, has := labels[r.Key]
		met := false
		switch r.Operator {
		case "In":
			met = has && slices.Contains(r.Values, got)
		case "NotIn":
			met = !has || !slices.Contains(r.Values, got)
		case "Exists":
			met = has
		case "DoesNotExist":
			met = !has
		}
		if !met {
			return false
		}
	}
	return true
}
