package probe

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Pressure reads the host's pressure stall information (PSI): a host that is out of memory or
// disk bandwidth makes good services slow.
type Pressure struct{ dir string }

var _ Witness = (*Pressure)(nil)

// NewPressure makes the witness.
func NewPressure() *Pressure { return &Pressure{dir: "/proc/pressure"} }

// Name is "pressure".
func (p *Pressure) Name() string { return "pressure" }

// Leads names the fact that says whether it could look.
func (p *Pressure) Leads() string { return detect.HostMemoryPressure }

// Look reads three files.
func (p *Pressure) Look(context.Context, detect.Facts) detect.Facts {
	return detect.Facts{
		detect.HostMemoryPressure: p.some("memory"),
		detect.HostCPUPressure:    p.some("cpu"),
		detect.HostIOPressure:     p.some("io"),
	}
}

// some returns avg10 of the line "some avg10=0.00 avg60=0.00 avg300=0.00 total=0".
func (p *Pressure) some(resource string) detect.Reading {
	b, err := os.ReadFile(p.dir + "/" + resource)
	if errors.Is(err, fs.ErrNotExist) {
		return detect.NotMeasured("the kernel offers no pressure information (psi=1 enables it)")
	}
	if err != nil {
		return detect.NotMeasured("pressure information: " + bare(err))
	}
	line, _, _ := strings.Cut(string(b), "\n")
	for field := range strings.FieldsSeq(line) {
		if v, ok := strings.CutPrefix(field, "avg10="); ok {
			if n, err := strconv.ParseFloat(v, 64); err == nil && n >= 0 && n <= 100 {
				return detect.Num(n)
			}
		}
	}
	return detect.NotMeasured("pressure information has an unknown form")
}
