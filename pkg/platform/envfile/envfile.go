// Package envfile changes one variable in the environment file of a unit.
//
// Whoever owns such a file controls the environment of the service, and LD_PRELOAD passes
// through it like anything else. So it writes only variables that the operator allowed, only
// values of harmless characters, only files directly in one directory, and never through a
// symbolic link. A file is replaced as a whole (temporary file, fsync, rename, mode 0600), so
// that systemd never reads half of it. It never restarts anything: the unit reads the file when
// it starts.
//
// Start reading at [Dir.Set].
package envfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/recoveryd/recoveryd/pkg/platform"
)

// maxSize bounds what is read of an existing file. Ours have a handful of short lines.
const maxSize = 64 << 10

// The forms and the most bytes of each; counted repetitions in the expressions would cost much memory.
var (
	nameForm  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:@-]*\.env$`)
	keyForm   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	valueForm = regexp.MustCompile(`^[A-Za-z0-9_.,:/@%+=-]+$`) // no blank, quote, backslash, $ or line end
)

const (
	maxName  = 205
	maxKey   = 101
	maxValue = 256
)

func fits(form *regexp.Regexp, most int, s string) bool { return len(s) <= most && form.MatchString(s) }

// Dir is a directory of environment files. It is safe for concurrent use; two processes must
// not write the same directory.
type Dir struct {
	path string
	keys []string
	mu   sync.Mutex // held while a file is read and replaced
}

// New describes the directory at the absolute path, in which the variables named by keys may be
// set. The directory itself need not exist yet; its parent must when Set is called.
func New(path string, keys []string) (*Dir, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("environment directory %q is not an absolute path", path)
	}
	for _, k := range keys {
		if !fits(keyForm, maxKey, k) {
			return nil, fmt.Errorf("environment variable %q is not a valid name", k)
		}
		if slices.Contains([]string{"PATH", "IFS", "ENV", "BASH_ENV", "SHELL", "HOME", "PYTHONPATH", "PYTHONSTARTUP", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS"}, k) ||
			strings.HasPrefix(k, "LD_") || strings.HasPrefix(k, "GLIBC_") {
			return nil, fmt.Errorf("environment variable %s may not be allowed: it changes what code a service runs", k)
		}
	}
	return &Dir{path: filepath.Clean(path), keys: slices.Clone(keys)}, nil
}

// Set gives the variable key a value in file, or removes it when value is empty; a file without
// variables is removed. The file is a name in the directory, or its full path. It returns the
// value before ("" = not set). Other allowed variables of the file stay; lines that are not
// such variables are dropped. An error that wraps [platform.ErrPermission] means that the
// directory's mode is wrong.
func (d *Dir) Set(file, key, value string) (before string, err error) {
	name, err := d.name(file)
	if err != nil {
		return "", err
	}
	if !slices.Contains(d.keys, key) {
		return "", fmt.Errorf("set %s in %s: the variable is not allowed (allowed: %s)", key, name, strings.Join(d.keys, ", "))
	}
	if value != "" && !fits(valueForm, maxValue, value) {
		return "", fmt.Errorf("set %s in %s: the value has characters that are not allowed", key, name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	before, err = d.replace(name, key, value)
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: %w", platform.ErrPermission, err)
	}
	if err != nil {
		return "", fmt.Errorf("set %s in %s: %w", key, filepath.Join(d.path, name), err)
	}
	return before, nil
}

// name checks that file lies directly in the directory.
func (d *Dir) name(file string) (string, error) {
	name := file
	if filepath.IsAbs(file) {
		if filepath.Dir(filepath.Clean(file)) != d.path {
			return "", fmt.Errorf("environment file %q is not in %s", file, d.path)
		}
		name = filepath.Base(file)
	}
	if !fits(nameForm, maxName, name) {
		return "", fmt.Errorf("environment file %q: want a plain name that ends in .env", file)
	}
	return name, nil
}

func (d *Dir) replace(name, key, value string) (before string, err error) {
	if err := os.Mkdir(d.path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return "", err
	}
	defer root.Close()
	vars, order, err := d.read(root, name)
	if err != nil {
		return "", err
	}
	before = vars[key]
	if before == value {
		return before, nil
	}
	if _, had := vars[key]; !had {
		order = append(order, key)
	}
	vars[key] = value
	var b strings.Builder
	for _, k := range order {
		if vars[k] != "" {
			fmt.Fprintf(&b, "%s=%s\n", k, vars[k])
		}
	}
	if b.Len() == 0 {
		err = root.Remove(name)
	} else {
		err = write(root, name, b.String())
	}
	if err != nil {
		return "", err
	}
	return before, syncDir(root)
}

// read returns the allowed variables of a file and their order. A file that is not there has none.
func (d *Dir) read(root *os.Root, name string) (map[string]string, []string, error) {
	vars := map[string]string{}
	info, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return vars, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("it is not a regular file (%s): remove it by hand", info.Mode().Type())
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize))
	if err != nil {
		return nil, nil, err
	}
	var order []string
	for line := range strings.Lines(string(text)) {
		k, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok || !slices.Contains(d.keys, k) || !fits(valueForm, maxValue, v) {
			continue // nothing that we wrote
		}
		if _, had := vars[k]; !had {
			order = append(order, k)
		}
		vars[k] = v
	}
	return vars, order, nil
}

// write replaces the file so that a reader sees the old text or the new one, also after a crash.
func write(root *os.Root, name, text string) (err error) {
	tmp := "." + name + ".tmp"
	if err := root.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // left behind by a crash, and it cannot be removed
	}
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = root.Remove(tmp) // best effort: the next write removes it too
		}
	}()
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return root.Rename(tmp, name)
}

func syncDir(root *os.Root) error {
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
