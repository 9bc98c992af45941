package labtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/recoveryd/recoveryd/test/lab"
)

// Everything is the reference server of MCP that nobody here wrote, and its version.
const Everything = "@modelcontextprotocol/server-everything@2026.8.31"

// EverythingMain is its program, below the directory that MCPServer returns.
const EverythingMain = "node_modules/@modelcontextprotocol/server-everything/dist/index.js"

// MCPServer returns a directory with node and the reference server of MCP, for Options.Programs. It is installed once, beside
// the root file systems of labs. The test is skipped where there is no npm, or where the registry that npm is set up with
// cannot be had.
func MCPServer(t testing.TB) string {
	t.Helper()
	Require(t)
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs node and npm (scripts/bootstrap installs them)")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("needs npm (scripts/bootstrap installs it)")
	}
	cache, err := lab.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "npm-"+filepath.Base(Everything))
	if _, err := os.Stat(filepath.Join(dir, "ready")); err == nil {
		return dir
	}
	part, err := os.MkdirTemp(cache, "npm-part-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(part) }) // of an installation that failed
	cmd := exec.CommandContext(t.Context(), npm, "install", "--prefix", part, "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries", "1", Everything)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Skipf("needs %s, which npm cannot install here: %v: %.500s", Everything, err, out.String())
	}
	program, err := os.ReadFile(node) // a link would lead nowhere in the lab
	if err == nil {
		err = os.WriteFile(filepath.Join(part, "node"), program, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(part, "ready"), nil, 0o644)
	}
	if err == nil {
		err = os.Chmod(part, 0o755)
	}
	if err == nil {
		err = os.Rename(part, dir)
	}
	if _, there := os.Stat(filepath.Join(dir, "ready")); there != nil { // another process may have been faster
		t.Fatalf("keep %s: %v", Everything, err)
	}
	return dir
}
