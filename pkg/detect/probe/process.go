package probe

import (
	"context"
	"fmt"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Process looks at the process table: resident memory of the unit's processes, state letter,
// file descriptors and their limit of the main process.
//
// Resident memory is what each process has for itself, plus the largest part that one of them
// shares: adding up what they share would count PostgreSQL's shared buffers once for each session.
// It is therefore rather too low than too high.
type Process struct{ proc procfs }

var _ Witness = (*Process)(nil)

// NewProcess makes the witness. It takes the process id from the unit facts of each look.
func NewProcess() *Process { return &Process{} }

// Name is "process".
func (p *Process) Name() string { return "process" }

// Leads names the fact that says whether it could look.
func (p *Process) Leads() string { return detect.ProcessState }

// Look reads /proc once.
func (p *Process) Look(ctx context.Context, unit detect.Facts) detect.Facts {
	f := detect.Facts{}
	pid, why := mainPID(unit)
	if why != "" {
		for _, name := range [...]string{detect.ProcessState, detect.ProcessRSS, detect.ProcessFDs, detect.ProcessFDLimit} {
			f[name] = detect.NotMeasured(why)
		}
		return f
	}
	if s, err := p.proc.state(pid); err != nil {
		f[detect.ProcessState] = detect.NotMeasured(p.proc.why(pid, err))
	} else {
		f[detect.ProcessState] = detect.Word(s)
	}
	f[detect.ProcessRSS] = p.memory(ctx, pid)
	if n, err := p.proc.descriptors(pid); err != nil {
		f[detect.ProcessFDs] = detect.NotMeasured(p.proc.why(pid, err))
	} else {
		f[detect.ProcessFDs] = detect.Num(float64(n))
	}
	switch n, err := p.proc.descriptorLimit(pid); {
	case err != nil:
		f[detect.ProcessFDLimit] = detect.NotMeasured(p.proc.why(pid, err))
	case n > 0: // unlimited is no number
		f[detect.ProcessFDLimit] = detect.Num(n)
	}
	return f
}

// memory adds up the resident memory of all processes of the unit. Processes that end meanwhile
// count nothing; one that we may not see makes the sum unknown.
func (p *Process) memory(ctx context.Context, main int) detect.Reading {
	var own, shared float64
	seen := false
	for _, pid := range p.proc.processes(main) {
		if ctx.Err() != nil {
			return detect.NotMeasured("the look ended before all processes were read")
		}
		o, s, err := p.proc.resident(pid)
		if err != nil {
			why := p.proc.why(pid, err)
			if why == fmt.Sprintf("process %d is gone", pid) {
				continue
			}
			return detect.NotMeasured(why)
		}
		own, shared, seen = own+o, max(shared, s), true
	}
	if !seen {
		return detect.NotMeasured(fmt.Sprintf("process %d is gone", main))
	}
	return detect.Num(own + shared)
}

// mainPID takes the main process from the platform's facts, or says why there is none.
func mainPID(unit detect.Facts) (int, string) {
	r, asked := unit[detect.WorkloadPID]
	switch {
	case !asked:
		return 0, "the platform names no main process"
	case r.Err != "":
		return 0, "the main process is not known: " + r.Err
	case r.Value < 1 || r.Value > 1<<22: // PID_MAX_LIMIT
		return 0, "the unit has no main process"
	}
	return int(r.Value), ""
}
