package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// Known holds the names that exist in this build, for checking those in the file. A name that is
// not listed is a problem, so an empty list means that there is nothing of that sort.
type Known struct {
	Strategies    []string // for ladders
	Classes       []string // built-in failure classes
	NotifierTypes []string
	Platforms     []Platform // "none" is always known besides; the first is the one that is meant where nothing else is said

	// Rule compiles the expression of an operator's rule: which key of it is wrong, and what about it;
	// "" = nothing. Nil compiles none.
	Rule func(Rule) (key, what string)

	// Notifier builds a channel from its section and throws it away: what is wrong with it, as a
	// *[ProblemsError], and what is legal but risky. Nil builds none.
	Notifier func(Notifier) ([]strictyaml.Problem, error)

	// WithoutSecrets leaves secrets where they are: files, environment variables and
	// credentials are not looked at, and the [Secret] values are not set. For checking a file on
	// another machine than its own.
	WithoutSecrets bool
}

// Load reads and checks a configuration file. The error is a *[ProblemsError] with everything
// that is wrong, never only the first mistake. It is the one path for the daemon and for
// "recoveryd validate".
func Load(path string, known Known) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		p := strictyaml.Problem{File: path, What: err.Error()}
		if se, ok := errors.AsType[*strictyaml.SourceError](err); ok {
			p.What, p.Hint = se.What, se.Hint
		}
		return nil, &strictyaml.ProblemsError{Problems: []strictyaml.Problem{p}}
	}
	return Parse(path, data, known)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, strictyaml.Cannot("the file does not exist", "name the configuration with --config, or start from the example minimal.yaml")
	case errors.Is(err, fs.ErrPermission):
		return nil, strictyaml.Cannot("the file cannot be read: permission denied", fmt.Sprintf("let recoveryd read it: chgrp recoveryd %s && chmod 0640 %s", path, path))
	case err != nil:
		return nil, strictyaml.Cannot("the file cannot be read: "+cause(err), "check the path")
	}
	defer f.Close() // read only: nothing to lose
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, strictyaml.Cannot("is a directory", "name the file in it")
	}
	data, err := io.ReadAll(io.LimitReader(f, strictyaml.MaxSize+1)) // Parse refuses what is larger
	if err != nil {
		return nil, strictyaml.Cannot("the file cannot be read: "+cause(err), "check the disk")
	}
	return data, nil
}

// cause is an error of the file system without the path, which stands in front already.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// Parse checks a configuration that has been read already; name stands for the file in messages.
// The error is a *[ProblemsError].
func Parse(name string, data []byte, known Known) (*Config, error) {
	r := strictyaml.NewReader(name, KeysWith(known.Platforms), !known.WithoutSecrets)
	c, err := decode(data, func(data []byte) (map[string]any, error) {
		values := r.Read(data)
		if values == nil {
			return nil, r.Err()
		}
		return values, nil
	})
	if pe, ok := errors.AsType[*strictyaml.ProblemsError](err); ok {
		return nil, pe
	}
	if err != nil {
		// The reader and the struct disagree: a mistake in the program, not in the file.
		r.Problem(strictyaml.Place{Line: 1, Col: 1}, strictyaml.Problem{What: "cannot be decoded: " + strings.ReplaceAll(err.Error(), "\n", " ")})
		return nil, r.Err()
	}
	c.source = r.Positions
	c.source.Digest = digest(data)
	c.platforms = known.Platforms
	for i := range c.Targets {
		if err := c.Targets[i].take(known); err != nil {
			r.Problem(strictyaml.Place{Line: 1, Col: 1}, strictyaml.Problem{What: err.Error()})
		}
	}
	c.compute()
	(&checker{Reader: r, c: c, known: known}).all()
	if err := r.Err(); err != nil {
		return nil, err
	}
	c.Warnings = r.Risks()
	return c, nil
}

// compute fills in the defaults that depend on the host or on other keys. Together with the
// default tags, which the reader applies, these are all defaults there are.
func (c *Config) compute() {
	if c.Host == "" {
		c.Host, _ = os.Hostname() // without a name the host stays ""; pages still carry the target
	}
	if c.StateDir == "" {
		c.StateDir = directory("STATE_DIRECTORY", "/var/lib/recoveryd")
	}
	if c.RuntimeDir == "" {
		c.RuntimeDir = directory("RUNTIME_DIRECTORY", "/run/recoveryd")
	}
	for i := range c.Targets {
		c.Targets[i].compute(c.Mode)
	}
	if c.Routes == nil && len(c.Notifiers) > 0 && len(c.Roles) == 0 && len(c.Escalation.Rules) == 0 && !c.ByRunbook() {
		all := Route{}
		for _, n := range c.Notifiers {
			if !slices.Contains(all.Notify, n.Name) {
				all.Notify = append(all.Notify, n.Name)
			}
		}
		c.Routes = []Route{all}
	}
	for i := range c.Rules {
		if r := &c.Rules[i]; r.Because == "" {
			r.Because = fmt.Sprintf("rule %s holds: %s", r.Name, r.When)
		}
	}
	c.Drills.compute()
	for i := range c.Maintenance {
		if w := &c.Maintenance[i]; w.Days == nil && w.Returns() {
			w.Days = strictyaml.Weekdays()
		}
	}
}

func (t *Target) compute(mode Mode) {
	if t.Mode == "" {
		t.Mode = mode
	}
	for i := range t.Health {
		if h := &t.Health[i]; h.Method == "" && h.Type == TypeHTTP {
			h.Method = "GET"
		}
	}
	for i := range t.Synthetic {
		if s := &t.Synthetic[i]; s.Method == "" && s.Type == TypeHTTP {
			s.Method = "GET"
			if s.Body != "" {
				s.Method = "POST"
			}
		}
	}
}

// directory is what systemd set up for us, which may be several separated by colons.
func directory(env, otherwise string) string {
	if first, _, _ := strings.Cut(os.Getenv(env), ":"); first != "" {
		return first
	}
	return otherwise
}

// DirectoryIn reads one directory (state_dir, runtime_dir) out of a file that may have mistakes elsewhere, so that
// the daemon which runs with an earlier version of it can still be asked; "" when it is not there in so many words.
func DirectoryIn(path, key string) string {
	data, err := readFile(path)
	if err != nil {
		return ""
	}
	m := regexp.MustCompile(`(?m)^` + key + `:[ \t]+["']?(/[^"'#\r\n]*?)["']?[ \t]*(?:#.*)?\r?$`).FindSubmatch(data)
	if m == nil {
		return ""
	}
	return string(m[1])
}

// At makes a problem with the position of a key, for what only the caller can find wrong with it:
// a rule that does not compile, a unit that does not exist. The path is written as in [Problem];
// of a key that is not in the file it is the nearest parent that is.
func (c *Config) At(path, what string) strictyaml.Problem {
	at := c.source.Place(path)
	return strictyaml.Problem{File: c.source.File, Line: at.Line, Col: at.Col, Path: path, What: what}
}

// ItemPath is the path of an item of a list, as [Config.At] and the messages write it:
// ItemPath("targets", 0) is "targets[codebase-mcp]".
func (c *Config) ItemPath(list string, i int) string { return c.source.Item(list, i) }

// Digest identifies the text that the configuration was read from.
func (c *Config) Digest() string { return c.source.Digest }

// DigestOf is what Digest of the file would be if it were loaded now.
func DigestOf(path string) (string, error) {
	data, err := readFile(path)
	if err != nil {
		return "", err
	}
	return digest(data), nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// File is the name under which the configuration was loaded.
func (c *Config) File() string { return c.source.File }

// Target returns the target of that name.
func (c *Config) Target(name string) (Target, bool) {
	for _, t := range c.Targets {
		if t.Name == name {
			return t, true
		}
	}
	return Target{}, false
}

// ProblemAt is a problem, or a warning, of what stands at a path, for those who find it later than [Load].
func (c *Config) ProblemAt(path, what, hint string) strictyaml.Problem {
	at := c.source.Place(path)
	return strictyaml.Problem{File: c.source.File, Line: at.Line, Col: at.Col, Path: path, What: what, Hint: hint}
}
