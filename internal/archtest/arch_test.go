package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/recoveryd/recoveryd/"

// pkg is one package of the module, without its tests.
type pkg struct {
	path    string // below the module
	imports []string
	doc     string
	clock   []string // uses of the clock, by file
	delays  []string // files that set an exec.Cmd's WaitDelay
}

// packages reads every package of the module.
func packages(t *testing.T) map[string]*pkg {
	t.Helper()
	root := "../.."
	out := map[string]*pkg{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); n == "testdata" || n == "bin" || n == "dist" || strings.HasPrefix(n, ".") && n != ".." {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		p := out[rel]
		if p == nil {
			p = &pkg{path: rel}
			out[rel] = p
		}
		for _, i := range f.Imports {
			if name := strings.Trim(i.Path.Value, `"`); !slices.Contains(p.imports, name) {
				p.imports = append(p.imports, name)
			}
		}
		if f.Doc != nil {
			p.doc += f.Doc.Text()
		}
		if strings.Contains(string(src), ".WaitDelay =") {
			p.delays = append(p.delays, filepath.Base(path))
		}
		for _, word := range []string{"time.Now(", "time.Since(", "time.Until(", "time.Sleep(", "time.After(", "time.NewTimer("} {
			if strings.Contains(string(src), word) {
				p.clock = append(p.clock, filepath.Base(path)+": "+word)
			}
		}
		return nil
	})
	require.NoError(t, err)
	return out
}

// under reports whether a package lies at or below a path.
func under(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func TestEveryPackageSaysWhatItDecides(t *testing.T) {
	for path, p := range packages(t) {
		require.NotEmpty(t, p.doc, "package %s has no doc comment", path)
		require.NotContains(t, []string{"util", "utils", "helper", "helpers", "common", "manager", "misc"}, filepath.Base(path), "a package is named by what it decides")
	}
}

func TestThePurePackagesTouchNothing(t *testing.T) {
	banned := []string{"os", "os/exec", "net", "net/http", "database/sql", "syscall", "math/rand", "math/rand/v2", "crypto/rand", "log", "log/slog",
		"go.uber.org/zap", "github.com/prometheus/client_golang", "github.com/coreos/go-systemd", "github.com/jackc/pgx", "github.com/godbus/dbus", "context"}
	all := packages(t)
	for _, path := range []string{"pkg/detect", "pkg/strategy", "pkg/incident", "pkg/platform/kubernetes"} {
		p := all[path]
		require.NotNil(t, p, path)
		for _, imp := range p.imports {
			for _, b := range banned {
				require.False(t, imp == b || strings.HasPrefix(imp, b+"/"), "%s imports %s: the core decides and touches nothing", path, imp)
			}
		}
		require.Empty(t, p.clock, "%s reads the clock: time is an argument", path)
	}
}

func TestNoProgramsOutputIsCutByAWaitDelay(t *testing.T) {
	for path, p := range packages(t) {
		if path == "pkg/escalate/command" || under(path, "test") {
			continue // of its standard input; the lab hands commands out
		}
		require.Empty(t, p.delays, "%s: a busy machine loses output in a WaitDelay; run the program with pkg/capture", path)
	}
}

func TestRightsAreDerivedWithoutLookingAtTheHost(t *testing.T) {
	p := packages(t)["internal/setup"]
	require.NotNil(t, p)
	for _, b := range []string{"os", "os/exec", "os/user", "net", "net/http", "context", "syscall", "github.com/godbus/dbus/v5"} {
		require.NotContains(t, p.imports, b)
	}
	require.Empty(t, p.clock)
}

func TestImportsGoOneWay(t *testing.T) {
	// What each part may import of ours; a part that is not listed may import anything.
	may := map[string][]string{
		"pkg/detect":         {},
		"pkg/egress":         {},
		"pkg/detect/probe":   {"pkg/detect", "pkg/platform/procview", "pkg/egress"}, // the process table, and nothing that acts
		"pkg/strategy":       {"pkg/detect"},
		"pkg/incident":       {"pkg/detect", "pkg/strategy"},
		"pkg/capture":        {},
		"pkg/platform":       {"pkg/detect", "pkg/strategy", "pkg/platform", "pkg/capture"},
		"pkg/escalate":       {"pkg/escalate", "pkg/capture"},
		"internal/config":    {"internal/config"},
		"internal/residency": {},
		"internal/journal":   {"pkg/incident", "pkg/escalate", "internal/residency"},
		"internal/outbox":    {"pkg/escalate"},
		"internal/evidence":  {"pkg/capture", "pkg/detect", "pkg/detect/probe", "pkg/platform/procview"},
		"internal/replay":    {"pkg/detect", "pkg/incident"},
		"internal/alerts":    {"pkg/detect"},
		"internal/setup":     {"internal/config", "pkg/detect", "pkg/strategy", "pkg/platform"},
		"internal/routing":   {"pkg/incident", "pkg/escalate"},
		"internal/drill":     {"pkg/detect", "pkg/incident", "pkg/escalate", "pkg/platform/cgroup"},
		"internal/engine":    {"pkg/detect", "pkg/strategy", "pkg/incident", "pkg/escalate", "internal/residency"},
		"internal/metrics":   {"pkg/detect", "pkg/strategy", "pkg/incident", "pkg/escalate"},
		"internal/tracing":   {"pkg/incident", "pkg/escalate"},
		"internal/httpserve": {"pkg/detect", "pkg/strategy", "pkg/incident", "pkg/escalate"},
		"internal/report":    {"pkg/detect", "pkg/strategy", "pkg/incident", "pkg/escalate"},
	}
	for path, p := range packages(t) {
		rule := ""
		for dir := range may {
			if under(path, dir) && len(dir) > len(rule) {
				rule = dir
			}
		}
		if rule == "" {
			continue
		}
		for _, imp := range p.imports {
			own, ok := strings.CutPrefix(imp, module)
			if !ok || under(own, rule) && rule != "pkg/detect" {
				continue
			}
			allowed := slices.ContainsFunc(may[rule], func(dir string) bool {
				return own == dir || dir == "pkg/platform" && under(own, dir) || dir == "pkg/escalate" && under(own, dir)
			})
			require.True(t, allowed, "%s imports %s, which is against the direction of imports (see docs/architecture.md)", path, own)
		}
	}
}

func TestProductionCodeDoesNotNeedTheTests(t *testing.T) {
	for path, p := range packages(t) {
		if under(path, "test") || strings.Contains(path, "test") {
			continue
		}
		for _, imp := range p.imports {
			require.False(t, strings.HasPrefix(imp, module+"test/") || imp == "testing", "%s imports %s", path, imp)
		}
	}
}
