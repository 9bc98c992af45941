package probe

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// Disk measures how full the file systems of some paths are: space and inodes, as a share of
// what ordinary users may use (as df does, without the part reserved for root).
//
// A file system whose server is gone makes statfs hang for ever. Each path is therefore asked in a
// goroutine of its own, and not asked again while an earlier question hangs.
type Disk struct {
	paths []string
	busy  []atomic.Bool
	stat  func(string, *syscall.Statfs_t) error
}

var _ Witness = (*Disk)(nil)

// NewDisk makes the witness for absolute paths; a path need not be a mount point.
func NewDisk(paths ...string) (*Disk, error) {
	for _, p := range paths {
		if len(p) == 0 || p[0] != '/' {
			return nil, fmt.Errorf("the path %q is not absolute", p)
		}
	}
	return &Disk{paths: paths, busy: make([]atomic.Bool, len(paths)), stat: syscall.Statfs}, nil
}

// Name is "disk".
func (d *Disk) Name() string { return "disk" }

// Leads names the fact that says whether it could look.
func (d *Disk) Leads() string { return detect.DiskShare + "*" }

// Look asks all paths at the same time.
func (d *Disk) Look(ctx context.Context, _ detect.Facts) detect.Facts {
	f := make(detect.Facts, 2*len(d.paths))
	var mu sync.Mutex // guards f
	var wg sync.WaitGroup
	for i, path := range d.paths {
		wg.Go(func() {
			space, inodes := d.ask(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			f[detect.DiskShare+path], f[detect.InodeShare+path] = space, inodes
		})
	}
	wg.Wait()
	return f
}

func (d *Disk) ask(ctx context.Context, i int) (space, inodes detect.Reading) {
	if !d.busy[i].CompareAndSwap(false, true) {
		r := detect.NotMeasured("the file system has not answered an earlier statfs")
		return r, r
	}
	type answer struct {
		st  syscall.Statfs_t
		err error
	}
	done := make(chan answer, 1)
	go func() { // ends when statfs does, which a dead network file system may never let happen
		var a answer
		a.err = d.stat(d.paths[i], &a.st)
		d.busy[i].Store(false)
		done <- a
	}()
	select {
	case a := <-done:
		if a.err != nil {
			r := detect.NotMeasured("statfs: " + a.err.Error())
			return r, r
		}
		return shares(a.st)
	case <-ctx.Done():
		r := detect.NotMeasured("the file system did not answer statfs in time")
		return r, r
	}
}

func shares(st syscall.Statfs_t) (space, inodes detect.Reading) {
	used, avail := st.Blocks-st.Bfree, st.Bavail
	if st.Blocks < st.Bfree || used+avail == 0 {
		space = detect.NotMeasured("the file system has no size")
	} else {
		space = detect.Num(float64(used) / float64(used+avail))
	}
	if st.Files == 0 || st.Files < st.Ffree {
		inodes = detect.NotMeasured("the file system does not count inodes")
	} else {
		inodes = detect.Num(float64(st.Files-st.Ffree) / float64(st.Files))
	}
	return space, inodes
}
