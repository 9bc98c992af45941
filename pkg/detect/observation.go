package detect

import (
	"slices"
	"time"
)

// Reading is one fact. A number is in Value, a word in Text, a truth is Value 0 or 1.
// A non-empty Err says that the fact was asked for and could not be measured, and why; such a
// reading has no value. A fact that was never asked for is absent from the map.
type Reading struct {
	Value float64 `json:"v,omitzero"`
	Text  string  `json:"t,omitzero"`
	Err   string  `json:"err,omitzero"`
}

// Num makes a numeric reading.
func Num(v float64) Reading { return Reading{Value: v} }

// Word makes a textual reading.
func Word(s string) Reading { return Reading{Text: s} }

// Flag makes a truth reading: 1 for true, 0 for false.
func Flag(b bool) Reading {
	if b {
		return Reading{Value: 1}
	}
	return Reading{}
}

// NotMeasured makes a reading that could not be taken, with the reason.
func NotMeasured(why string) Reading { return Reading{Err: why} }

// Facts maps fact names (see facts.go) to readings. A Facts that has been handed over in an
// Observation is never modified again.
type Facts map[string]Reading

// Num returns the number of a fact, and whether it was measured.
func (f Facts) Num(name string) (float64, bool) {
	r, ok := f[name]
	if !ok || r.Err != "" {
		return 0, false
	}
	return r.Value, true
}

// Text returns the word of a fact, or "" when it was not measured.
func (f Facts) Text(name string) string {
	r := f[name]
	if r.Err != "" {
		return ""
	}
	return r.Text
}

// True reports whether a truth was measured and is true.
func (f Facts) True(name string) bool {
	v, ok := f.Num(name)
	return ok && v != 0
}

// False reports whether a truth was measured and is false. It is not the negation of True:
// both are false for a fact that was not measured.
func (f Facts) False(name string) bool {
	v, ok := f.Num(name)
	return ok && v == 0
}

// Duration returns a fact that is measured in seconds as a time.Duration.
func (f Facts) Duration(name string) (time.Duration, bool) {
	v, ok := f.Num(name)
	return time.Duration(v * float64(time.Second)), ok
}

// Names returns the fact names in order, so that output is stable.
func (f Facts) Names() []string {
	names := make([]string, 0, len(f))
	for n := range f {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Observation is one complete look at one target: the facts of all its witnesses, taken
// together at about the same moment.
type Observation struct {
	Target string    `json:"target"`
	At     time.Time `json:"at"`             // when the look began (wall clock)
	Took   float64   `json:"took,omitzero"`  // seconds the whole look lasted
	Cause  string    `json:"cause,omitzero"` // why we looked: "poll", "signal", "again", "verify", "asked"
	Facts  Facts     `json:"facts"`
}
