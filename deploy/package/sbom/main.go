// Command sbom says what is inside a Go program: a bill of materials (CycloneDX, JSON) of the modules
// that are linked into it, and the licences under which they may be passed on.
//
// It reads what the linker wrote into the program, so it names what is really in there, and not what
// go.mod allows; the toolchain counts as a component. The output depends on nothing but the program
// and SOURCE_DATE_EPOCH. Start reading at run; scripts/package calls it.
package main

import (
	"debug/buildinfo"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	program := flag.String("program", "", "Go program to look into")
	version := flag.String("version", "", "its version")
	sbom := flag.String("sbom", "", "write the bill of materials to this file")
	licences := flag.String("licences", "", "write the licences of all components to this file")
	flag.Parse()
	if err := run(*program, *version, *sbom, *licences); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(program, version, sbom, licences string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return fmt.Errorf("what is linked into %s: %w", program, err)
	}
	graph, err := exec.Command("go", "mod", "graph").Output()
	if err != nil {
		return fmt.Errorf("module graph (run it inside the module): %w", err)
	}
	var made time.Time
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		n, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return fmt.Errorf("SOURCE_DATE_EPOCH=%q is no number of seconds: %w", epoch, err)
		}
		made = time.Unix(n, 0).UTC()
	}
	f, err := os.Create(sbom)
	if err != nil {
		return err
	}
	e := cdx.NewBOMEncoder(f, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	if err := e.EncodeVersion(bill(info, version, string(graph), made), cdx.SpecVersion1_5); err != nil {
		return fmt.Errorf("write %s: %w", sbom, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", sbom, err)
	}
	text, err := notices(info)
	if err != nil {
		return err
	}
	return os.WriteFile(licences, []byte(text), 0o644)
}

// actual is the module that is linked: the replacement where there is one.
func actual(m *debug.Module) *debug.Module {
	if m.Replace != nil {
		return m.Replace
	}
	return m
}

func purl(path, version string) string { return "pkg:golang/" + path + "@" + version }

// bill lists the components and which needs which.
func bill(info *debug.BuildInfo, version, graph string, made time.Time) *cdx.BOM {
	b := cdx.NewBOM()
	main := purl(info.Main.Path, version)
	b.Metadata = &cdx.Metadata{Component: &cdx.Component{BOMRef: main, Type: cdx.ComponentTypeApplication,
		Name: info.Main.Path, Version: version, PackageURL: main,
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}}}
	if !made.IsZero() {
		b.Metadata.Timestamp = made.Format(time.RFC3339)
	}
	toolchain := strings.TrimPrefix(info.GoVersion, "go")
	std := purl("std", toolchain)
	components := []cdx.Component{{BOMRef: std, Type: cdx.ComponentTypeLibrary, Name: "std", Version: toolchain, PackageURL: std}}
	refs := map[string]string{info.Main.Path: main} // by module path
	for _, d := range info.Deps {
		m := actual(d)
		ref := purl(m.Path, m.Version)
		refs[d.Path] = ref
		c := cdx.Component{BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: ref}
		if m.Sum != "" {
			c.Properties = &[]cdx.Property{{Name: "go:sum", Value: m.Sum}}
		}
		components = append(components, c)
	}
	b.Components = &components
	b.Dependencies = needs(refs, std, graph)
	return b
}

// needs reads the lines "module[@version] module@version" of the module graph, between modules that
// are linked.
func needs(refs map[string]string, std, graph string) *[]cdx.Dependency {
	edges := map[string][]string{}
	for line := range strings.Lines(graph) {
		from, to, _ := strings.Cut(strings.TrimSpace(line), " ")
		from, _, _ = strings.Cut(from, "@")
		to, _, _ = strings.Cut(to, "@")
		if refs[from] != "" && refs[to] != "" && from != to {
			edges[refs[from]] = append(edges[refs[from]], refs[to])
		}
	}
	var list []cdx.Dependency
	for _, ref := range refs {
		on := append(edges[ref], std)
		slices.Sort(on)
		on = slices.Compact(on)
		list = append(list, cdx.Dependency{Ref: ref, Dependencies: &on})
	}
	slices.SortFunc(list, func(a, b cdx.Dependency) int { return strings.Compare(a.Ref, b.Ref) })
	return &list
}

// notices puts the licence texts of all linked modules and of Go one after the other. A module without
// one may not be passed on, so that is an error.
func notices(info *debug.BuildInfo) (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	dirs := []string{strings.TrimSpace(string(root))}
	names := []string{"The Go programming language, " + info.GoVersion}
	for _, d := range info.Deps {
		dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", d.Path).Output()
		if err != nil {
			return "", fmt.Errorf("where is module %s: %w", d.Path, err)
		}
		dirs = append(dirs, strings.TrimSpace(string(dir)))
		names = append(names, actual(d).Path+" "+actual(d).Version)
	}
	var out strings.Builder
	for i, dir := range dirs {
		files, err := licenceFiles(dir)
		if err != nil {
			return "", err
		}
		if len(files) == 0 {
			return "", fmt.Errorf("%s has no licence in %s: it may not be distributed", names[i], dir)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&out, "%s\n%s (%s)\n%s\n\n%s\n\n", strings.Repeat("=", 80), names[i], filepath.Base(f), strings.Repeat("=", 80), strings.TrimSpace(string(text)))
		}
	}
	return out.String(), nil
}

// licenceFiles are the files of a module that say under which terms it may be used.
func licenceFiles(dir string) (files []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		for _, word := range []string{"LICENSE", "LICENCE", "COPYING", "NOTICE"} {
			if strings.HasPrefix(name, word) && e.Type().IsRegular() {
				files = append(files, filepath.Join(dir, e.Name()))
				break
			}
		}
	}
	return files, nil
}
