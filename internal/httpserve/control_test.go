package httpserve

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// socketPair listens on a unix socket as the daemon does and connects to it.
func socketPair(t *testing.T, may func(uint32) bool) (accepted <-chan net.Conn, client net.Conn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	out := make(chan net.Conn, 1)
	go func() {
		if c, err := (guarded{l, may}).Accept(); err == nil {
			out <- c
		}
	}()
	client, err = net.Dial("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return out, client
}

func TestTheKernelSaysWhoIsOnTheOtherEnd(t *testing.T) {
	asked := make(chan uint32, 1)
	accepted, _ := socketPair(t, func(uid uint32) bool { asked <- uid; return true })
	c := <-accepted
	defer c.Close() //nolint:errcheck // the test is over
	require.Equal(t, uint32(os.Getuid()), <-asked)
}

func TestAStrangerGetsNotOneByte(t *testing.T) {
	accepted, client := socketPair(t, func(uint32) bool { return false })
	require.NoError(t, client.SetDeadline(time.Now().Add(time.Minute)))                   // a bound, never reached
	_, _ = client.Write([]byte("GET /api/v1/status HTTP/1.1\r\nHost: recoveryd\r\n\r\n")) // it may be closed by now
	said, err := io.ReadAll(client)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection is closed")
	require.Empty(t, said)
	require.Empty(t, accepted, "and the server never sees it")
}

func TestOnlyRootAndTheDaemonsOwnUserMayCommand(t *testing.T) {
	require.True(t, mayCommand(0))
	require.True(t, mayCommand(uint32(os.Geteuid())))
	require.False(t, mayCommand(uint32(os.Geteuid())+1))
	require.False(t, mayCommand(65534))
}

func TestAConnectionThatIsNoUnixSocketHasNoUser(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close() //nolint:errcheck // in memory
	defer b.Close() //nolint:errcheck // in memory
	_, err := peerUID(a)
	require.Error(t, err)
}
