// Command report reads what "go test -json" prints and tells a person how it went: failures with
// their output as they happen, one line for each package, at the end every skipped test with its
// reason, and alone on the last line "N passed, N failed, N skipped".
//
// Subtests count as tests. A package that does not build, panics or runs out of time counts as a
// failure even when no test of it failed. It exits 1 when anything failed or nothing ran.
//
//	go test -json ./... | go run ./test/report
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	r := newReport(os.Stdout)
	err := r.read(os.Stdin)
	if err == nil {
		err = r.finish()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
	if r.failed > 0 || r.passed == 0 {
		os.Exit(1)
	}
}

// event is one line of go test -json (see "go doc test2json").
type event struct {
	Action      string
	Package     string
	Test        string
	ImportPath  string // of build-output and build-fail
	FailedBuild string // of a fail: the package whose build failed
	Elapsed     float64
	Output      string
}

// key names a test, or with an empty test a package.
type key struct{ pkg, test string }

type skip struct {
	name   key
	reason string
}

// report counts, and keeps the output of what is still running.
type report struct {
	out                     io.Writer
	passed, failed, skipped int
	output                  map[key]*strings.Builder
	builds                  map[string]*strings.Builder
	failures                map[string]int // failed tests by package
	skips                   []skip
	lost                    []string // names of the failures, for the end
}

func newReport(out io.Writer) *report {
	return &report{out: out, output: map[key]*strings.Builder{}, builds: map[string]*strings.Builder{}, failures: map[string]int{}}
}

// read handles all events until the end. Lines that are no events are passed on as they are.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in) // not a Scanner: a line of output may be of any length
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
				fmt.Fprint(r.out, line)
			} else {
				r.handle(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the test events: %w", err)
		}
	}
}

func (r *report) handle(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "output":
		builder(r.output, k).WriteString(e.Output)
	case "build-output":
		builder(r.builds, e.ImportPath).WriteString(e.Output)
	case "pass":
		if e.Test == "" {
			fmt.Fprintf(r.out, "ok    %s (%.1fs)\n", e.Package, e.Elapsed)
		} else {
			r.passed++
		}
		delete(r.output, k)
	case "fail":
		r.fail(k, e)
	case "skip":
		if e.Test != "" { // without a test it is a package without test files
			r.skipped++
			r.skips = append(r.skips, skip{k, reason(r.text(k))})
		}
		delete(r.output, k)
	}
}

// fail prints a failure with its output. A failed package is a failure of its own only when none of
// its tests explains it.
func (r *report) fail(k key, e event) {
	if k.test == "" {
		fmt.Fprintf(r.out, "FAIL  %s (%.1fs)\n", k.pkg, e.Elapsed)
		if r.failures[k.pkg] > 0 {
			return
		}
		if b := r.builds[e.FailedBuild]; b != nil {
			fmt.Fprint(r.out, b.String())
		}
		r.unfinished(k.pkg)
	}
	r.failed++
	r.failures[k.pkg]++
	r.lost = append(r.lost, k.String())
	fmt.Fprintf(r.out, "--- FAIL: %s (%.1fs)\n%s", k, e.Elapsed, r.text(k))
	delete(r.output, k)
}

// unfinished prints the output of the tests of a package that neither passed nor failed: a test that
// panics or runs out of time takes the program with it, and go test books the stacks under its name.
func (r *report) unfinished(pkg string) {
	var names []string
	for k := range r.output {
		if k.pkg == pkg && k.test != "" {
			names = append(names, k.test)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(r.out, "--- NOT ENDED: %s.%s\n%s", pkg, name, r.text(key{pkg, name}))
	}
}

// finish prints the summary.
func (r *report) finish() error {
	if len(r.skips) > 0 {
		fmt.Fprintf(r.out, "\nSKIPPED, %d:\n", len(r.skips))
		for _, s := range r.skips {
			fmt.Fprintf(r.out, "  %s\n      %s\n", s.name, s.reason)
		}
	}
	if len(r.lost) > 0 {
		fmt.Fprintf(r.out, "\nFAILED, %d:\n  %s\n", len(r.lost), strings.Join(r.lost, "\n  "))
	}
	if r.passed+r.failed+r.skipped == 0 {
		fmt.Fprintln(r.out, "\nno test ran")
	}
	_, err := fmt.Fprintf(r.out, "\n%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	return err
}

func (r *report) text(k key) string {
	if b := r.output[k]; b != nil {
		return b.String()
	}
	return ""
}

func (k key) String() string {
	if k.test == "" {
		return k.pkg
	}
	return k.pkg + "." + k.test
}

// reason finds what t.Skip said among a test's output: everything but the framing lines of go test,
// without the file name and line.
func reason(output string) string {
	var said []string
	for line := range strings.Lines(output) {
		text := strings.TrimSpace(line)
		if text == "" || strings.HasPrefix(text, "=== ") || strings.HasPrefix(text, "--- ") {
			continue
		}
		if at := strings.Index(text, ".go:"); at >= 0 {
			if _, rest, ok := strings.Cut(text[at+len(".go:"):], ": "); ok {
				text = rest
			}
		}
		said = append(said, text)
	}
	if len(said) == 0 {
		return "(no reason given)"
	}
	return strings.Join(said, "; ")
}

// builder returns the text kept for a key, making it when needed.
func builder[K comparable](m map[K]*strings.Builder, k K) *strings.Builder {
	if m[k] == nil {
		m[k] = &strings.Builder{}
	}
	return m[k]
}
