package kubelab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// component is what the program is started as; see binary/main.go.
type component string

const (
	etcd        component = "etcd"
	apiServer   component = "kube-apiserver"
	controllers component = "kube-controller-manager"
	scheduler   component = "kube-scheduler"
	kwok        component = "kwok"
)

// sources are the files that the program is made of; a change of one makes another program.
var sources = []string{"go.mod", "go.sum", "main.go"}

// Supported returns nil when a control plane can be built and started here, else why not.
func Supported() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("kubelab needs Linux (this is %s)", runtime.GOOS)
	}
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("kubelab is built by the go command: %w", err)
	}
	return nil
}

// Binary returns the path of the kubelab program, building it when this version has not been built on this machine yet:
// 5 to 15 minutes on two cores, at low priority, with a line to w every 20 seconds. KUBELAB_BIN names one that was built
// elsewhere. It must run inside recoveryd's module. Processes that build at the same time wait for each other.
func Binary(ctx context.Context, w io.Writer) (string, error) {
	path, err := cached(ctx)
	if err != nil {
		return "", err
	}
	if exists(path) {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("make the cache directory: %w", err)
	}
	dir, err := sourceDir(ctx)
	if err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(filepath.Dir(filepath.Dir(path)), "kubelab.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(path) { // another process built it while we waited
		return path, nil
	}
	if err := build(ctx, dir, path, w); err != nil {
		return "", fmt.Errorf("build kubelab: %w", err)
	}
	return path, nil
}

// Built returns nil when the program is there already, so that a start takes seconds, else why not.
func Built(ctx context.Context) error {
	path, err := cached(ctx)
	switch {
	case err != nil:
		return err
	case !exists(path):
		return fmt.Errorf("kubelab is not built on this machine yet (%s): make kubelab", path)
	}
	return nil
}

// cached is where the program of these sources is, or will be.
func cached(ctx context.Context) (string, error) {
	if path := os.Getenv("KUBELAB_BIN"); path != "" {
		return filepath.Abs(path)
	}
	if err := Supported(); err != nil {
		return "", err
	}
	dir, err := sourceDir(ctx)
	if err != nil {
		return "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	sum, err := sourceSum(dir)
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "kubelab-"+sum, "kubelab"), nil
}

// cacheDir is where the lab of package lab keeps what it builds, too.
func cacheDir() (string, error) {
	if dir := os.Getenv("RECOVERYD_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory (set RECOVERYD_CACHE): %w", err)
	}
	return filepath.Join(dir, "recoveryd"), nil
}

func sourceDir(ctx context.Context) (string, error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	dir := filepath.Join(filepath.Dir(strings.TrimSpace(string(mod))), "test", "kubelab", "binary")
	if !exists(filepath.Join(dir, "go.mod")) {
		return "", fmt.Errorf("the sources of kubelab are not in %s: run inside recoveryd's module, or set KUBELAB_BIN", dir)
	}
	return dir, nil
}

// sourceSum names a program by what it is built from.
func sourceSum(dir string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, runtime.GOARCH)
	for _, name := range sources {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", fmt.Errorf("read the sources of kubelab: %w", err)
		}
		fmt.Fprintf(h, "%s %d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}

var kubernetesVersion = regexp.MustCompile(`(?m)^\tk8s\.io/kubernetes v((\d+)\.(\d+)\.\d+)$`)

// build makes the program beside path and renames it at the end.
func build(ctx context.Context, dir, path string, w io.Writer) error {
	began := time.Now()
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return err
	}
	version := kubernetesVersion.FindSubmatch(mod)
	if version == nil {
		return errors.New("its go.mod names no version of k8s.io/kubernetes")
	}
	fmt.Fprintf(w, "kubelab: building Kubernetes %s, once; this takes 5 to 15 minutes\n", version[1])
	// What the programs say that their version is; without it clients are told v0.0.0.
	const set = " -X k8s.io/component-base/version.git"
	flags := fmt.Sprintf("-s -w%sVersion=v%s%sMajor=%s%sMinor=%s", set, version[1], set, version[2], set, version[3])
	part := path + ".part"
	cmd := exec.CommandContext(ctx, "nice", "-n", "10", "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", part, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(20 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				fmt.Fprintf(w, "kubelab: still building, %s so far\n", time.Since(began).Round(time.Second))
			}
		}
	}()
	err = cmd.Run()
	close(done)
	if err != nil {
		return fmt.Errorf("%w; the end of its output:\n%s", err, tail(log.Bytes(), 3000))
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	fmt.Fprintf(w, "kubelab: built in %s\n", time.Since(began).Round(time.Second))
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// tail returns at most the last n bytes.
func tail(b []byte, n int) []byte { return bytes.TrimSpace(b[max(0, len(b)-n):]) }

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
