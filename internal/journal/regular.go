package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// regular refuses what is no ordinary file of our own under a name that the journal uses: opening a FIFO
// waits for ever, a link leads elsewhere, and whose file it is may change it under our hands. A reader
// takes the files of any user.
func regular(dir string, reader bool) error {
	for _, name := range []string{fileName, fileName + "-wal", fileName + "-shm", lockName, markName, ballastName, fileName + makingSuffix, fileName + completeSuffix} {
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%w: %s is %s: move it away", ErrForeign, path, kindOf(info.Mode()))
		}
		owner, known := info.Sys().(*syscall.Stat_t)
		if !reader && known && int(owner.Uid) != os.Geteuid() {
			return fmt.Errorf("%w: %s belongs to uid %d and recoveryd runs as uid %d: run recoveryd as that user, or give it the file (chown)", ErrForeign, path, owner.Uid, os.Geteuid())
		}
	}
	return nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe (FIFO)"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "no regular file"
}
