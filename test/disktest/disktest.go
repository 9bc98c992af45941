// Package disktest gives a test a disk of its own that breaks.
//
// It is a real ext4 in a file. [Disk.Break] lets the kernel find an error in it, upon which it does
// what it does on a real disk (errors=remount-ro, as Debian mounts its root): from then on
// everything on it is read-only, also for those who have files open for writing. Mounting something
// read-only would not do: the kernel refuses that as long as somebody writes.
//
// Start reading at [New].
package disktest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// size is enough for the log of the ext4 and a small journal.
const size = 32 << 20

// Disk is one that works until it is broken.
type Disk struct {
	Dir string // where it is mounted

	t      testing.TB
	device string // "loop3"
}

// New mounts a disk for the length of a test. It skips the test, loudly, where mounting is not
// possible; what says what is not tested then.
func New(t testing.TB, what string) *Disk {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(image)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(size))
	require.NoError(t, f.Close())
	d := &Disk{t: t, Dir: t.TempDir()}
	for _, argv := range [][]string{{"mkfs.ext4", "-q", image}, {"mount", "-t", "ext4", "-o", "loop,errors=remount-ro", image, d.Dir}} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Skipf("NOT TESTED: %s: a disk that breaks needs root, loop devices and e2fsprogs: %s: %v: %s", what, argv[0], err, out)
		}
	}
	t.Cleanup(func() { d.run("umount", "--lazy", d.Dir) }) // whoever failed may still have files open
	d.find()
	if _, err := os.Stat(d.fault()); err != nil {
		t.Skipf("NOT TESTED: %s: this kernel cannot be told to find an error on a disk: %v", what, err)
	}
	return d
}

func (d *Disk) fault() string { return "/sys/fs/ext4/" + d.device + "/trigger_fs_error" }

// Break lets the kernel find an error, and make the disk read-only.
func (d *Disk) Break() {
	d.t.Helper()
	require.NoError(d.t, os.WriteFile(d.fault(), []byte("disktest"), 0))
}

// Repair is what a person does when nobody uses the disk any more: check it and mount it again. It mounts a copy: a
// mount namespace that was made meanwhile (a container's, a lab's) holds the broken file system, and the kernel would
// give the same one, read-only, for the same image.
func (d *Disk) Repair() {
	d.t.Helper()
	image := d.image()
	d.run("umount", d.Dir)
	mended := image + ".mended"
	d.run("cp", "--sparse=always", image, mended)
	_ = exec.Command("fsck.ext4", "-p", mended).Run() // 1: it has mended something
	d.run("mount", "-t", "ext4", "-o", "loop,errors=remount-ro", mended, d.Dir)
	d.find()
}

// find notes which loop device is mounted.
func (d *Disk) find() {
	d.t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	require.NoError(d.t, err)
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[1] == d.Dir {
			d.device = filepath.Base(f[0])
		}
	}
}

// image is the file behind the device.
func (d *Disk) image() string {
	d.t.Helper()
	b, err := os.ReadFile("/sys/block/" + d.device + "/loop/backing_file")
	require.NoError(d.t, err)
	return strings.TrimSpace(string(b))
}

func (d *Disk) run(argv ...string) {
	d.t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	require.NoError(d.t, err, "%s: %s", strings.Join(argv, " "), out)
}
