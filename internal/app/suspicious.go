package app

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/detect/probe"
)

// suspicious asks its first witness at every look, and the extra ones only when that one gives
// reason to look harder.
type suspicious struct {
	first  probe.Witness
	always []probe.Witness // asked at every look: a rule of the operator's looks at their facts
	extra  []probe.Witness
	memory uint64  // configured limit in bytes; 0 = none
	high   float64 // share of the limit from which on the processes are looked at
}

// Name is the first witness's.
func (s suspicious) Name() string { return s.first.Name() }

// Look asks, and looks harder when the answer is not plainly good.
func (s suspicious) Look(ctx context.Context, unit detect.Facts) detect.Facts {
	return s.harder(ctx, s.first.Look(ctx, unit), unit)
}

// Begin implements probe.Prompt with what the first witness begins with. The others read what the kernel
// tells of processes, and that may take long when they are sick.
func (s suspicious) Begin(ctx context.Context, by time.Time, unit detect.Facts) (detect.Facts, func(context.Context) detect.Facts) {
	first, ok := s.first.(probe.Prompt)
	if !ok {
		return nil, func(ctx context.Context) detect.Facts { return s.Look(ctx, unit) }
	}
	f, rest := first.Begin(ctx, by, unit)
	if rest == nil && len(s.more(f, unit)) == 0 {
		return f, nil
	}
	return nil, func(ctx context.Context) detect.Facts {
		if rest != nil {
			f = rest(ctx)
		}
		return s.harder(ctx, f, unit)
	}
}

// more are the witnesses that look besides the first, after what that one saw.
func (s suspicious) more(f, unit detect.Facts) []probe.Witness {
	if s.fine(f, unit) {
		return s.always
	}
	return slices.Concat(s.always, s.extra)
}

// harder adds what the other witnesses see to what the first saw.
func (s suspicious) harder(ctx context.Context, f, unit detect.Facts) detect.Facts {
	for _, w := range s.more(f, unit) {
		for k, v := range w.Look(ctx, unit) {
			f[k] = v
		}
	}
	return f
}

// Leads names the fact that says whether the first witness could look.
func (s suspicious) Leads() string {
	if l, ok := s.first.(probe.Leader); ok {
		return l.Leads()
	}
	return s.first.Name() + ".outcome"
}

// Inherit implements probe.Heir for the first witness. The extra ones ask the kernel, which limits nobody.
func (s suspicious) Inherit(from probe.Witness) {
	old, wrapped := from.(suspicious)
	if heir, ok := s.first.(probe.Heir); ok && wrapped {
		heir.Inherit(old.first)
	}
}

// Close ends what the witnesses keep between looks.
func (s suspicious) Close() error {
	var errs []error
	for _, w := range slices.Concat([]probe.Witness{s.first}, s.always, s.extra) {
		if c, ok := w.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// fine reports whether the first answer leaves no question.
func (s suspicious) fine(f, unit detect.Facts) bool {
	good := f.Text(detect.SQLOutcome) == detect.SQLOK || f.Text(detect.PlainOutcome) == "ok" ||
		f.Text(detect.HTTPOutcome) == detect.OutcomeReply && (f.Text(detect.HealthStatus) == "healthy" || f.Text(detect.HealthStatus) == "") && f.Text(detect.HealthParts) == "" && f[detect.HealthRequired] == (detect.Reading{}) // an MCP server without a health resource states none
	limit, ok := unit.Num(detect.MemoryMax)
	if !ok {
		limit = float64(s.memory)
	}
	if limit > 0 {
		current, measured := unit.Num(detect.MemoryCurrent)
		good = good && measured && current < s.high*limit
	}
	return good
}
