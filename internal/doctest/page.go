package doctest

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// Page is one Markdown file.
type Page struct {
	Path    string          // below the root that was read, with slashes
	Links   []Text          // addresses of links and pictures
	Blocks  []Block         // fenced code
	Spans   []Text          // code within sentences
	Anchors map[string]bool // what a link to this page may name after #
}

// Text is a piece of a page and where it stands.
type Text struct {
	Value string
	At    string // "docs/cli.md:12"
}

// Block is fenced code. Line is that of its first line of code.
type Block struct {
	Path string
	Line int
	Info string // what stands behind the fence: "yaml", "yaml prometheus", ""
	Code string
}

// Lang is the first word of the info string.
func (b Block) Lang() string { lang, _, _ := strings.Cut(b.Info, " "); return lang }

// At is the position of the n-th line of code, counted from 0.
func (b Block) At(n int) string { return fmt.Sprintf("%s:%d", b.Path, b.Line+n) }

// Read parses every Markdown file below root, but not what is built, hidden or test data.
func Read(root string) ([]Page, error) {
	var out []Page
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			n := d.Name()
			if path != root && (n == "testdata" || n == "bin" || n == "dist" || n == "node_modules" || strings.HasPrefix(n, ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		out = append(out, Parse(filepath.ToSlash(rel), src))
		return nil
	})
	return out, err
}

// idAttribute finds anchors that a page sets itself, as HTML.
var idAttribute = regexp.MustCompile(`<[a-z]+ (?:id|name)="([^"]+)"`)

// Parse reads one page.
func Parse(path string, src []byte) Page {
	p := Page{Path: path, Anchors: map[string]bool{}}
	for _, m := range idAttribute.FindAllSubmatch(src, -1) {
		p.Anchors[string(m[1])] = true
	}
	at := func(n ast.Node) string { return fmt.Sprintf("%s:%d", path, lineOf(n, src)) }
	slugs := map[string]int{}
	doc := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(src))
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the function below returns no error
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			p.Anchors[slug(words(n, src), slugs)] = true
		case *ast.Link:
			p.Links = append(p.Links, Text{string(n.Destination), at(n)})
		case *ast.Image:
			p.Links = append(p.Links, Text{string(n.Destination), at(n)})
		case *ast.CodeSpan:
			p.Spans = append(p.Spans, Text{words(n, src), at(n)})
		case *ast.FencedCodeBlock:
			b := Block{Path: path}
			if n.Info != nil {
				b.Info = strings.TrimSpace(string(n.Info.Value(src)))
			}
			if lines := n.Lines(); lines.Len() > 0 {
				b.Line, b.Code = 1+bytes.Count(src[:lines.At(0).Start], []byte("\n")), string(lines.Value(src))
			}
			p.Blocks = append(p.Blocks, b)
		}
		return ast.WalkContinue, nil
	})
	return p
}

// lineOf is the line of the block that an inline node stands in; exact enough to find it.
func lineOf(n ast.Node, src []byte) int {
	for c := n.FirstChild(); c != nil; c = c.FirstChild() {
		if t, ok := c.(*ast.Text); ok {
			return 1 + bytes.Count(src[:t.Segment.Start], []byte("\n"))
		}
	}
	for ; n != nil; n = n.Parent() {
		if n.Type() != ast.TypeInline && n.Lines() != nil && n.Lines().Len() > 0 {
			return 1 + bytes.Count(src[:n.Lines().At(0).Start], []byte("\n"))
		}
	}
	return 1
}

// words is the text of a node without its marks.
func words(n ast.Node, src []byte) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			b.Write(c.Segment.Value(src))
			if c.SoftLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(c.Value)
		default:
			b.WriteString(words(c, src))
		}
	}
	return b.String()
}

// notInSlug is what GitHub drops from a heading to make its anchor.
var notInSlug = regexp.MustCompile(`[^\p{L}\p{N}\p{M}\p{Pc} -]`)

// slug makes the anchor of a heading as GitHub does; the second heading of a name gets "-1".
func slug(heading string, seen map[string]int) string {
	s := strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), ""), " ", "-")
	n := seen[s]
	seen[s]++
	if n > 0 {
		return fmt.Sprintf("%s-%d", s, n)
	}
	return s
}
