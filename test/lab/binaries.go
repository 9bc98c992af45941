package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Programs maps the names of the programs that a lab may need to their packages.
func programs() map[string]string {
	return map[string]string{"mcp-target": "./test/target", "recoveryd": "./cmd/recoveryd"}
}

// BuildBinaries builds static programs into dir, for Options.Binaries. Names are mcp-target and
// recoveryd. It must run below the module's root; Go's build cache makes a second call cheap.
func BuildBinaries(ctx context.Context, dir string, names ...string) error {
	root, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the directory of binaries: %w", err)
	}
	for _, name := range names {
		pkg, ok := programs()[name]
		if !ok {
			return fmt.Errorf("there is no program %q to build", name)
		}
		target, err := filepath.Abs(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("build %s: %w", name, err)
		}
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", target, pkg)
		cmd.Dir = filepath.Dir(strings.TrimSpace(string(root)))
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", name, err, out)
		}
	}
	return nil
}
