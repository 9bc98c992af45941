package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// programs maps the names of the programs that a lab may need to their packages.
func programs() map[string]string {
	return map[string]string{"mcp-target": "./test/target", "recoveryd": "./cmd/recoveryd"}
}

// Binaries returns a directory with the named programs (mcp-target, recoveryd), for
// Options.Binaries. When RECOVERYD_LAB_BIN names a directory that has them all, it is that, as it
// is; else they are built from the working tree into the cache, statically. It must run inside the
// module. A call with nothing to build takes less than a second.
func Binaries(ctx context.Context, names ...string) (string, error) {
	if dir := os.Getenv("RECOVERYD_LAB_BIN"); dir != "" {
		for _, name := range names {
			if !exists(filepath.Join(dir, name)) {
				return "", fmt.Errorf("RECOVERYD_LAB_BIN=%s does not hold %s: run make build", dir, name)
			}
		}
		return filepath.Abs(dir)
	}
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(mod)))
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(root)) // working trees do not share their programs
	dir := filepath.Join(cache, "bin-"+hex.EncodeToString(sum[:6]))
	if err := os.MkdirAll(filepath.Join(dir, ".tmp"), 0o755); err != nil {
		return "", fmt.Errorf("make the directory of programs: %w", err)
	}
	unlock, err := lock(filepath.Join(dir, ".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	for _, name := range names {
		if err := buildProgram(ctx, root, dir, name); err != nil {
			return "", err
		}
	}
	return dir, nil
}

func buildProgram(ctx context.Context, root, dir, name string) error {
	pkg, ok := programs()[name]
	if !ok {
		return fmt.Errorf("there is no program %q to build", name)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", filepath.Join(dir, name), pkg)
	cmd.Dir = root
	// With its temporary files on the same file system, go renames the new program into place, so
	// that a lab which runs the old one is not disturbed.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOTMPDIR="+filepath.Join(dir, ".tmp"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", name, err, out)
	}
	return nil
}
