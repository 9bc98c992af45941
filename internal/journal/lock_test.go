package journal

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAReadOnlyStateDirectoryIsToldByItsCause(t *testing.T) {
	at := func(err error) error { return &fs.PathError{Op: "open", Path: "/state/recoveryd.lock", Err: err} }
	err := notWritable("/state", at(syscall.EROFS))
	require.ErrorIs(t, err, errNotWritable)
	require.ErrorContains(t, err, "the file system of /state is read-only")
	require.ErrorContains(t, err, "findmnt -T /state")
	require.NotContains(t, err.Error(), "write access", "no right helps there")
	require.ErrorContains(t, notWritable("/state", at(syscall.EACCES)), fmt.Sprintf("give uid %d write access to /state", os.Geteuid()))
	require.ErrorIs(t, notWritable("/state", at(syscall.ENOSPC)), ErrFull)
}
