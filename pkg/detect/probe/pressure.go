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
// disk bandwidth makes good services slow, and one that stalls makes them look hung.
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
	f := make(detect.Facts, 5)
	f[detect.HostMemoryPressure], f[detect.HostMemoryStall] = p.read("memory")
	f[detect.HostIOPressure], f[detect.HostIOStall] = p.read("io")
	f[detect.HostCPUPressure], _ = p.read("cpu") // a processor is never denied to everybody
	return f
}

// read returns avg10 of the two lines "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and "full ...".
func (p *Pressure) read(resource string) (some, full detect.Reading) {
	b, err := os.ReadFile(p.dir + "/" + resource)
	if err != nil {
		why := "pressure information: " + bare(err)
		if errors.Is(err, fs.ErrNotExist) {
			why = "the kernel offers no pressure information (psi=1 enables it)"
		}
		return detect.NotMeasured(why), detect.NotMeasured(why)
	}
	return avg10(string(b), "some"), avg10(string(b), "full")
}

func avg10(text, which string) detect.Reading {
	_, line, _ := strings.Cut("\n"+text, "\n"+which+" ")
	line, _, _ = strings.Cut(line, "\n")
	for field := range strings.FieldsSeq(line) {
		if v, ok := strings.CutPrefix(field, "avg10="); ok {
			if n, err := strconv.ParseFloat(v, 64); err == nil && n >= 0 && n <= 100 {
				return detect.Num(n)
			}
		}
	}
	return detect.NotMeasured("pressure information has an unknown form")
}
