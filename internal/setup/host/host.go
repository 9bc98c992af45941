// Package host compares what package setup wants with what is on a host, shows the difference and
// makes the changes.
//
// It decides nothing about rights: that is package setup. It writes only files that carry
// [setup.Mark] or do not exist yet, each as a whole (temporary file, fsync, rename), and takes only
// such files away again; it changes modes and groups of the files that recoveryd must read, and
// roles of PostgreSQL through psql as the cluster's superuser. A second run finds nothing to do.
//
// Start reading at [Host.Look], then [Plan.Apply].
package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/recoveryd/recoveryd/internal/setup"
)

// Host is the machine that is looked at. The zero value is this one.
type Host struct {
	// Root is where its file system is found, "/" when empty.
	Root string
	// Run runs a program with a text as its standard input and returns what it prints. Nil runs it
	// on this machine.
	Run func(ctx context.Context, stdin string, argv ...string) (string, error)
}

// Step is one change.
type Step struct {
	Kind string   `json:"kind"` // write, remove, directory, permissions, sql
	Path string   `json:"path"` // of a file or directory; of a role, the cluster and its name
	Why  string   `json:"why"`
	Diff string   `json:"diff"` // unified
	SQL  []string `json:"sql,omitzero"`
	do   func(context.Context) error
}

// Plan is everything that differs.
type Plan struct {
	Steps    []Step   `json:"changes"`
	Problems []string `json:"problems"` // what stands in the way, and how to mend it
	Notes    []string `json:"notes"`
	reload   bool
	host     Host
}

// Look compares. An error means that the host could not be looked at; what is wrong with it is in
// Plan.Problems.
func (h Host) Look(ctx context.Context, w setup.Wanted) (Plan, error) {
	p := Plan{Steps: []Step{}, Problems: []string{}, Notes: append([]string{}, w.Notes...), host: h}
	if err := h.lookAtFiles(&p, w.Files); err != nil {
		return p, err
	}
	h.lookAtOwners(&p, w)
	for _, c := range w.Credentials {
		if !h.exists(c.File) {
			p.problem("credential %s: %s does not exist, and recoveryd does not start without it: install -m 0600 SECRETFILE %s", c.Name, c.File, c.File)
		}
	}
	for _, r := range w.Roles {
		h.lookAtRole(ctx, &p, r, false)
	}
	return p, nil
}

// LookToRemove lists what there is to undo: the files that setup wrote, and the roles of these
// clusters that it made. Directories, and permissions on files of others, stay.
func (h Host) LookToRemove(ctx context.Context, roles []setup.Role) (Plan, error) {
	p := Plan{Steps: []Step{}, Problems: []string{}, Notes: []string{}, host: h}
	if err := h.lookAtFiles(&p, nil); err != nil {
		return p, err
	}
	for _, r := range roles {
		h.lookAtRole(ctx, &p, r, true)
	}
	p.Notes = append(p.Notes, "directories, and the permissions of files that setup did not write, stay as they are")
	return p, nil
}

func (p *Plan) problem(format string, args ...any) {
	p.Problems = append(p.Problems, fmt.Sprintf(format, args...))
}

// Apply makes every change, in order, and goes on after one that fails. done is told of each.
func (p Plan) Apply(ctx context.Context, done func(Step, error)) error {
	var errs []error
	for _, s := range p.Steps {
		err := s.do(ctx)
		if err != nil {
			err = fmt.Errorf("%s %s: %w", s.Kind, s.Path, err)
			errs = append(errs, err)
		}
		done(s, err)
	}
	if p.reload {
		if _, err := p.host.run(ctx, "", "systemctl", "daemon-reload"); err != nil {
			errs = append(errs, fmt.Errorf("systemctl daemon-reload: %w (the drop-ins count only after it)", err))
		}
	}
	return errors.Join(errs...)
}

// After are the things left to a person once the plan was applied.
func (p Plan) After() (out []string) {
	for _, s := range p.Steps {
		dir := filepath.Base(filepath.Dir(s.Path))
		switch {
		case s.Kind != "write" && s.Kind != "remove":
		case dir == setup.Service+".d":
			out = append(out, "systemctl restart recoveryd: its unit has changed")
		case filepath.Base(s.Path) == setup.EnvDropIn:
			out = append(out, strings.TrimSuffix(dir, ".d")+" takes its part at its next start; nothing needs to be restarted now")
		}
	}
	return out
}

func (h Host) path(name string) string { return filepath.Join("/", h.Root, name) }

func (h Host) run(ctx context.Context, stdin string, argv ...string) (string, error) {
	if h.Run != nil {
		return h.Run(ctx, stdin, argv...)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(errOut.String()); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return out.String(), err
	}
	return out.String(), nil
}
