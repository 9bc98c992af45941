package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
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
	dials   []string // what makes a client or a connection, by file
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
		p.dials = append(p.dials, dials(filepath.Base(path), f)...)
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

// ways are the names of the standard library that make an HTTP client or a connection.
var ways = map[string][]string{
	"net/http":   {"Transport", "DefaultClient", "DefaultTransport", "Get", "Head", "Post", "PostForm"},
	"net":        {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialUnix", "DialIP", "Dialer"},
	"crypto/tls": {"Dial", "DialWithDialer", "Dialer"}, "net/smtp": {"Dial", "SendMail"}, "net/rpc": {"Dial", "DialHTTP"},
}

// dials lists what in a file makes a client or a connection: a way, or an http.Client other than a pointer to one that
// somebody else made.
func dials(name string, f *ast.File) (found []string) {
	local := map[string]string{} // the name of a package in this file -> its path
	for _, i := range f.Imports {
		path := strings.Trim(i.Path.Value, `"`)
		local[filepath.Base(path)] = path
		if i.Name != nil {
			local[i.Name.Name] = path
			if i.Name.Name == "." && ways[path] != nil {
				found = append(found, name+": a dot import of "+path)
			}
		}
	}
	pointed := map[ast.Expr]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if star, ok := n.(*ast.StarExpr); ok {
			pointed[star.X] = true
		}
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := s.X.(*ast.Ident)
		if !ok || x.Obj != nil { // a variable of that name
			return true
		}
		path := local[x.Name]
		if slices.Contains(ways[path], s.Sel.Name) || path == "net/http" && s.Sel.Name == "Client" && !pointed[s] {
			found = append(found, name+": "+x.Name+"."+s.Sel.Name)
		}
		return true
	})
	return found
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
	for _, path := range []string{"pkg/detect", "pkg/strategy", "pkg/incident", "pkg/escalate/route", "pkg/escalate/queue", "pkg/platform/kubernetes"} {
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

func TestOnePlaceMakesRequests(t *testing.T) {
	for path, p := range packages(t) {
		if path == "pkg/egress" || under(path, "test") {
			continue
		}
		require.Empty(t, p.dials, "%s: connections and HTTP clients are made by pkg/egress, which refuses what would go to another place than the configured one", path)
	}
	// The test itself sees each way, also under another name.
	for _, body := range []string{
		"var c http.Client", "var c = &http.Client{}", "var c = new(http.Client)", "type c struct{ http.Client }", "var c = web.DefaultClient", "var c = &web.Transport{}",
		"var _, _ = http.Get(`x`)", "var d net.Dialer", "var _, _ = net.DialTimeout(``, ``, 0)", "var _, _ = tls.Dial(``, ``, nil)",
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nimport (\"crypto/tls\"; \"net\"; \"net/http\"; web \"net/http\")\n"+body, 0)
		require.NoError(t, err)
		require.NotEmpty(t, dials("x.go", f), body)
	}
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nimport \"net/http\"\ntype c struct{ http *http.Client }\nfunc (c c) f() { c.http.Get(`x`) }", 0)
	require.NoError(t, err)
	require.Empty(t, dials("x.go", f))
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
		"pkg/detect":          {},
		"pkg/egress":          {},
		"pkg/detect/probe":    {"pkg/detect", "pkg/platform/procview", "pkg/egress"}, // the process table, and nothing that acts
		"pkg/strategy":        {"pkg/detect"},
		"pkg/incident":        {"pkg/detect", "pkg/strategy"},
		"pkg/capture":         {},
		"pkg/platform":        {"pkg/detect", "pkg/strategy", "pkg/platform", "pkg/capture", "pkg/egress"},
		"pkg/escalate":        {"pkg/escalate", "pkg/capture", "pkg/egress"},
		"pkg/escalate/notice": {},
		"pkg/escalate/route":  {"pkg/escalate/notice"},
		"pkg/escalate/queue":  {"pkg/escalate/notice"},
		"internal/strictyaml": {},
		"internal/config":     {"internal/strictyaml"},
		"internal/residency":  {},
		"internal/journal":    {"pkg/incident", "pkg/escalate", "internal/residency"},
		"internal/outbox":     {"pkg/escalate"},
		"internal/evidence":   {"pkg/capture", "pkg/detect", "pkg/detect/probe", "pkg/platform/procview", "pkg/egress"},
		"internal/replay":     {"pkg/detect", "pkg/incident"},
		"internal/alerts":     {"pkg/detect"},
		"internal/setup":      {"internal/config", "pkg/detect", "pkg/strategy", "pkg/platform"},
		"internal/routing":    {"pkg/incident", "pkg/escalate"},
		"internal/drill":      {"pkg/detect", "pkg/incident", "pkg/escalate", "pkg/platform/cgroup", "pkg/egress"},
		"internal/engine":     {"pkg/detect", "pkg/strategy", "pkg/incident", "pkg/escalate", "internal/residency"},
		"internal/metrics":    {"pkg/detect", "pkg/strategy", "pkg/incident", "pkg/escalate"},
		"internal/tracing":    {"pkg/incident", "pkg/escalate", "pkg/egress"},
		"internal/httpserve":  {"pkg/detect", "pkg/strategy", "pkg/incident", "pkg/escalate", "pkg/egress"},
		"internal/report":     {"pkg/detect", "pkg/strategy", "pkg/incident", "pkg/escalate"},
	}
	may["internal/config/reference"] = []string{"internal/config", "internal/strictyaml", "pkg/escalate", "pkg/platform"} // it documents the keys of notifiers and platforms
	may["pkg/platform/process"] = append([]string{"internal/config", "internal/strictyaml"}, may["pkg/platform"]...)      // the types of its keys
	may["pkg/platform/builtin"] = []string{"internal/config", "internal/strictyaml", "pkg/platform"}                      // it tells the configuration of all of them
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

func TestOnlyTheCommandLineKnowsTheConsole(t *testing.T) {
	for path, p := range packages(t) {
		for _, imp := range p.imports {
			own, _ := strings.CutPrefix(imp, module)
			require.False(t, under(own, "internal/console") && !under(path, "internal/console") && path != "cmd/recoveryd", "%s imports %s", path, own)
		}
	}
}

// TestTheCoreSpeaksOfNoPlatform: what is particular to a platform is in its driver, also its words.
func TestTheCoreSpeaksOfNoPlatform(t *testing.T) {
	words := regexp.MustCompile(`(?i)systemd|d-?bus|polkit|cgroup|journald|\binvocation|\bunits?\b|docker|kubernetes|\bpods?\b`)
	older := map[string][]string{"action.go": {`"unit."`}, "state.go": {`json:"invocation,omitzero"`}, "witness.go": {`"unit"`, `"cgroup"`}} // names in journals of earlier builds
	for _, dir := range []string{"pkg/detect", "pkg/strategy", "pkg/incident"} {
		files, err := filepath.Glob("../../" + dir + "/*.go")
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			src, err := os.ReadFile(path)
			require.NoError(t, err)
			for n, line := range strings.Split(string(src), "\n") {
				for _, name := range older[filepath.Base(path)] {
					line = strings.ReplaceAll(line, name, "")
				}
				require.Empty(t, words.FindString(line), "%s/%s:%d speaks of a platform: %s", dir, filepath.Base(path), n+1, line)
			}
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
