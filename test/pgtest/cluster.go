package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// startTimeout bounds initdb and the start; each takes about a second on an idle machine.
	startTimeout = 60 * time.Second
	// stopTimeout bounds a fast shutdown before the cluster is killed instead.
	stopTimeout = 20 * time.Second
)

// Cluster is one private PostgreSQL cluster. Its methods are safe for concurrent use, but only
// one goroutine should change whether it runs.
type Cluster struct {
	dir      string // data, socket directory and log are below it
	ownDir   bool   // dir was made by us and is removed by Close
	bin      string
	port     int
	settings []string
	cred     *syscall.Credential

	mu     sync.Mutex
	server *process // nil while stopped
	frozen []int    // pids that Freeze stopped, the postmaster first
}

// StartCluster makes a new cluster below dir and starts it. With dir "" it makes a temporary
// directory, which Close removes. Settings are server settings such as "max_connections=20".
// Logins need no password. The caller must call Close; when the calling process dies without it,
// the server ends and only the files stay.
func StartCluster(dir string, settings ...string) (*Cluster, error) {
	bin, err := binDir()
	if err != nil {
		return nil, err
	}
	cred, err := credential()
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, bin: bin, cred: cred, settings: settings}
	if dir == "" {
		if c.dir, err = os.MkdirTemp("", "pgtest-"); err != nil {
			return nil, fmt.Errorf("make a directory for PostgreSQL: %w", err)
		}
		c.ownDir = true
	}
	if err := c.create(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// create runs initdb and starts the server for the first time.
func (c *Cluster) create() error {
	for _, d := range []string{c.dir, c.data(), c.SocketDir()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("make a directory for PostgreSQL: %w", err)
		}
		if c.cred != nil {
			if err := os.Chown(d, int(c.cred.Uid), int(c.cred.Gid)); err != nil {
				return fmt.Errorf("give %s to the user of PostgreSQL: %w", d, err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"), "--pgdata", c.data(), "--username", "postgres",
		"--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync")
	cmd.Dir = "/" // initdb refuses a working directory that its user may not enter
	cmd.Env = environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s (the directory must be reachable for uid %s): %w: %s", c.data(), c.uid(), err, bytes.TrimSpace(out))
	}
	for {
		var err error
		if c.port, err = freePort(); err != nil {
			return err
		}
		err = c.Start()
		if err == nil || ctx.Err() != nil || !strings.Contains(c.logTail(), "Address already in use") {
			return err
		}
		// Another program took the port before the server did: try the next one.
		if err := os.Truncate(c.logFile(), 0); err != nil {
			return fmt.Errorf("empty the log of PostgreSQL: %w", err)
		}
	}
}

// Start starts the server and waits until it answers. It does nothing when it already runs.
func (c *Cluster) Start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != nil {
		return nil
	}
	log, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the log of PostgreSQL: %w", err)
	}
	defer log.Close() //nolint:errcheck // the server has its own descriptor
	server, err := startProcess(filepath.Join(c.bin, "postgres"), c.args(), environ(), c.cred, log)
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := c.waitAnswer(server); err != nil {
		server.signal(syscall.SIGKILL)
		<-server.done
		return fmt.Errorf("start PostgreSQL on port %d: %w: %s", c.port, err, c.logTail())
	}
	c.server = server
	return nil
}

// defaults are the settings of a throw-away cluster. The later ones of the caller win.
func (c *Cluster) defaults() []string {
	return []string{
		"port=" + strconv.Itoa(c.port),
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=" + c.SocketDir(),
		"fsync=off",                       // the data need not outlive the machine
		"dynamic_shared_memory_type=mmap", // in the data directory, so that a killed server leaves nothing in /dev/shm
		"shared_buffers=16MB",
		"max_wal_size=64MB",
		"wal_level=minimal",
		"max_wal_senders=0",
	}
}

// waitAnswer returns when the server answers a query, has ended, or startTimeout is over.
func (c *Cluster) waitAnswer(server *process) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.Exec(ctx, "postgres", "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-server.done:
			return errors.New("the server ended at once")
		case <-ctx.Done():
			return fmt.Errorf("no answer in %s: %w", startTimeout, err)
		case <-tick.C:
		}
	}
}

// Stop shuts the server down as an administrator does (fast mode: sessions are cut, data are
// written). It does nothing when the server is not running. A frozen server is thawed first.
func (c *Cluster) Stop() error {
	return c.end(func(p *process) error {
		p.signal(syscall.SIGINT) // fast shutdown
		select {
		case <-p.done:
			return nil
		case <-time.After(stopTimeout):
			p.kill()
			return fmt.Errorf("PostgreSQL did not stop in %s and was killed: %s", stopTimeout, c.logTail())
		}
	})
}

// Kill ends the server and its sessions with SIGKILL, as the kernel's OOM killer would: no
// session hears a last word. Start recovers it.
func (c *Cluster) Kill() error {
	return c.end(func(p *process) error {
		p.kill()
		return nil
	})
}

func (c *Cluster) end(how func(*process) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return nil
	}
	c.thawLocked()
	err := how(c.server)
	c.server = nil
	return err
}

// Freeze stops every process of the cluster with SIGSTOP: connections are still accepted by the
// kernel, and nothing is ever answered.
func (c *Cluster) Freeze() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return errors.New("freeze PostgreSQL: it is not running")
	}
	c.frozen = c.server.stopAll()
	return nil
}

// Thaw lets a frozen cluster run on. It does nothing when it is not frozen.
func (c *Cluster) Thaw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.thawLocked()
}

func (c *Cluster) thawLocked() {
	for _, pid := range c.frozen {
		// A session that was killed meanwhile is gone; that is not worth an error.
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	c.frozen = nil
}

// Close ends the server in whatever state it is and removes what StartCluster made.
func (c *Cluster) Close() error {
	err := c.Kill()
	err = errors.Join(err, c.removeSharedMemory())
	if c.ownDir {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}

// Exec runs one SQL command, or several, as the superuser over a connection of its own.
func (c *Cluster) Exec(ctx context.Context, db, sql string) error {
	conn, err := pgx.Connect(ctx, c.DSN("postgres", db))
	if err != nil {
		return fmt.Errorf("connect to database %s: %w", db, err)
	}
	defer conn.Close(ctx) //nolint:errcheck // the command's own error matters
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("run %q in database %s: %w", sql, db, err)
	}
	return nil
}

// DSN returns a connection URL over 127.0.0.1 for a user and database. No password is needed.
func (c *Cluster) DSN(user, db string) string {
	u := url.URL{Scheme: "postgres", User: url.User(user), Host: c.Addr(), Path: "/" + db, RawQuery: "sslmode=disable"}
	return u.String()
}

// Addr is the TCP address of the server, as host:port.
func (c *Cluster) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)) }

// Port is the TCP port of the server on 127.0.0.1. It stays the same over Stop and Start.
func (c *Cluster) Port() int { return c.port }

// SocketDir is the directory of the server's unix socket.
func (c *Cluster) SocketDir() string { return filepath.Join(c.dir, "run") }

// PID is the process id of the postmaster, or 0 while it is stopped.
func (c *Cluster) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return 0
	}
	return c.server.pid
}

func (c *Cluster) data() string    { return filepath.Join(c.dir, "data") }
func (c *Cluster) logFile() string { return filepath.Join(c.dir, "postgres.log") }

func (c *Cluster) uid() string {
	if c.cred == nil {
		return strconv.Itoa(os.Geteuid())
	}
	return strconv.FormatUint(uint64(c.cred.Uid), 10)
}

// logTail is the end of the server's log, for error messages.
func (c *Cluster) logTail() string {
	log, err := os.ReadFile(c.logFile())
	if err != nil {
		return "(no log)"
	}
	const enough = 2000 // bytes: about the last twenty lines
	return string(bytes.TrimSpace(log[max(0, len(log)-enough):]))
}

// environ is a small, fixed environment: PGPORT, PGDATA and the like of the caller must not reach
// the server.
func environ() []string { return []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"} }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port for PostgreSQL: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return 0, fmt.Errorf("find a free port for PostgreSQL: %w", err)
	}
	return port, nil
}
