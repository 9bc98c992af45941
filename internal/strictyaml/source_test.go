package strictyaml

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUnreadableSecretFileSaysHowToMendIt does not open a file, because root may read all.
func TestUnreadableSecretFileSaysHowToMendIt(t *testing.T) {
	err := fileError("/etc/recoveryd/dsn", &fs.PathError{Op: "open", Path: "/etc/recoveryd/dsn", Err: fs.ErrPermission})
	se, ok := errors.AsType[*SourceError](err)
	require.True(t, ok)
	require.Equal(t, "secret file /etc/recoveryd/dsn cannot be read: permission denied", se.What)
	require.Equal(t, "let recoveryd read it: chgrp recoveryd /etc/recoveryd/dsn && chmod 0640 /etc/recoveryd/dsn", se.Hint)
}
