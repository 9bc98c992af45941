package lab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

//go:embed rootfs
var recipe embed.FS

// ready marks a root file system that was built to its end.
const ready = ".lab-ready"

// CacheDir is where root file systems are kept: $RECOVERYD_CACHE, else recoveryd in the user's
// cache directory.
func CacheDir() (string, error) {
	if dir := os.Getenv("RECOVERYD_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory (set RECOVERYD_CACHE): %w", err)
	}
	return filepath.Join(dir, "recoveryd"), nil
}

// Rootfs returns the directory of the root file system, building it when this recipe has not been
// built here yet. That takes one to two minutes, about 600 MB and the mirror that the machine's own
// apt uses. Progress goes to w. Processes that build at the same time wait for each other.
func Rootfs(ctx context.Context, w io.Writer) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	source, err := packageSource(ctx)
	if err != nil {
		return "", err
	}
	sum, err := recipeSum(source.suite)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "lab-"+sum)
	if exists(filepath.Join(dir, ready)) {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache directory: %w", err)
	}
	unlock, err := lock(filepath.Join(cache, "lab.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(filepath.Join(dir, ready)) { // another process built it while we waited
		return dir, nil
	}
	if err := build(ctx, dir, source, w); err != nil {
		return "", fmt.Errorf("build the root file system of the lab: %w", err)
	}
	return dir, nil
}

// build runs the recipe in a directory beside dir and renames it at the end.
func build(ctx context.Context, dir string, source source, w io.Writer) error {
	began := time.Now()
	fmt.Fprintf(w, "lab: building the root file system %s, once; this takes one to two minutes\n", dir)
	scripts, err := os.MkdirTemp("", "lab-recipe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scripts) //nolint:errcheck // a temporary directory
	if err := os.CopyFS(scripts, recipe); err != nil {
		return err
	}
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil { // of a build that was killed
		return err
	}
	if err := os.MkdirAll(part, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "bash", filepath.Join(scripts, "rootfs", "build.sh"), part, source.mirror, source.suite)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&log, progress{w}), &log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w; the end of its output:\n%s", err, tail(log.Bytes(), 3000))
	}
	if err := os.WriteFile(filepath.Join(part, ready), nil, 0o644); err != nil {
		return err
	}
	if err := os.Rename(part, dir); err != nil {
		return err
	}
	fmt.Fprintf(w, "lab: the root file system is ready after %s\n", time.Since(began).Round(time.Second))
	return nil
}

// progress passes on the lines that the recipe itself says.
type progress struct{ w io.Writer }

func (p progress) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		if bytes.HasPrefix(line, []byte("lab: ")) {
			if _, err := p.w.Write(line); err != nil {
				return 0, err
			}
		}
	}
	return len(b), nil
}

// source is where packages come from.
type source struct{ mirror, suite string }

// packageSource asks apt for the mirror and the release of this machine, so that no registry is
// named here. LAB_MIRROR and LAB_SUITE override it.
func packageSource(ctx context.Context) (source, error) {
	s := source{mirror: os.Getenv("LAB_MIRROR"), suite: os.Getenv("LAB_SUITE")}
	if s.mirror != "" && s.suite != "" {
		return s, nil
	}
	suite, err := codename()
	if err != nil {
		return source{}, err
	}
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		return source{}, fmt.Errorf("ask apt for its mirror (or set LAB_MIRROR and LAB_SUITE): %w", err)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == suite && f[1] == "main" {
			return source{mirror: f[2], suite: suite}, nil
		}
	}
	return source{}, fmt.Errorf("apt has no source for the release %s, component main (or set LAB_MIRROR and LAB_SUITE)", suite)
}

// codename reads the release of this machine, such as bookworm.
func codename() (string, error) {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", fmt.Errorf("which release is this machine: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok && name != "" {
			return strings.Trim(name, `"`), nil
		}
	}
	return "", errors.New("/etc/os-release has no VERSION_CODENAME: labs are built on Debian or Ubuntu only")
}

// recipeSum names a root file system by what it was built from.
func recipeSum(suite string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, suite)
	entries, err := recipe.ReadDir("rootfs")
	if err != nil {
		return "", fmt.Errorf("read the recipe: %w", err)
	}
	for _, e := range entries { // sorted by name
		text, err := recipe.ReadFile("rootfs/" + e.Name())
		if err != nil {
			return "", fmt.Errorf("read the recipe: %w", err)
		}
		fmt.Fprintf(h, "%s %d\n%s", e.Name(), len(text), text)
	}
	return suite + "-" + hex.EncodeToString(h.Sum(nil))[:12], nil
}

// Prune removes the root file systems of other recipes. Labs that still run on one would break.
func Prune() ([]string, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	current, err := packageSource(context.Background())
	if err != nil {
		return nil, err
	}
	sum, err := recipeSum(current.suite)
	if err != nil {
		return nil, err
	}
	old, err := filepath.Glob(filepath.Join(cache, "lab-*-*"))
	if err != nil {
		return nil, err
	}
	old = slices.DeleteFunc(old, func(dir string) bool { return filepath.Base(dir) == "lab-"+sum })
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			return nil, fmt.Errorf("remove an old root file system: %w", err)
		}
	}
	return old, nil
}

// lock takes an exclusive lock on a file, waiting for it; it is released when the process ends.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock %s: %w", path, err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// tail returns at most the last n bytes.
func tail(b []byte, n int) []byte { return bytes.TrimSpace(b[max(0, len(b)-n):]) }
