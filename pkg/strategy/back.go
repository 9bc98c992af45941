package strategy

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// ErrGone says that a change is not in force any more: somebody else has changed the setting, or a
// restart has brought the usual one back.
var ErrGone = errors.New("not in force any more")

// Change is a setting that a cure has changed and that stays so until it is not needed any more.
type Change struct {
	Strategy string    `json:"strategy"`
	Set      Action    `json:"set"`             // what put the present value there
	Before   string    `json:"before,omitzero"` // the value before the first change; "" = none was set
	Now      string    `json:"now"`             // the value in force
	At       time.Time `json:"at"`              // of the last change
	Quiet    time.Time `json:"quiet,omitzero"`  // since when it is not needed; zero = it is, or that is not known
}

// Setting is the value that an action sets; false for an action that changes no lasting setting.
func Setting(a Action) (value string, ok bool) {
	arg, ok := settings(a.Verb)
	return a.Args[arg], ok
}

func settings(v Verb) (arg string, ok bool) {
	switch v {
	case SetEnv:
		return ArgValue, true
	case SetMemory:
		return ArgBytes, true
	case HTTPPoolResize:
		return ArgMaxSize, true
	}
	return "", false
}

// QuietTime is how long a change must not have been needed until it is taken a step back; 0 = it
// stays until a person changes it.
func QuietTime(t detect.Target, c Change) time.Duration {
	if c.Set.Verb == SetMemory {
		return t.Memory.Quiet
	}
	return t.Pool.Quiet
}

// Back plans the next step of a change back to what it was before: a pool by its factor, as long as
// little of it is in use, and never below its first size; a memory limit at once, when what is used
// fits well below it. It disrupts nothing: a size in an environment file counts from the next start
// on. It returns an error wrapping ErrNotApplicable while the change is needed, and one wrapping
// ErrGone when it is not in force.
func Back(in Input, c Change) (Action, error) {
	if c.Set.Verb == SetMemory {
		return lowerMemory(in, c)
	}
	return shrinkPool(in, c)
}

// shrinkPool is the runbook's adaptive sizing, downwards: below 0.3 in use, by 0.7.
func shrinkPool(in Input, c Change) (Action, error) {
	p := in.Target.Pool
	now, err := strconv.Atoi(c.Now)
	max, okM := in.Facts.Num(detect.PoolMax)
	size, okS := in.Facts.Num(detect.PoolSize)
	free, okF := in.Facts.Num(detect.PoolFree)
	switch {
	case err != nil || now <= 0 || !okM || !okS || !okF || size < free:
		return Action{}, notApplicable("how much of the pool is in use is not known")
	case c.Set.Verb == HTTPPoolResize && int(max) != now:
		return Action{}, fmt.Errorf("%w: the pool has %.0f connections and not %d", ErrGone, max, now)
	}
	below, factor := p.ShrinkBelow, p.ShrinkFactor
	if !(below > 0) {
		below = 0.3
	}
	if !(factor > 0 && factor < 1) {
		factor = 0.7
	}
	if share := (size - free) / float64(now); share > below {
		return Action{}, notApplicable("%.0f %% of the pool are in use", 100*share)
	}
	first := p.Initial
	if n, err := strconv.Atoi(c.Before); err == nil {
		first = n
	}
	next := int(math.Floor(float64(now) * factor))
	a := c.Set
	if next > first && first > 0 {
		return with(a, strconv.Itoa(next)), nil
	}
	return with(a, c.Before), nil
}

func lowerMemory(in Input, c Change) (Action, error) {
	limit, okL := in.Facts.Num(detect.MemoryMax)
	used, okU := in.Facts.Num(detect.MemoryCurrent)
	now, errN := strconv.ParseFloat(c.Now, 64)
	before, errB := strconv.ParseFloat(c.Before, 64)
	switch {
	case !okL || !okU || errN != nil || errB != nil:
		return Action{}, notApplicable("the memory limit and what is used of it are not both known")
	case math.Abs(limit-now) > 1<<16: // the kernel rounds to pages
		return Action{}, fmt.Errorf("%w: MemoryMax is %.0f and not %.0f", ErrGone, limit, now)
	}
	high := in.Target.Limits.MemoryHigh
	if !(high > 0) {
		high = 0.8
	}
	if rss, ok := in.Facts.Num(detect.ProcessRSS); ok {
		used = math.Max(used, rss)
	}
	if used > high*before {
		return Action{}, notApplicable("it uses %.0f %% of the limit that it had before", 100*used/before)
	}
	return with(c.Set, c.Before), nil
}

// with is the same action with another value.
func with(a Action, value string) Action {
	arg, _ := settings(a.Verb)
	args := make(map[string]string, len(a.Args))
	for k, v := range a.Args {
		args[k] = v
	}
	args[arg] = value
	a.Args = args
	return a
}
