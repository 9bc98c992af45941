package lab

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Users of the lab by number, for File. Each has a group of the same name and number.
const (
	UIDMCP       = 2001 // mcp: the two servers run as it
	UIDRecoveryd = 2002 // recoveryd: for the daemon under test; also a PostgreSQL role (see RecoverydDSN)
)

// What is in every lab.
const (
	CodebaseUnit    = "codebase-mcp.service" // pool of 20 to 30, database codebase_mcp
	WorkflowUnit    = "workflow-mcp.service" // pool of 5 to 10, database workflow_mcp
	CodebaseAddr    = "127.0.0.1:8000"
	WorkflowAddr    = "127.0.0.1:8001"
	CodebaseControl = "127.0.0.1:9000"
	WorkflowControl = "127.0.0.1:9001"
	PostgresAddr    = "127.0.0.1:5432"
	// RecoverydDSN is how the role recoveryd (pg_monitor, pg_signal_backend) logs in over TCP. As
	// user recoveryd it needs no password over the socket: "host=/run/postgresql user=recoveryd dbname=postgres".
	RecoverydDSN = "postgres://recoveryd:recoveryd_lab@127.0.0.1:5432/postgres?sslmode=disable"
	// EnvDir holds the environment files that the units of the two servers read at each start, if
	// there: EnvDir/codebase-mcp.service.env.
	EnvDir = "/run/recoveryd/env"
	// BinDir is where Options.Binaries is seen in the lab.
	BinDir = "/opt/lab/bin"
	// ProgramsDir is where Options.Programs is seen.
	ProgramsDir = "/opt/lab/programs"
)

// File is put into a lab before its systemd starts.
type File struct {
	Content  string
	Mode     fs.FileMode // permissions; 0 means 0644
	UID, GID int         // numbers, for example UIDRecoveryd; 0 is root
	Symlink  string      // when not empty: a symbolic link to this path, and Content and Mode are ignored
}

// Options of Start. The zero value but for Binaries is a lab with everything in it.
type Options struct {
	// Name of the lab: letters, digits and dashes, at most 40; unique on this machine. Empty means a random one.
	Name string
	// Binaries is a directory on the host, seen read-only as /opt/lab/bin. It must hold mcp-target
	// unless Bare is set. A file that is replaced there is seen at once.
	Binaries string
	// Programs is a directory on the host, seen read-only as /opt/lab/programs; empty for none.
	Programs string
	// Bare leaves PostgreSQL and the servers stopped, which saves two seconds. They can be started.
	Bare bool
	// V1Memory makes MemoryMax and MemoryCurrent work on a host with cgroup v1 memory (see MemoryV1).
	V1Memory bool
	// Files to put in place before boot, by absolute path. Units among them are loaded; to start
	// one at boot, add a symbolic link in /etc/systemd/system/multi-user.target.wants.
	Files map[string]File
	// AllowDegraded accepts a boot in which some unit failed; Lab.State then says "degraded".
	AllowDegraded bool
	// Detached lets the lab outlive this process, until Stop, by whatever process.
	Detached bool
	// Progress receives what happens while building the root file system. Nil means os.Stderr.
	Progress io.Writer
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// complete checks the options and fills in what was left out.
func (o Options) complete() (Options, error) {
	if o.Name == "" {
		var b [4]byte
		_, _ = rand.Read(b[:]) // never fails
		o.Name = "lab-" + hex.EncodeToString(b[:])
	}
	if !nameForm.MatchString(o.Name) {
		return o, fmt.Errorf("lab name %q: want small letters, digits and dashes, at most 40", o.Name)
	}
	if o.Progress == nil {
		o.Progress = os.Stderr
	}
	if o.Binaries != "" {
		abs, err := filepath.Abs(o.Binaries)
		if err != nil {
			return o, fmt.Errorf("directory of binaries: %w", err)
		}
		o.Binaries = abs
	}
	if !o.Bare {
		if target := filepath.Join(o.Binaries, "mcp-target"); o.Binaries == "" || !exists(target) {
			return o, fmt.Errorf("lab %s: Options.Binaries (%q) must hold mcp-target: see lab.Binaries", o.Name, o.Binaries)
		}
	}
	for path := range o.Files {
		if !filepath.IsAbs(path) || strings.Contains(path, "/../") {
			return o, fmt.Errorf("lab %s: file %q is not an absolute path", o.Name, path)
		}
	}
	return o, nil
}
