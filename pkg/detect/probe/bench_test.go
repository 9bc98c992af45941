package probe

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

// serveEnv makes the test binary a small health server in a process of its own, so that the
// benchmarks count our CPU time and not the server's.
const serveEnv = "PROBE_BENCH_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serveEnv) != "" {
		benchServer()
		return
	}
	if err := useNameServer(); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func benchServer() {
	body, err := os.ReadFile("testdata/replies/a-healthy.json")
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString(l.Addr().String() + "\n")
	go func() { // ends with its parent
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		request(c)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"+string(body))
		_ = c.Close()
	}
}

func startBenchServer(b *testing.B) (addr string, pid int) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"=1")
	_, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	return strings.TrimSpace(line), cmd.Process.Pid
}

// cpu is the user and system time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchLook reports the CPU time of one look besides its duration.
func benchLook(b *testing.B, look func()) {
	look()
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		look()
	}
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/look")
}

// BenchmarkIdleHTTPLook is what a quiet daemon does all day: one target, one health request.
func BenchmarkIdleHTTPLook(b *testing.B) {
	addr, _ := startBenchServer(b)
	l, err := NewLooker(LookerConfig{Target: "web", Witnesses: []Witness{newHTTP(b, Endpoint{URL: "http://" + addr + "/health/status"})}})
	require.NoError(b, err)
	benchLook(b, func() {
		if o := l.Look(b.Context(), "poll"); o.Facts.Text(detect.HealthStatus) != "healthy" {
			b.Fatal(o.Facts)
		}
	})
}

// BenchmarkFullLook adds the kernel's view of the port and of the process, and a disk.
func BenchmarkFullLook(b *testing.B) {
	addr, pid := startBenchServer(b)
	socket, err := NewSocket(SocketConfig{Addr: addr})
	require.NoError(b, err)
	disk, err := NewDisk("/")
	require.NoError(b, err)
	l, err := NewLooker(LookerConfig{
		Target:  "web",
		Inspect: func(context.Context) (detect.Facts, error) { return mainFacts(pid), nil },
		Witnesses: []Witness{
			newHTTP(b, Endpoint{URL: "http://" + addr + "/health/status"}), socket, disk, NewProcess(),
		},
	})
	require.NoError(b, err)
	benchLook(b, func() {
		if o := l.Look(b.Context(), "poll"); !o.Facts.True(detect.SocketListening) || o.Facts.Text(detect.HealthStatus) != "healthy" {
			b.Fatal(o.Facts)
		}
	})
}

// BenchmarkMCPLook reads the health resource in a kept session. The server is in this process, so
// the figure is an upper bound.
func BenchmarkMCPLook(b *testing.B) {
	m := newMCPFake(b, nil)
	h := newMCP(b, m)
	benchLook(b, func() {
		if f := h.Look(b.Context(), nil); f.Text(detect.HealthStatus) != "healthy" {
			b.Fatal(f)
		}
	})
}
