package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
)

// The ballast is a file of real blocks that is given up when the disk is full, so that the
// journal can go on writing while somebody is woken. It is made again when there is room.

// ballastRoom is how much must be free besides the ballast itself before it is made again: four
// times its size, so that it does not fill the disk it waits for.
const ballastRoom = 4

// makeBallast makes the file unless it is there. It reports whether there is one now.
func makeBallast(dir string, size int64) (bool, error) {
	path := filepath.Join(dir, ballastName)
	if fi, err := os.Stat(path); err == nil && fi.Size() == size {
		return true, nil
	}
	free, err := freeBytes(dir)
	if err != nil || free < size*(ballastRoom+1) {
		return false, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode)
	if err != nil {
		return false, err
	}
	err = errors.Join(fill(f, size), f.Sync(), f.Close())
	if err != nil {
		return false, errors.Join(fmt.Errorf("make ballast %s: %w", path, err), os.Remove(path))
	}
	return true, nil
}

// fill reserves blocks, or where the file system cannot, writes what no file system compresses.
func fill(f *os.File, size int64) error {
	err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
	if !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.ENOSYS) {
		return err
	}
	noise := rand.NewChaCha8([32]byte{})
	buf := make([]byte, 64<<10)
	for off := int64(0); off < size; off += int64(len(buf)) {
		_, _ = noise.Read(buf) // never fails
		if _, err := f.WriteAt(buf[:min(int64(len(buf)), size-off)], off); err != nil {
			return err
		}
	}
	return nil
}

// dropBallast gives the file up and reports whether that freed anything.
func dropBallast(dir string) bool {
	return os.Remove(filepath.Join(dir, ballastName)) == nil
}

// freeBytes is the room that an ordinary user may still fill.
func freeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}
