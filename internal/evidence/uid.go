package evidence

import (
	"io/fs"
	"syscall"
)

// uidOf is the owner of a file; -1 when the system does not tell.
func uidOf(fi fs.FileInfo) int {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
