package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// module lays out a small module and runs the real "go test -json" in it.
func module(t *testing.T, files map[string]string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example\n\ngo 1.26\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	cmd := exec.Command("go", append(append([]string{"test", "-json"}, flags...), "./...")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil { // failing tests are what some cases are about
		require.NotEmpty(t, out, "%v", err)
	}
	return string(out)
}

func summary(t *testing.T, events string) (text, last string, r *report) {
	t.Helper()
	var b strings.Builder
	r = newReport(&b)
	require.NoError(t, r.read(strings.NewReader(events)))
	require.NoError(t, r.finish())
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	return b.String(), lines[len(lines)-1], r
}

const header = "package x\n\nimport \"testing\"\n\n"

func TestPassesFailuresAndSkipsAreCounted(t *testing.T) {
	text, last, _ := summary(t, module(t, map[string]string{
		"a/a_test.go": header + `
func TestGood(t *testing.T) { t.Run("inner", func(t *testing.T) {}) }
func TestBad(t *testing.T) { t.Error("the reason why") }
func TestNotHere(t *testing.T) { t.Skip("needs a lab: labs need root (this is uid 7)") }
`,
		"b/b.go": "package b\n",
	}))
	require.Equal(t, "2 passed, 1 failed, 1 skipped", last)
	require.Contains(t, text, "the reason why")
	require.Contains(t, text, "example/a.TestNotHere\n      needs a lab: labs need root (this is uid 7)\n")
	require.Contains(t, text, "FAILED, 1:\n  example/a.TestBad\n")
}

func TestAPackageThatDoesNotBuildIsAFailure(t *testing.T) {
	text, last, _ := summary(t, module(t, map[string]string{
		"a/a_test.go": header + "func TestGood(t *testing.T) {}\n",
		"b/b_test.go": header + "func TestNever(t *testing.T) { undefinedThing() }\n",
	}))
	require.Equal(t, "1 passed, 1 failed, 0 skipped", last)
	require.Contains(t, text, "undefinedThing")
}

func TestAPackageThatDiesIsAFailure(t *testing.T) {
	text, last, _ := summary(t, module(t, map[string]string{
		"a/a_test.go": "package x\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestMain(m *testing.M) { m.Run(); os.Stderr.WriteString(\"last words\\n\"); os.Exit(3) }\nfunc TestGood(t *testing.T) {}\n",
	}))
	require.Equal(t, "1 passed, 1 failed, 0 skipped", last)
	require.Contains(t, text, "last words")
}

func TestWhatATestSaidThatRanOutOfTimeIsShown(t *testing.T) {
	text, last, _ := summary(t, module(t, map[string]string{
		"a/a_test.go": "package x\n\nimport (\n\t\"testing\"\n\t\"time\"\n)\n\nfunc TestStuck(t *testing.T) { select { case <-time.After(time.Hour): } }\n",
	}, "-timeout=1s"))
	require.Equal(t, "0 passed, 1 failed, 0 skipped", last)
	require.Contains(t, text, "test timed out after 1s")
	require.Contains(t, text, "example/a.TestStuck")
}

func TestNothingAtAllIsNotASuccess(t *testing.T) {
	text, last, r := summary(t, "pattern ./nothing: no such directory\n")
	require.Equal(t, "0 passed, 0 failed, 0 skipped", last)
	require.Contains(t, text, "no such directory", "what is no event is passed on")
	require.Contains(t, text, "no test ran")
	require.Zero(t, r.passed)
}
