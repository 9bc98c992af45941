package evidence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// scene is what the sources of one bundle look at.
type scene struct {
	Subject
	incident string
	facts    detect.Facts // of the unit; nil when the platform did not answer
	unseen   string       // why it did not
	redact   Redactor
}

// pid is the main process, 0 when it is not known.
func (k *scene) pid() int {
	v, ok := k.facts.Num(detect.WorkloadPID)
	if !ok || v < 1 || v > 1<<22 { // PID_MAX_LIMIT
		return 0
	}
	return int(v)
}

// source is one kind of evidence. gather writes into the page and returns before ctx ends or shortly
// after; its error is a sentence at the end of the page that says what is missing.
type source struct {
	name   string
	limit  int // bytes
	wanted func(Subject) bool
	gather func(ctx context.Context, k *scene, p *page) error
}

// allSources are all kinds of evidence, in the order in which they are printed.
func allSources() []source {
	return []source{
		{"log", pieceBytes, func(s Subject) bool { return s.Unit != "" }, gatherLog},
		{"unit", pieceBytes, func(s Subject) bool { return s.Inspect != nil }, gatherUnit},
		{"processes", pieceBytes, always, gatherProcesses},
		{"sockets", pieceBytes, always, gatherSockets},
		{"sessions", pieceBytes, func(s Subject) bool { return len(s.Databases) > 0 }, gatherSessions},
		{"pressure", pieceBytes, always, gatherPressure},
		{"collector", commandBytes, func(s Subject) bool { return s.Command != nil }, gatherCommand},
	}
}

func always(Subject) bool { return true }

// guarded runs a source. A fault in one must not end the daemon that is about to heal something.
func guarded(ctx context.Context, src source, k *scene, p *page) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("the source failed: %v", x)
		}
	}()
	err = src.gather(ctx, k, p)
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return errors.New("cut off: the time for evidence was over")
	}
	return err
}

// inspect asks the platform, for a short while.
func (c *Collector) inspect(ctx context.Context, s Subject) (detect.Facts, string) {
	if s.Inspect == nil {
		return nil, ""
	}
	place := c.seats[seatOfPlatform]
	if !place.take(s.Target) {
		return nil, "the platform has not answered an earlier question"
	}
	ctx, cancel := context.WithTimeout(ctx, inspectLimit)
	defer cancel()
	type answer struct {
		facts detect.Facts
		err   error
	}
	got := make(chan answer, 1)
	go func() { // ends when the adapter does; never started twice for a target
		defer place.leave(s.Target)
		f, err := s.Inspect(ctx)
		got <- answer{f, err}
	}()
	select {
	case a := <-got:
		if a.err != nil {
			return a.facts, a.err.Error()
		}
		return a.facts, ""
	case <-ctx.Done():
		return nil, fmt.Sprintf("the platform did not answer within %s", inspectLimit)
	}
}

// gatherUnit writes the platform's facts of the unit.
func gatherUnit(_ context.Context, k *scene, p *page) error {
	for _, name := range k.facts.Names() {
		p.line("%-24s %s", name, detect.ShowReading(name, k.facts[name]))
	}
	if k.unseen != "" {
		return errors.New(k.unseen)
	}
	return nil
}

// Sources lists the names of all kinds of evidence.
func Sources() (names []string) {
	for _, s := range allSources() {
		names = append(names, s.name)
	}
	return names
}

// IsSource reports whether that is the name of a kind of evidence.
func IsSource(name string) bool { return slices.Contains(Sources(), name) }

// Source is the kind of evidence that a piece is.
func (p Piece) Source() string {
	_, source, _ := strings.Cut(p.Name, "/")
	return source
}
