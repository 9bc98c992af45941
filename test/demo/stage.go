package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/recoveryd/recoveryd/test/pgtest"
)

// stage is everything that the demo runs.
type stage struct {
	options  options
	screen   *screen
	dir      string
	postgres *pgtest.Cluster // nil: none on this machine
	codebase *server
	workflow *server
	people   *receivers
	daemon   *daemon
	cleanups []func() error // last first
}

func (st *stage) onClose(f func() error) { st.cleanups = append(st.cleanups, f) }

// close stops and removes everything, in the reverse order.
func (st *stage) close() error {
	var errs []error
	for i := len(st.cleanups) - 1; i >= 0; i-- {
		errs = append(errs, st.cleanups[i]())
	}
	st.cleanups = nil
	return errors.Join(errs...)
}

// set builds the stage and waits until all of it is well.
func (st *stage) set(ctx context.Context) error {
	recoveryd, target, err := st.programs()
	if err != nil {
		return err
	}
	if st.dir, err = os.MkdirTemp("", "recoveryd-demo-"); err != nil {
		return err
	}
	st.onClose(func() error { return os.RemoveAll(st.dir) })
	if st.people, err = newReceivers(); err != nil {
		return err
	}
	st.onClose(st.people.close)
	s := setup{Dir: st.dir, PagerDuty: st.people.pdAddr, Slack: st.people.slackURL}
	databases, err := st.database(ctx, &s)
	if err != nil {
		return err
	}
	for i, name := range []string{"codebase-mcp", "workflow-mcp"} {
		srv, err := newServer(st.dir, target, name, databases[i])
		if err != nil {
			return err
		}
		s.Servers = append(s.Servers, srv)
	}
	st.codebase, st.workflow = s.Servers[0], s.Servers[1]
	if s.API, err = freeAddr(); err != nil {
		return err
	}
	config := filepath.Join(st.dir, "recoveryd.yaml")
	if err := s.write(config); err != nil {
		return err
	}
	began := time.Now()
	if st.daemon, err = startDaemon(st.dir, recoveryd, config, s.API); err != nil {
		return err
	}
	st.onClose(st.daemon.stop)
	if err := st.daemon.quiet(ctx, 60*time.Second); err != nil {
		return err
	}
	st.introduce(time.Since(began))
	return nil
}

// programs finds the built binaries.
func (st *stage) programs() (recoveryd, target string, err error) {
	for _, x := range []struct {
		name string
		path *string
	}{{"recoveryd", &recoveryd}, {"mcp-target", &target}} {
		if *x.path, err = filepath.Abs(filepath.Join(st.options.bin, x.name)); err != nil {
			return "", "", err
		}
		if _, err := os.Stat(*x.path); err != nil {
			return "", "", fmt.Errorf("%w (build it first: make build)", err)
		}
	}
	return recoveryd, target, nil
}

// Sizes of the database server: two pools of at most 10, recoveryd, and room.
const postgresSettings = "max_connections=60"

// database makes the private PostgreSQL, which recoveryd then runs, and returns the addresses for
// the two servers; "" without one.
func (st *stage) database(ctx context.Context, s *setup) ([2]string, error) {
	var none [2]string
	if st.options.noPostgres {
		return none, nil
	}
	c, err := pgtest.StartCluster("", postgresSettings)
	if errors.Is(err, pgtest.ErrNoPostgres) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	st.postgres = c
	st.onClose(c.Close)
	for _, x := range []struct{ db, sql string }{
		// The role that a host gives to recoveryd: it sees sessions and may end them, and nothing else.
		{"postgres", "CREATE ROLE recoveryd LOGIN IN ROLE pg_monitor, pg_signal_backend"},
		{"postgres", "CREATE ROLE mcp_user LOGIN"},
		{"postgres", "CREATE DATABASE codebase_mcp OWNER mcp_user"},
		{"postgres", "CREATE DATABASE workflow_mcp OWNER mcp_user"},
	} {
		if err := c.Exec(ctx, x.db, x.sql); err != nil {
			return none, err
		}
	}
	if err := c.Stop(); err != nil { // from here on it is recoveryd's child
		return none, err
	}
	argv, err := c.Command()
	if err != nil {
		return none, err
	}
	s.Postgres, s.PostgresDSN = yamlList(argv), c.DSN("recoveryd", "postgres")
	return [2]string{c.DSN("mcp_user", "codebase_mcp"), c.DSN("mcp_user", "workflow_mcp")}, nil
}

// introduce says what runs.
func (st *stage) introduce(took time.Duration) {
	sc := st.screen
	sc.plain("%s", sc.paint(toneHead, "recoveryd keeps the services of one host alive. This is the real daemon, on this machine. It needs neither root"))
	sc.plain("%s", sc.paint(toneHead, "nor systemd here: it runs these programs as its own child processes."))
	sc.plain("")
	sc.plain("  %-14s MCP server with a real connection pool, http://%s/health/status", st.codebase.Name, st.codebase.Addr)
	sc.plain("  %-14s the same, http://%s/health/status", st.workflow.Name, st.workflow.Addr)
	if st.postgres != nil {
		sc.plain("  %-14s private PostgreSQL on %s, which both need", "postgres", st.postgres.Addr())
	}
	sc.plain("  %-14s PagerDuty and Slack stand-ins, which check what arrives against the vendors' contracts", "receivers")
	sc.plain("")
	if st.postgres == nil {
		why := "this machine has no PostgreSQL server programs (Debian: apt-get install postgresql)"
		if st.options.noPostgres {
			why = "-no-postgres was given"
		}
		sc.plain("%s", sc.paint(toneWork, "The servers use a simulated database: "+why+"."))
		sc.plain("%s", sc.paint(toneWork, "Left out: the full connection pool, the killed and the frozen database."))
		sc.plain("")
	}
	sc.plain("All started and healthy %s after recoveryd. Times below are counted from each fault; what is printed was read", stamp(took))
	sc.plain("from recoveryd's journal, from the receivers, or by asking the servers.")
}

// explainFailure prints what is known when the demo itself could not go on.
func (st *stage) explainFailure(w io.Writer) {
	if st.daemon != nil {
		fmt.Fprintf(w, "end of recoveryd's log:\n%s\n", st.daemon.logTail())
	}
}

// stay keeps everything up until the demo is interrupted.
func (st *stage) stay(ctx context.Context) {
	sc, d := st.screen, st.daemon
	sc.plain("\nEverything stays up until Ctrl-C. Look around:")
	row := func(what, how string) { sc.plain("  %-22s %s", what, how) }
	row("every target", d.program+" status --config "+d.config)
	row("what happened", d.program+" incidents --config "+d.config)
	row("one incident in full", d.program+" explain --config "+d.config+" INCIDENT")
	row("API, metrics", d.base+"/api/v1/status  "+d.base+"/metrics")
	row("what was told", st.people.logURL)
	row("recoveryd's log", d.logFile)
	for _, s := range []*server{st.codebase, st.workflow} {
		row("health of "+s.Name, "http://"+s.Addr+"/health/status")
	}
	row("break it yourself", "curl -X POST --unix-socket "+st.codebase.Control[len("unix:"):]+" http://control/faults/wedge")
	<-ctx.Done()
	sc.plain("")
}
