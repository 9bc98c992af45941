package strictyaml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with the configuration, or risky in it. It never holds a
// secret.
type Problem struct {
	File string `json:"file"`          // as given to [Load] or [Parse]
	Line int    `json:"line"`          // counted from 1; 0 when the file as a whole is meant
	Col  int    `json:"col"`           // counted from 1, in characters; 0 when Line is 0
	Path string `json:"path"`          // "targets[codebase-mcp].health[0].url"; "" when the file as a whole is meant
	What string `json:"what"`          // what is wrong: "unknown key"
	Got  string `json:"got,omitzero"`  // what is written there; "" when it adds nothing
	Want string `json:"want,omitzero"` // what would be right; "" when it cannot be said shortly
	Hint string `json:"hint,omitzero"` // what to do: `did you mean "interval"?`; "" when obvious
}

// String renders the problem in one line, as compilers do:
// "file:line:col: path: what is wrong (got ..., want ...); hint".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Col)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.What)
	switch {
	case p.Got != "" && p.Want != "":
		fmt.Fprintf(&b, " (got %s, want %s)", p.Got, p.Want)
	case p.Got != "":
		fmt.Fprintf(&b, " (got %s)", p.Got)
	case p.Want != "":
		fmt.Fprintf(&b, " (want %s)", p.Want)
	}
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// ProblemsError is the error of [Load], [Parse] and [Section.Decode]: everything that is wrong,
// in the order of the file.
type ProblemsError struct {
	Problems []Problem // never empty
	Warnings []Problem // what would have been in [Config.Warnings]
}

// Error lists all problems, one a line.
func (e *ProblemsError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Join merges the problems of several errors into one *[ProblemsError], in the order of the
// file. An error of another type becomes a problem without position that says its text. Nil
// errors are left out; with nothing left the result is nil.
func Join(errs ...error) error {
	var all ProblemsError
	for _, err := range errs {
		if err == nil {
			continue
		}
		if pe, ok := errors.AsType[*ProblemsError](err); ok {
			all.Problems = append(all.Problems, pe.Problems...)
			all.Warnings = append(all.Warnings, pe.Warnings...)
			continue
		}
		all.Problems = append(all.Problems, Problem{File: "configuration", What: err.Error()})
	}
	if len(all.Problems) == 0 {
		return nil
	}
	all.Problems = inOrder(all.Problems)
	all.Warnings = inOrder(all.Warnings)
	return &all
}

// inOrder sorts problems as they stand in the file and drops exact repetitions.
func inOrder(ps []Problem) []Problem {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.Compact(ps)
}

// Problems lists what is wrong, one by one, for output that machines read. It is never nil.
func Problems(err error) []Problem {
	list := []Problem{}
	if err == nil {
		return list
	}
	if pe, ok := errors.AsType[*ProblemsError](Join(err)); ok {
		list = append(list, pe.Problems...)
	}
	return list
}
