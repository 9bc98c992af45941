package app

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheManagerIsToldOnOneSocketAlsoAfterItMadeItsOwnAnew(t *testing.T) {
	path := t.TempDir() + "/notify"
	listen := func() *net.UnixConn {
		c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	hear := func(c *net.UnixConn) string {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		b := make([]byte, 100)
		n, err := c.Read(b)
		require.NoError(t, err)
		return string(b[:n])
	}
	t.Setenv("NOTIFY_SOCKET", path)
	h := newHerald()
	defer h.close()
	manager := listen()
	require.NoError(t, h.tell("WATCHDOG=1"))
	first := h.fd
	require.NoError(t, h.tell("STATUS=well"))
	require.Equal(t, []string{"WATCHDOG=1", "STATUS=well"}, []string{hear(manager), hear(manager)})
	require.Equal(t, first, h.fd)

	require.NoError(t, manager.Close())
	require.NoError(t, os.RemoveAll(path))
	require.Error(t, h.tell("WATCHDOG=1"), "nobody listens")
	manager = listen()
	require.NoError(t, h.tell("WATCHDOG=1"))
	require.Equal(t, "WATCHDOG=1", hear(manager))
}

func TestWithoutAManagerNobodyIsTold(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	require.NoError(t, newHerald().tell("WATCHDOG=1"))
}
