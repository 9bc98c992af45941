package probe

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// toil measures whether the main process of a unit works while a check waits for its answer. The state
// letter is that of one moment; a process that loads a dump sleeps in many of them.
type toil struct {
	proc   *procfs
	pid    int
	began  time.Time
	before time.Duration
}

// begin notes what the process has used until now. Without a main process nothing is measured.
func (p *procfs) begin(unit detect.Facts) toil {
	pid, why := mainPID(unit)
	if why != "" {
		return toil{}
	}
	used, err := p.worked(pid)
	if err != nil {
		return toil{}
	}
	return toil{proc: p, pid: pid, began: time.Now(), before: used}
}

// end adds process.busy to the facts.
func (t toil) end(f detect.Facts) {
	if t.pid == 0 {
		return
	}
	used, err := t.proc.worked(t.pid)
	// The kernel counts in ticks of 10 ms: of less than ten of them a share is guesswork.
	if took := time.Since(t.began); err == nil && used >= t.before && took >= 100*time.Millisecond {
		f[detect.ProcessBusy] = detect.Num(float64(used-t.before) / float64(took))
	}
}

// worked is the time for which a process has used a processor or waited for a disk, all its threads together.
func (p *procfs) worked(pid int) (time.Duration, error) {
	b, err := p.read(pid, "stat")
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(b[max(bytes.LastIndexByte(b, ')'), 0):], []byte(" "))
	f := bytes.Fields(rest) // from the third field of proc(5) on
	const utime, stime, blkio = 14 - 3, 15 - 3, 42 - 3
	if len(f) <= blkio {
		return 0, fmt.Errorf("/proc/%d/stat has an unknown form", pid)
	}
	var ticks uint64
	var errs []error
	for _, i := range [...]int{utime, stime, blkio} {
		n, err := strconv.ParseUint(string(f[i]), 10, 63)
		ticks, errs = ticks+n, append(errs, err)
	}
	return time.Duration(ticks) * (time.Second / 100), errors.Join(errs...) // USER_HZ is 100 on every Linux
}
