package probe

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// TestTheKernelTellsTheGroupOfAListener asks about a listener of this very process.
func TestTheKernelTellsTheGroupOfAListener(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Logf("no listener on %s here: %v", addr, err)
			continue
		}
		defer l.Close() //nolint:errcheck // read only
		ls, err := listening("/proc/net", netip.MustParseAddrPort(l.Addr().String()))
		require.NoError(t, err)
		require.Len(t, ls, 1)
		id, err := cgroupOf(ls[0].inode)
		require.NoError(t, err)
		require.NotZero(t, id)
		var p procfs
		g, found := p.groupByID(id)
		require.True(t, found, "group %d", id)
		if g.path != "" { // in the root group there are too many to be listed
			require.Contains(t, g.pids, os.Getpid())
		}
	}
	_, err := cgroupOf(1)
	require.ErrorContains(t, err, "does not list the socket")
}

// diagAnswer is a netlink message about one socket.
func diagAnswer(inode uint32, kind uint16, value uint64) []byte {
	ne := binary.NativeEndian
	m := make([]byte, unix.NLMSG_HDRLEN+diagMessage+12)
	ne.PutUint32(m, uint32(len(m)))
	ne.PutUint16(m[4:], sockDiagByFamily)
	ne.PutUint32(m[unix.NLMSG_HDRLEN+diagInode:], inode)
	attr := m[unix.NLMSG_HDRLEN+diagMessage:]
	ne.PutUint16(attr, 12)
	ne.PutUint16(attr[2:], kind)
	ne.PutUint64(attr[4:], value)
	return m
}

func TestAnAnswerOfTheKernelIsReadInPieces(t *testing.T) {
	id, done, err := readDump(append(diagAnswer(7, diagCgroupID, 1), diagAnswer(8, diagCgroupID, 99)...), 8)
	require.NoError(t, err)
	require.False(t, done)
	require.Equal(t, uint64(99), id)
	id, done, err = readDump(diagAnswer(7, diagCgroupID, 1), 8)
	require.NoError(t, err)
	require.False(t, done)
	require.Zero(t, id)
	_, _, err = readDump(diagAnswer(8, 1, 1), 8)
	require.ErrorContains(t, err, "Linux 5.7")
	end := make([]byte, unix.NLMSG_HDRLEN+4)
	binary.NativeEndian.PutUint32(end, uint32(len(end)))
	binary.NativeEndian.PutUint16(end[4:], unix.NLMSG_DONE)
	_, done, err = readDump(end, 8)
	require.NoError(t, err)
	require.True(t, done)
}

func FuzzSocketMonitoring(f *testing.F) {
	f.Add(diagAnswer(8, diagCgroupID, 99))
	f.Add([]byte{16, 0, 0, 0, 3, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) { _, _, _ = readDump(b, 8) })
}

func TestAListenerOfAUnitThatHasEndedIsAStrangers(t *testing.T) {
	root := t.TempDir()
	group := filepath.Join(root, "cg", "system.slice", "old.service")
	require.NoError(t, os.MkdirAll(group, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte("41\n40\n"), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc", "self"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "proc", "self", "mounts"), []byte("cgroup2 "+filepath.Join(root, "cg")+" cgroup2 rw 0 0\n"), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc", "40"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "proc", "40", "comm"), []byte("gateway\n"), 0o600))
	ended := detect.Facts{detect.WorkloadState: detect.Word(detect.StateFailed)}
	look := func(unit string, facts detect.Facts, known search) detect.Facts {
		s := &Socket{unit: unit, proc: procfs{root: filepath.Join(root, "proc")}, last: known}
		f := detect.Facts{detect.SocketOwnerOurs: detect.NotMeasured("hidden"), detect.SocketOwner: detect.NotMeasured("hidden")}
		s.byGroup(listener{inode: 1}, facts, f)
		return f
	}
	var p = procfs{root: filepath.Join(root, "proc")}
	g, found := p.groupOfUnit("old.service")
	require.True(t, found)
	require.Equal(t, "/system.slice/old.service", g.path)
	require.Equal(t, 40, g.leader())

	f := look("mcp.service", ended, search{asked: true, group: g, found: true})
	require.Equal(t, detect.Word("old.service"), f[detect.SocketOwnerService])
	require.Equal(t, detect.Word("gateway"), f[detect.SocketOwner])
	require.Equal(t, detect.Num(40), f[detect.SocketOwnerPID])
	require.True(t, f.False(detect.SocketOwnerOurs))

	require.True(t, look("old.service", ended, search{asked: true, group: g, found: true}).True(detect.SocketOwnerOurs), "left behind by its own unit")

	// No group is known, and nothing of the unit lives: a stranger, without a name.
	f = look("mcp.service", ended, search{asked: true, unitEmpty: true})
	require.True(t, f.False(detect.SocketOwnerOurs))
	require.Equal(t, "hidden", f[detect.SocketOwner].Err)
	// Of a unit that runs, or whose state is not known, nothing is concluded.
	require.NotEmpty(t, look("mcp.service", detect.Facts{detect.WorkloadState: detect.Word(detect.StateRunning)}, search{asked: true, unitEmpty: true})[detect.SocketOwnerOurs].Err)
	require.NotEmpty(t, look("mcp.service", nil, search{asked: true, unitEmpty: true})[detect.SocketOwnerOurs].Err)
	require.NotEmpty(t, look("mcp.service", ended, search{asked: true})[detect.SocketOwnerOurs].Err)
}
