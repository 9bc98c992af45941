package probe

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// child starts a small Python program that prints a line when it is ready.
func child(t *testing.T, program string, args ...string) (pid int, line string) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: python3 is not installed; no process to look at")
	}
	cmd := exec.Command(python, append([]string{"-c", program}, args...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return cmd.Process.Pid, strings.TrimSpace(line)
}

// hog is a process with a child: each fills 32 MiB of its own, and the parent opens 20 files. The child
// ends with its parent, which holds the only other end of a pipe.
const hog = `
import os, sys, mmap
n = 32 << 20
r, w = os.pipe()
end, held = os.pipe()
if os.fork() == 0:
    a = b'x' * n
    os.close(held)
    os.write(w, b'1')
    os.read(end, 1)
else:
    a = b'y' * n
    files = [open('/dev/null') for _ in range(20)]
    os.read(r, 1)
    print('ready', flush=True)
    while True:
        os.wait()
`

func mainFacts(pid int) detect.Facts {
	return detect.Facts{detect.WorkloadPID: detect.Num(float64(pid))}
}

func TestProcessOfARealProgram(t *testing.T) {
	pid, _ := child(t, hog)
	p := NewProcess()
	f := p.Look(t.Context(), mainFacts(pid))
	rss, ok := f.Num(detect.ProcessRSS)
	require.True(t, ok, "%v", f)
	require.Greater(t, rss, float64(64<<20), "both processes count")
	require.Less(t, rss, float64(128<<20))
	fds, ok := f.Num(detect.ProcessFDs)
	require.True(t, ok)
	require.InDelta(t, 25, fds, 4)
	limit, ok := f.Num(detect.ProcessFDLimit)
	require.True(t, ok)
	require.Greater(t, limit, fds)
	require.Contains(t, []string{"S", "R", "D"}, f.Text(detect.ProcessState)) // D: it waits for a page, on a busy machine

	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	require.Eventually(t, func() bool {
		return p.Look(t.Context(), mainFacts(pid)).Text(detect.ProcessState) == "T"
	}, waitFor, tick)
}

func TestProcessThatCannotBeSeen(t *testing.T) {
	p := NewProcess()
	for _, c := range []struct {
		name, want string
		unit       detect.Facts
	}{
		{"no platform", "names no main process", nil},
		{"a unit that is not running", "has no main process", mainFacts(0)},
		{"a platform that could not say", "D-Bus", detect.Facts{detect.WorkloadPID: detect.NotMeasured("D-Bus is away")}},
		{"a process that is gone", "is gone", mainFacts(1 << 22)},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := p.Look(t.Context(), c.unit)
			for _, fact := range []string{detect.ProcessState, detect.ProcessRSS, detect.ProcessFDs, detect.ProcessFDLimit} {
				require.Contains(t, f[fact].Err, c.want, fact)
			}
		})
	}
	// ProtectProc=invisible shows an empty /proc for processes that do exist.
	hidden := &Process{}
	hidden.proc.root = t.TempDir()
	f := hidden.Look(t.Context(), mainFacts(os.Getpid()))
	require.Contains(t, f[detect.ProcessState].Err, "hidden from us (ProtectProc=")
	require.Contains(t, f[detect.ProcessRSS].Err, "hidden from us")
}

func TestProcessOfAUnitWithSubGroups(t *testing.T) {
	root := t.TempDir()
	proc, sys := root+"/proc", root+"/cgroup"
	file := func(path, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	file(proc+"/self/mounts", "tmpfs / tmpfs rw 0 0\ncgroup2 "+sys+" cgroup2 rw 0 0\n")
	file(proc+"/self/cgroup", "0::/system.slice/recoveryd.service\n")
	file(proc+"/100/cgroup", "0::/system.slice/web.service/main\n")
	file(proc+"/100/stat", "100 (a) b) c) S 1 100")
	page := os.Getpagesize()
	file(proc+"/100/statm", "1000 500 200 1 0 1 0")
	file(proc+"/101/statm", "1000 300 250 1 0 1 0")
	file(proc+"/102/statm", "1000 100 100 1 0 1 0")
	unit := sys + "/system.slice/web.service"
	file(unit+"/cgroup.procs", "")
	file(unit+"/main/cgroup.procs", "100\n101\n")
	file(unit+"/side/cgroup.procs", "102\n")
	p := &Process{}
	p.proc.root = proc
	if st := new(syscall.Stat_t); syscall.Stat(unit, st) != nil || st.Nlink <= 2 {
		t.Skip("SKIPPED: this file system does not count sub-directories in the link count, as control groups do")
	}
	require.ElementsMatch(t, []int{100, 101, 102}, p.proc.processes(100))
	f := p.Look(t.Context(), mainFacts(100))
	// Own: 300 + 50 + 0 pages. Shared: the largest, 250.
	rss, _ := f.Num(detect.ProcessRSS)
	require.Equal(t, float64(600*page), rss)
	require.Equal(t, "S", f.Text(detect.ProcessState))
}

func TestUnitOf(t *testing.T) {
	for path, want := range map[string]string{
		"/system.slice/codebase-mcp.service":                               "codebase-mcp.service",
		"/system.slice/system-postgresql.slice/postgresql@15-main.service": "postgresql@15-main.service",
		"/system.slice/docker.service/nested":                              "docker.service",
		"/user.slice/user-1000.slice/session-3.scope":                      "session-3.scope",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope":  "user@1000.service",
		"/": "", "": "", "/init": "",
	} {
		require.Equal(t, want, unitOf(path), path)
	}
}

func TestDisk(t *testing.T) {
	d, err := NewDisk("/", "/proc", "/no/such/path")
	require.NoError(t, err)
	f := d.Look(t.Context(), nil)
	share, ok := f.Num(detect.DiskShare + "/")
	require.True(t, ok, "%v", f)
	out, err := exec.Command("df", "--output=pcent", "/").Output()
	require.NoError(t, err)
	percent, err := strconv.ParseFloat(strings.Trim(strings.Fields(string(out))[1], "%"), 64)
	require.NoError(t, err)
	require.InDelta(t, percent/100, share, 0.011, "as df says")
	require.Contains(t, f[detect.DiskShare+"/no/such/path"].Err, "no such file")
	require.Contains(t, f[detect.DiskShare+"/proc"].Err, "no size")
	require.Contains(t, f[detect.InodeShare+"/proc"].Err, "inodes")
	_, err = NewDisk("relative")
	require.ErrorContains(t, err, "not absolute")
}

func TestDiskWhoseServerIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time passes when all wait, so "/" always answers first
		d, err := NewDisk("/", "/gone")
		require.NoError(t, err)
		release := make(chan struct{})
		var calls atomic.Int32 // of /gone; there is never more than one at a time
		d.stat = func(path string, st *syscall.Statfs_t) error {
			if path == "/gone" {
				calls.Add(1)
				<-release
			}
			return syscall.Statfs("/", st)
		}
		ctx, cancel := context.WithTimeout(t.Context(), brief)
		defer cancel()
		f := d.Look(ctx, nil)
		require.Contains(t, f[detect.DiskShare+"/gone"].Err, "did not answer statfs in time")
		_, ok := f.Num(detect.DiskShare + "/")
		require.True(t, ok, "the other path is not kept waiting")
		f = d.Look(t.Context(), nil)
		require.Contains(t, f[detect.InodeShare+"/gone"].Err, "has not answered an earlier statfs")
		close(release)
		synctest.Wait()
		_, ok = d.Look(t.Context(), nil).Num(detect.DiskShare + "/gone")
		require.True(t, ok)
		require.EqualValues(t, 2, calls.Load())
	})
}

func TestPressure(t *testing.T) {
	f := NewPressure().Look(t.Context(), nil)
	if _, err := os.Stat("/proc/pressure/memory"); err != nil {
		require.Contains(t, f[detect.HostMemoryPressure].Err, "psi=1")
	} else {
		_, ok := f.Num(detect.HostMemoryPressure)
		require.True(t, ok, "%v", f)
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/memory", []byte("some avg10=12.34 avg60=1.00 avg300=0.00 total=9\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=1\n"), 0o644))
	require.NoError(t, os.WriteFile(dir+"/cpu", []byte("some avg10=1234.00\n"), 0o644))
	f = (&Pressure{dir: dir}).Look(t.Context(), nil)
	require.Equal(t, detect.Num(12.34), f[detect.HostMemoryPressure])
	require.Equal(t, detect.Num(1), f[detect.HostMemoryStall])
	require.Contains(t, f[detect.HostCPUPressure].Err, "unknown form")
	require.Contains(t, f[detect.HostIOPressure].Err, "psi=1")
	require.Contains(t, f[detect.HostIOStall].Err, "psi=1")
}

func newSocket(t *testing.T, c SocketConfig) *Socket {
	if c.Timeout == 0 {
		c.Timeout = patient
	}
	s, err := NewSocket(c)
	require.NoError(t, err)
	return s
}

func TestSocketOfOurOwnListener(t *testing.T) {
	for _, bind := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0", "[::1]:0"} {
		t.Run(bind, func(t *testing.T) {
			l, err := net.Listen("tcp", bind)
			if err != nil && strings.Contains(bind, "::") {
				t.Skip("SKIPPED: this host has no IPv6")
			}
			require.NoError(t, err)
			defer l.Close() //nolint:errcheck // end of the test
			_, port, _ := net.SplitHostPort(l.Addr().String())
			host := "127.0.0.1"
			if strings.Contains(bind, "::1") {
				host = "::1"
			}
			s := newSocket(t, SocketConfig{Addr: net.JoinHostPort(host, port)})
			for look := range 3 { // nobody accepts: our connections wait
				f := s.Look(t.Context(), mainFacts(os.Getpid()))
				require.Equal(t, "ok", f.Text(detect.SocketConnect), "%v", f)
				require.Equal(t, "ok", f.Text(detect.SocketResolution))
				require.True(t, f.True(detect.SocketListening))
				backlog, _ := f.Num(detect.SocketBacklog)
				require.EqualValues(t, look, backlog, "the look's own connection is not counted")
				pid, _ := f.Num(detect.SocketOwnerPID)
				require.EqualValues(t, os.Getpid(), pid)
				require.Equal(t, "probe.test", f.Text(detect.SocketOwner))
				require.True(t, f.True(detect.SocketOwnerOurs))
				_, ok := f.Num(detect.SocketLatency)
				require.True(t, ok)
			}
		})
	}
}

const listen = `
import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', int(sys.argv[1])))
s.listen(5)
print(s.getsockname()[1], flush=True)
time.sleep(3600)
`

func TestSocketHeldByAnotherProcess(t *testing.T) {
	pid, port := child(t, listen, "0")
	s := newSocket(t, SocketConfig{Addr: "localhost:" + port})
	f := s.Look(t.Context(), mainFacts(os.Getpid()))
	require.True(t, f.True(detect.SocketOwnerOurs), "a child of the unit's main process is of the unit: %v", f)

	other := newSocket(t, SocketConfig{Addr: "127.0.0.1:" + port})
	stranger, _ := child(t, "print('x', flush=True); import time; time.sleep(3600)")
	f = other.Look(t.Context(), mainFacts(stranger))
	require.True(t, f.False(detect.SocketOwnerOurs), "%v", f)
	owner, _ := f.Num(detect.SocketOwnerPID)
	require.EqualValues(t, pid, owner)
	require.Contains(t, f.Text(detect.SocketOwner), "python")

	// The same owner is known without another search, until it is gone.
	require.Equal(t, pid, other.last.owner.pid)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		f = other.Look(t.Context(), mainFacts(stranger))
		// A dying process is refused a moment before its socket leaves the table.
		return f.Text(detect.SocketConnect) == "refused" && f.False(detect.SocketListening)
	}, waitFor, tick)
	_, known := f[detect.SocketOwnerPID]
	require.False(t, known, "no listener, no owner")

	// Without a main process and a unit name, nobody can say whose the listener is.
	_, port = child(t, listen, "0")
	f = newSocket(t, SocketConfig{Addr: "127.0.0.1:" + port}).Look(t.Context(), nil)
	require.NotEmpty(t, f[detect.SocketOwnerOurs].Err)
}

func TestSocketElsewhereAndNowhere(t *testing.T) {
	f := newSocket(t, SocketConfig{Addr: "no-such-host.invalid:80"}).Look(t.Context(), nil)
	require.Equal(t, "dns", f.Text(detect.SocketConnect), "%v", f)
	require.Contains(t, f.Text(detect.SocketResolution), "could not be resolved")
	_, known := f[detect.SocketListening]
	require.False(t, known)

	require.True(t, isLocal(netip.MustParseAddr("127.0.0.1"), 1))
	require.True(t, isLocal(netip.MustParseAddr("127.8.9.10"), 1))
	require.False(t, isLocal(netip.MustParseAddr("192.0.2.1"), 1), "an address for documentation is no one's")
	addrs, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range addrs {
		ip := netip.MustParsePrefix(a.String()).Addr()
		if !ip.IsLinkLocalUnicast() {
			require.True(t, isLocal(ip, 1), ip)
		}
	}
	for _, addr := range []string{"h", "h:", "h:0", "h:70000", "h:http", ":80"} {
		_, err := NewSocket(SocketConfig{Addr: addr})
		require.Error(t, err, addr)
	}
}

func TestListenersOnATableOfTheKernel(t *testing.T) {
	dir := t.TempDir()
	head := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	v4 := head +
		"   0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 630 1 0 100 0 0 10 0\n" +
		"   1: 0100007F:1F40 00000000:0000 0A 00000000:00000007 00:00000000 00000000   105        0 631 1 0 100 0 0 10 0\n" +
		"   2: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   105        0 632 1 0 100 0 0 10 0\n" +
		"   3: 0100007F:1F40 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000   105        0 633 1 0 100 0 0 10 0\n" +
		"   4: unreadable, but never read\n"
	v6 := head +
		"   0: 00000000000000000000000000000000:1F40 00000000000000000000000000000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 640 1 0 100 0 0 10 0\n" +
		"   1: 0000000000000000FFFF00000100007F:1F40 00000000000000000000000000000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 641 1 0 100 0 0 10 0\n"
	at := func(addr string) []listener {
		ls, err := listening(dir, netip.MustParseAddrPort(addr))
		require.NoError(t, err)
		return ls
	}
	write := func(name, text string) { require.NoError(t, os.WriteFile(dir+"/"+name, []byte(text), 0o644)) }
	write("tcp", v4)
	require.Empty(t, at("127.0.0.1:9"), "without IPv6 there is no tcp6")
	require.Equal(t, []listener{{netip.MustParseAddrPort("127.0.0.1:8000"), 7, 105, 631}}, at("127.0.0.1:8000"), "the exact address before all")
	require.Len(t, at("10.0.0.1:8000"), 1, "0.0.0.0")
	write("tcp6", v6)
	require.EqualValues(t, 631, at("127.0.0.1:8000")[0].inode)
	require.EqualValues(t, 640, at("[fe80::1]:8000")[0].inode, "[::]")
	write("tcp", head)
	require.EqualValues(t, 641, at("127.0.0.1:8000")[0].inode, "the exact address, mapped into IPv6")
	require.EqualValues(t, 640, at("10.0.0.1:8000")[0].inode, "[::] serves IPv4 too")

	for _, bad := range []string{"short\n", strings.Repeat("x", 20_000) + "\n", "   0: 0100007:1F40 0:0 0A 0:0 0:0 0 0 0 1\n"} {
		write("tcp", head+bad)
		_, err := listening(dir, netip.MustParseAddrPort("127.0.0.1:8000"))
		require.Error(t, err)
	}
}
