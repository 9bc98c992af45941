package probe

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/pkg/detect"
)

func plainWords(f detect.Facts) string {
	if r := f[detect.PlainOutcome]; r.Err != "" {
		return "! " + r.Err
	}
	return strings.TrimSpace(f.Text(detect.PlainOutcome) + " " + f.Text(detect.PlainError))
}

// closedPort returns an address where nobody listens, and nobody else will: the port is taken, by a
// socket that never listens.
func closedPort(t testing.TB) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Close(fd)) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	name, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*syscall.SockaddrInet4).Port))
}

func hostPort(url string) string {
	addr, _, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	return addr
}

func TestTCP(t *testing.T) {
	look := func(addr string) string {
		w, err := NewTCP(addr, patient)
		require.NoError(t, err)
		return plainWords(w.Look(t.Context(), nil))
	}
	require.Equal(t, "ok", look(hostPort(raw(t, silenceTCP))))
	closed := closedPort(t)
	require.Equal(t, "refused connection refused by "+closed, look(closed))
	require.Contains(t, look("no-such-host.invalid:1"), "unknown the name")
	_, err := NewTCP("localhost", 0)
	require.ErrorContains(t, err, "not host:port")
}

func TestHTTPPlainAndOllama(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/tags":
			_, _ = io.WriteString(w, `{"models":[{"name":"nomic-embed-text:latest"}]}`)
		case "/ok":
			_, _ = io.WriteString(w, "pong")
		case "/teapot":
			w.WriteHeader(418)
		case "/sick":
			http.Error(w, "no disk", 500)
		case "/secret":
			w.WriteHeader(401)
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	plain := func(path string, m Match) string {
		w, err := NewHTTPPlain(Endpoint{URL: s.URL + path, Timeout: patient}, m)
		require.NoError(t, err)
		return plainWords(w.Look(t.Context(), nil))
	}
	require.Equal(t, "ok", plain("/ok", Match{}))
	require.Equal(t, "ok", plain("/ok", Match{Contains: "pong", Excludes: "error"}))
	require.Equal(t, `error the answer does not contain "ping": "pong"`, plain("/ok", Match{Contains: "ping"}))
	require.Equal(t, `error the answer contains "pong": "pong"`, plain("/ok", Match{Excludes: "pong"}))
	require.Equal(t, "ok", plain("/teapot", Match{Status: []int{200, 418}}))
	require.Equal(t, "unknown the server rejects the request: 418 I'm a teapot", plain("/teapot", Match{}), "any 4xx speaks of the request")
	require.Equal(t, `error HTTP status 500 Internal Server Error: "no disk"`, plain("/sick", Match{}))
	require.Equal(t, "unknown 401 Unauthorized", plain("/secret", Match{}), "the probe lacks a credential; the server answers")
	require.Equal(t, "ok", plain("/secret", Match{Status: []int{401}}))
	require.Contains(t, plain("/nothing", Match{}), "unknown 404", "a wrong path says nothing about the server")

	m, err := NewMatch(`^p.ng$`)
	require.NoError(t, err)
	require.Equal(t, "ok", plain("/ok", m))
	m, err = NewMatch(`^p.g$`)
	require.NoError(t, err)
	require.Equal(t, `error the answer does not match "^p.g$": "pong"`, plain("/ok", m))
	_, err = NewMatch("(")
	require.ErrorContains(t, err, "the pattern of the answer")

	cut := func(sent string, m Match) string {
		w, err := NewHTTPPlain(Endpoint{URL: raw(t, request1(func(c *net.TCPConn) { _, _ = io.WriteString(c, sent); silence(c) })), Timeout: brief}, m)
		require.NoError(t, err)
		return plainWords(w.Look(t.Context(), nil))
	}
	require.Equal(t, "ok", cut("HTTP/1.1 200 OK\r\n\r\npo", Match{}), "a 2xx answer was wanted, and one came")
	require.Equal(t, "ok", cut("HTTP/1.1 200 OK\r\n\r\npong", Match{Contains: "pong"}))
	require.Contains(t, cut("HTTP/1.1 200 OK\r\n\r\npo", Match{Contains: "pong"}), "unknown 200 OK: the header and 2 bytes of the body came, and no end within", "it may still come")
	require.Contains(t, cut("HTTP/1.1 200 OK\r\n\r\npo", Match{Excludes: "error"}), "unknown 200", "it may still come")
	require.Contains(t, cut("HTTP/1.1 2", Match{}), "unknown 10 bytes came, which are no complete HTTP header")

	ollama := func(url string, timeout time.Duration) string {
		w, err := NewOllama(Endpoint{URL: url, Timeout: timeout})
		require.NoError(t, err)
		require.Equal(t, "ollama", w.Name())
		return plainWords(w.Look(t.Context(), nil))
	}
	require.Equal(t, "ok", ollama(s.URL, patient))
	require.Equal(t, "ok", ollama(s.URL+"/", patient))
	require.Contains(t, ollama("http://"+closedPort(t), patient), "refused")
	require.Contains(t, ollama(raw(t, silenceTCP), brief), "timeout")
	require.Contains(t, ollama(raw(t, request1(func(*net.TCPConn) {})), patient), "error the connection was closed")
}

// redisServer starts Debian's Redis on a free loopback port and returns its address and process.
func redisServer(t *testing.T, args ...string) (string, *os.Process) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("SKIPPED: redis-server is not installed (apt-get install --no-install-recommends redis-server); the Redis witness was not tried on a real server")
	}
	for range 10 { // another program may take the port before it does
		if addr, process := startRedis(t, path, args); process != nil {
			return addr, process
		}
	}
	require.FailNow(t, "redis-server did not start")
	return "", nil
}

// startRedis returns no process when the server ended at once.
func startRedis(t *testing.T, path string, args []string) (string, *os.Process) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(path, append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir(), "--daemonize", "no"}, args...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "Ready to accept connections") {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return addr, cmd.Process
		}
	}
	return "", nil
}

func TestRedisOnARealServer(t *testing.T) {
	addr, process := redisServer(t)
	look := func(c RedisConfig) string {
		if c.Timeout == 0 {
			c.Timeout = patient
		}
		w, err := NewRedis(c)
		require.NoError(t, err)
		return plainWords(w.Look(t.Context(), nil))
	}
	require.Equal(t, "ok", look(RedisConfig{Addr: addr}))
	require.Contains(t, look(RedisConfig{Addr: addr, Password: "hunter2"}), "unknown the server answers, and AUTH is not what it expects", "a password where none is set: our mistake")

	require.NoError(t, process.Signal(syscall.SIGSTOP))
	require.Contains(t, look(RedisConfig{Addr: addr, Timeout: brief}), "timeout", "frozen: it accepts and does not answer")
	require.NoError(t, process.Signal(syscall.SIGCONT))
	require.Equal(t, "ok", look(RedisConfig{Addr: addr}))

	require.NoError(t, process.Kill())
	_, _ = process.Wait()
	require.Contains(t, look(RedisConfig{Addr: addr}), "refused")
}

// The kernel accepts connections for a process that a signal has stopped.
func TestTCPOfAProcessThatIsStopped(t *testing.T) {
	sleeper := exec.Command("sleep", "60")
	require.NoError(t, sleeper.Start())
	t.Cleanup(func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() })
	w, err := NewTCP(hostPort(raw(t, silenceTCP)), patient)
	require.NoError(t, err)
	unit := unitFacts(sleeper.Process, "run-1", time.Now())
	require.Equal(t, "ok", plainWords(w.Look(t.Context(), unit)))
	require.NoError(t, sleeper.Process.Signal(syscall.SIGSTOP))
	require.Eventually(t, func() bool { return w.Look(t.Context(), unit).Text(detect.ProcessState) == "T" }, waitFor, tick)
	require.Contains(t, plainWords(w.Look(t.Context(), unit)), "timeout the kernel accepts, and the process that would answer is stopped (state T)")
	require.NoError(t, sleeper.Process.Signal(syscall.SIGCONT))
	require.Eventually(t, func() bool { return plainWords(w.Look(t.Context(), unit)) == "ok" }, waitFor, tick)
}

// ask sends one command to a Redis and returns the first line of the answer.
func ask(t *testing.T, addr string, words ...string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close() //nolint:errcheck // nothing depends on it
	var b strings.Builder
	command(&b, words...)
	_, err = io.WriteString(conn, b.String())
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

func unitFacts(process *os.Process, run string, since time.Time) detect.Facts {
	return detect.Facts{detect.WorkloadPID: detect.Num(float64(process.Pid)), detect.WorkloadRun: detect.Word(run), detect.WorkloadSince: detect.Num(float64(since.UnixMicro()) / 1e6)}
}

// A Redis that loads a dump answers between two pieces of it, and not at all when the pieces are slow.
func TestARedisThatLoadsSlowlyIsStarting(t *testing.T) {
	dir := t.TempDir()
	full, process := redisServer(t, "--dir", dir, "--enable-debug-command", "yes")
	require.Equal(t, "+OK", ask(t, full, "DEBUG", "POPULATE", "20000", "key", "10"))
	require.Equal(t, "+OK", ask(t, full, "SAVE"))
	require.NoError(t, process.Kill())
	_, _ = process.Wait()

	slow := func(args ...string) (string, *os.Process) {
		_, port, _ := net.SplitHostPort(full)
		cmd := exec.Command("redis-server", append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir, "--key-load-delay", "5000"}, args...)...) // 20,000 keys at 5 ms: it loads for longer than the test lasts
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		require.Eventually(t, func() bool {
			conn, err := net.Dial("tcp", full)
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		}, patient, time.Millisecond)
		return full, cmd.Process
	}
	addr, process := slow()
	w, err := NewRedis(RedisConfig{Addr: addr, Timeout: brief})
	require.NoError(t, err)
	began := time.Now()
	require.Regexp(t, `^starting no answer within .*; its process is \ds old and has not answered yet`, plainWords(w.Look(t.Context(), unitFacts(process, "run-1", began))))
	old := unitFacts(process, "run-1", began.Add(-time.Hour))
	require.Contains(t, plainWords(w.Look(t.Context(), old)), "timeout", "a process that is an hour old and silent is no start")
	require.Contains(t, plainWords(w.Look(t.Context(), nil)), "timeout", "a server of which no platform knows")
	require.NoError(t, process.Kill())
	_, _ = process.Wait()

	addr, process = slow("--loading-process-events-interval-bytes", "1024") // answers once in 50 keys
	w, err = NewRedis(RedisConfig{Addr: addr, Timeout: patient})
	require.NoError(t, err)
	old = unitFacts(process, "run-2", began.Add(-time.Hour))
	require.Contains(t, plainWords(w.Look(t.Context(), old)), `starting "-LOADING`)
	require.NoError(t, process.Signal(syscall.SIGSTOP)) // a piece that takes for ever
	w.timeout = brief
	require.Regexp(t, `^starting no answer within .*; \ds ago it said "-LOADING`, plainWords(w.Look(t.Context(), old)))
	w.said = w.said.Add(-loadsOn)
	require.Contains(t, plainWords(w.Look(t.Context(), old)), "timeout", "silent for longer than a piece takes")
}

func TestASilentRedisIsAtWorkOrNot(t *testing.T) {
	addr, process := redisServer(t, "--enable-debug-command", "yes", "--busy-reply-threshold", "60000")
	w, err := NewRedis(RedisConfig{Addr: addr, Timeout: 4 * brief})
	require.NoError(t, err)
	unit := unitFacts(process, "run-1", time.Now().Add(-time.Hour))
	require.Equal(t, "ok", plainWords(w.Look(t.Context(), unit)))
	busy := func() float64 {
		t.Helper()
		f := w.Look(t.Context(), unit)
		require.Contains(t, plainWords(f), "timeout")
		n, measured := f.Num(detect.ProcessBusy)
		require.True(t, measured)
		return n
	}
	require.NoError(t, process.Signal(syscall.SIGSTOP))
	require.Zero(t, busy())
	require.NoError(t, process.Signal(syscall.SIGCONT))
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close() //nolint:errcheck // nothing depends on it
	var b strings.Builder
	command(&b, "EVAL", "while true do end", "0")
	_, err = io.WriteString(conn, b.String())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, measured := w.Look(t.Context(), unit).Num(detect.ProcessBusy)
		return measured
	}, patient, time.Millisecond, "the script has begun")
	require.Greater(t, busy(), 0.05)
}

func TestRedisWithAPassword(t *testing.T) {
	addr, _ := redisServer(t, "--requirepass", "hunter2", "--user", "watch", "on", ">hunter3", "+ping")
	look := func(user string, password Secret) string {
		w, err := NewRedis(RedisConfig{Addr: addr, User: user, Password: password, Timeout: patient})
		require.NoError(t, err)
		s := plainWords(w.Look(t.Context(), nil))
		require.NotContains(t, s, "hunter")
		return s
	}
	require.Equal(t, "ok", look("", "hunter2"))
	require.Equal(t, "ok", look("watch", "hunter3"))
	require.Contains(t, look("", ""), `unknown the server answers and refuses our login: "-NOAUTH`)
	require.Contains(t, look("", "wrong"), `unknown the server answers and refuses our login: "-WRONGPASS`)
}

func TestRedisOnOddServers(t *testing.T) {
	for _, c := range []struct{ name, says, want string }{
		{"loading its data", "-LOADING Redis is loading the dataset in memory\r\n", `starting "-LOADING Redis is loading`},
		{"a replica without its master", "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n", `starting "-MASTERDOWN`},
		{"a script that does not end", "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n", `starting "-BUSY`},
		{"its disk is full", "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.\r\n", "error PING was answered with"},
		{"another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n", `error what answers is no Redis, but HTTP ("HTTP/1.1 400 Bad Request")`},
		{"protected mode, in the words of Redis 7", "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Set up an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.\r\n", `unknown the server answers and refuses our login: "-DENIED`},
		{"no more clients", "-ERR max number of clients reached\r\n", `error PING was answered with "-ERR max number`},
		{"a line without end", strings.Repeat("x", 8192), "error the answer breaks the protocol: a line without end"},
		{"nothing", "", "error the connection was closed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := raw(t, request1(func(conn *net.TCPConn) { _, _ = io.WriteString(conn, c.says) }))
			w, err := NewRedis(RedisConfig{Addr: hostPort(url), Timeout: patient})
			require.NoError(t, err)
			require.Contains(t, plainWords(w.Look(t.Context(), nil)), c.want)
		})
	}
	full, err := NewRedis(RedisConfig{Addr: hostPort(raw(t, request1(func(conn *net.TCPConn) { _, _ = io.WriteString(conn, "-ERR max number of clients reached\r\n") }))), Password: "hunter2", Timeout: patient})
	require.NoError(t, err)
	require.Contains(t, plainWords(full.Look(t.Context(), nil)), "error PING was answered", "its limit of clients is no mistake of the login")
	w, err := NewRedis(RedisConfig{Addr: hostPort(raw(t, silenceTCP)), Timeout: time.Minute})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	stop := time.AfterFunc(brief, cancel)
	defer stop.Stop()
	require.Equal(t, "! the look was called off", plainWords(w.Look(ctx, nil)))
	_, err = NewRedis(RedisConfig{Addr: "h:" + strconv.Itoa(6379), User: "x"})
	require.ErrorContains(t, err, "needs a password")
}
