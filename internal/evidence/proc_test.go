package evidence

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// fakeProc writes the files of a process table.
func fakeProc(t *testing.T, files map[string]string) procRoot {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return procRoot(root)
}

// stat is a line of /proc/PID/stat with that name, state, parent and resident pages.
func stat(pid, name, state, ppid, pages string) string {
	return pid + " (" + name + ") " + state + " " + ppid + strings.Repeat(" 0", 19) + " " + pages + " 0 0 0\n"
}

func read(t *testing.T, p *page) string {
	t.Helper()
	text, _ := p.read()
	return text
}

func TestTheLargestProcessesComeFirstAndTheMainProcessIsMarked(t *testing.T) {
	root := fakeProc(t, map[string]string{
		"meminfo": "MemTotal:  1024000 kB\nMemFree: 5 kB\nMemAvailable:   512000 kB\nSwapTotal: 0 kB\n",
		"10/stat": stat("10", "node (v22) x", "S", "1", "25600"), "10/cmdline": "node\x00server.js\x00--api-key\x00hush\x00",
		"10/cgroup": "12:pids:/x\n0::/system.slice/mcp.service\n",
		"11/stat":   stat("11", "kworker/0:1", "D", "2", "0"), "11/cmdline": "",
		"12/stat": stat("12", "big", "R", "1", "51200"), "12/cmdline": "big\x00", "12/cgroup": "0::/user.slice/user-0.slice/session-1.scope\n",
		"13/stat": "nonsense", "self/stat": "not a process id",
	})
	p := &page{limit: pieceBytes}
	k := &scene{Subject: Subject{Target: "mcp"}, facts: detect.Facts{detect.WorkloadPID: detect.Num(10)}}
	require.NoError(t, root.processes(t.Context(), k, p))
	lines := strings.Split(read(t, p), "\n")
	require.Equal(t, "host: MemTotal 1000 MiB, MemAvailable 500 MiB, SwapTotal 0 MiB", lines[0])
	require.Equal(t, "3 processes, the 3 largest by resident memory:", lines[1])
	require.Regexp(t, `^ +12 +1 +\d+ +R +200 MiB  session-1.scope +big$`, lines[3])
	require.Regexp(t, `^ +10 +1 +\d+ +S +100 MiB  mcp.service +node server.js --api-key <secret>  <- main process of mcp$`, lines[4])
	require.Regexp(t, `^ +11 +2 +\d+ +D +0 MiB  - +\[kworker/0:1\]$`, lines[5])
}

func TestTheMainProcessIsShownAmongManyThatAreLarger(t *testing.T) {
	files := map[string]string{"7/stat": stat("7", "mcp", "S", "1", "1")}
	for i := range 3 * topProcesses {
		pid := strconv.Itoa(100 + i)
		files[pid+"/stat"] = stat(pid, "big", "R", "1", "51200")
	}
	p := &page{limit: pieceBytes}
	k := &scene{Subject: Subject{Target: "mcp"}, facts: detect.Facts{detect.WorkloadPID: detect.Num(7)}}
	require.NoError(t, fakeProc(t, files).processes(t.Context(), k, p))
	text := read(t, p)
	require.Equal(t, topProcesses, strings.Count(text, "[big]"))
	require.Contains(t, text, "[mcp]  <- main process of mcp")
}

const headings = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

func TestSocketsAreCountedByTheirPort(t *testing.T) {
	line := func(local, remote, st, queues, uid string) string {
		return "   0: " + local + " " + remote + " " + st + " " + queues + " 00:00000000 00000000 " + uid + "        0 1 1 0\n"
	}
	root := fakeProc(t, map[string]string{
		"net/tcp": headings + line("0100007F:1F40", "00000000:0000", "0A", "00000000:00000011", "2001") +
			line("0100007F:1F40", "0100007F:C001", "01", "0:0", "2001") + line("0100007F:1F40", "0100007F:C002", "08", "0:0", "2001") +
			line("0100007F:C003", "0100007F:1538", "01", "0:0", "2001") + line("0100007F:C004", "0100007F:1538", "01", "0:0", "2001") +
			"a line of another form\n",
		"net/tcp6": headings + line("00000000000000000000000001000000:1F40", "00000000000000000000000000000000:0000", "0A", "0:0", "2001"),
	})
	p := &page{limit: pieceBytes}
	require.NoError(t, root.sockets(t.Context(), p))
	got := read(t, p)
	require.Contains(t, got, "all TCP sockets: close-wait 1, established 3, listen 2")
	require.Regexp(t, `127\.0\.0\.1:8000, \[::1\]:8000 +uid 2001 +close-wait 1, established 1, 17 wait to be accepted`, got)
	require.Regexp(t, `127\.0\.0\.1:5432 +established 2`, got)
}

func TestPressureSaysWhenTheKernelOffersNone(t *testing.T) {
	p := &page{limit: pieceBytes}
	require.NoError(t, fakeProc(t, map[string]string{"loadavg": "1 2 3\n", "pressure/memory": "some avg10=3.00\nfull avg10=1.00\n"}).pressure(&scene{}, p))
	require.Equal(t, "load: 1 2 3\nhost memory some avg10=3.00\nhost memory full avg10=1.00\n", read(t, p))
	require.ErrorContains(t, fakeProc(t, nil).pressure(&scene{}, &page{limit: 1}), "psi=1")
}
