package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/recoveryd/recoveryd/pkg/escalate/notice"
)

// brake reads the stop file of the configuration in force.
func (a *App) brake() string { return StopReason(a.Config().StopFile) }

// StopReason says why nothing may be done: the first line of the stop file, or that it cannot be
// told whether there is one. It is "" when there is none. It never blocks, whatever the file is.
func StopReason(path string) string {
	if path == "" {
		return ""
	}
	// It is asked before every decision and is nearly always absent: that much is told without opening.
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err == syscall.ENOENT || err == syscall.ENOTDIR {
		return ""
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return ""
	case err != nil:
		return fmt.Sprintf("it cannot be told whether %s exists: %v", path, errors.Unwrap(err))
	}
	defer f.Close()
	b := make([]byte, 512)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("%s exists and cannot be read: %v", path, errors.Unwrap(err))
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(b[:n])), "\n")
	if first = notice.OneLine(first); first == "" {
		return path + " exists and gives no reason"
	}
	return path + ": " + first
}
