package doctest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Call is one command line as a page names it.
type Call struct {
	Args  []string // the program first; quotes are gone
	At    string
	Exact bool // a line to be typed, so that its arguments count; not a name within a sentence
}

// shells are the info strings of blocks that hold commands. In a block with none, only lines after
// a prompt are commands, or all of them when every line runs one of the programs asked for.
var shells = []string{"", "sh", "bash", "shell", "console"}

// prefixes are programs that run another one, with those of their flags that take a value.
var prefixes = map[string][]string{"sudo": {"-u", "-g"}, "exec": nil, "time": nil, "watch": {"-n"}, "env": nil, "runuser": {"-u"}}

// Calls lists where a page runs one of the programs. The error is a block of shell that is none.
func (p Page) Calls(programs ...string) ([]Call, error) {
	var out []Call
	for _, b := range p.Blocks {
		if !slices.Contains(shells, b.Lang()) {
			continue
		}
		for _, l := range b.commandLines(programs) {
			calls, err := callsOf(l.Value, programs)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.At, err)
			}
			for _, args := range calls {
				out = append(out, Call{args, l.At, true})
			}
		}
	}
	for _, s := range p.Spans {
		args := strings.Fields(strings.NewReplacer("[", " ", "]", " ", "(", " ", ")", " ", "|", " ", "...", " ").Replace(s.Value))
		if args = behindPrefixes(args); len(args) > 1 && slices.Contains(programs, args[0]) {
			out = append(out, Call{Args: args, At: s.At})
		}
	}
	return out, nil
}

// commandLines are the lines of a block that a person types, each with its continuation.
func (b Block) commandLines(programs []string) (out []Text) {
	lines := strings.Split(strings.TrimRight(b.Code, "\n"), "\n")
	prompt := slices.ContainsFunc(lines, func(l string) bool { return promptOf(l) != "" })
	if !prompt && b.Lang() == "" {
		first := behindPrefixes(strings.Fields(lines[0]))
		if len(first) == 0 || !slices.Contains(programs, first[0]) || strings.ContainsAny(b.Code, "[(") {
			return nil // a drawing, an output, or the usage of a command
		}
	}
	for n := 0; n < len(lines); n++ {
		l := lines[n]
		if mark := promptOf(l); prompt && mark == "" {
			continue
		} else if prompt {
			l = strings.TrimPrefix(l, mark)
		}
		at := b.At(n)
		for strings.HasSuffix(l, "\\") && n+1 < len(lines) {
			n++
			l = strings.TrimSuffix(l, "\\") + " " + strings.TrimPrefix(strings.TrimSpace(lines[n]), "> ")
		}
		out = append(out, Text{l, at})
	}
	return out
}

func promptOf(line string) string {
	for _, m := range []string{"$ ", "# "} {
		if strings.HasPrefix(line, m) && (m == "$ " || rootPrompt.MatchString(line)) {
			return m
		}
	}
	return ""
}

// rootPrompt tells "# recoveryd setup" from a comment.
var rootPrompt = regexp.MustCompile(`^# (recoveryd|systemctl|apt|make|install|journalctl) `)

// callsOf parses a line as shell and lists what it runs of the programs.
func callsOf(line string, programs []string) (out [][]string, err error) {
	f, err := syntax.NewParser().Parse(strings.NewReader(line), "")
	if err != nil {
		if !slices.ContainsFunc(programs, func(p string) bool { return strings.Contains(line, p+" ") }) {
			return nil, nil // a piece of something longer, and none of ours
		}
		return nil, fmt.Errorf("%q is no shell: %w", line, err)
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		c, ok := n.(*syntax.CallExpr)
		if !ok {
			return true
		}
		var args []string
		for _, w := range c.Args {
			args = append(args, plain(w))
		}
		if args = behindPrefixes(args); len(args) > 0 && slices.Contains(programs, args[0]) {
			out = append(out, args)
		}
		return true
	})
	return out, nil
}

// plain is a word without its quotes; what the shell would put in stands as "$".
func plain(w *syntax.Word) string {
	var b strings.Builder
	var part func(syntax.WordPart)
	part = func(x syntax.WordPart) {
		switch x := x.(type) {
		case *syntax.Lit:
			b.WriteString(x.Value)
		case *syntax.SglQuoted:
			b.WriteString(x.Value)
		case *syntax.DblQuoted:
			for _, y := range x.Parts {
				part(y)
			}
		default:
			b.WriteByte('$')
		}
	}
	for _, x := range w.Parts {
		part(x)
	}
	return b.String()
}

// behindPrefixes drops sudo and its like.
func behindPrefixes(args []string) []string {
	for len(args) > 0 {
		flags, ok := prefixes[args[0]]
		if !ok {
			return args
		}
		args = args[1:]
		for len(args) > 0 && (strings.HasPrefix(args[0], "-") || strings.Contains(args[0], "=")) {
			if slices.Contains(flags, args[0]) && len(args) > 1 {
				args = args[1:]
			}
			args = args[1:]
		}
	}
	return args
}
