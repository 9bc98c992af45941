// Package runbooks is the pages beside this file, one for each built-in failure class and one for each platform that has a
// runbook of its own, as the binary carries them: they can be read on a host that has nothing else at night.
package runbooks

import (
	"embed"
	"io/fs"
	"slices"
	"strings"
)

//go:embed *.md
var pages embed.FS

// platforms are the pages that are about a platform and not about a class.
var platforms = []string{"kubernetes"}

// Platforms lists the platforms that have a page.
func Platforms() []string { return slices.Clone(platforms) }

// Classes lists the classes that have a page, in the order of their names.
func Classes() (out []string) {
	files, _ := fs.Glob(pages, "*.md") // an error: a malformed pattern, which this is not
	for _, f := range files {
		if class := strings.TrimSuffix(f, ".md"); class != "README" && !slices.Contains(platforms, class) {
			out = append(out, class)
		}
	}
	return out
}

// Page returns the page of a class or a platform in Markdown; false when it has none.
func Page(class string) (string, bool) {
	if class == "README" {
		return "", false
	}
	text, err := pages.ReadFile(class + ".md")
	return string(text), err == nil
}

// Title returns the heading of a page without the name of its class or platform: what it means in short.
func Title(class string) string {
	text, _ := Page(class)
	head, _, _ := strings.Cut(text, "\n")
	return strings.TrimPrefix(head, "# "+class+": ")
}
