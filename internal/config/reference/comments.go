package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// comments holds the comment of each struct field, by "package.Struct.Field".
type comments map[string]string

// readComments collects the field comments of all structs of package config, in dir, and of the
// notifiers and platforms.
func readComments(dir string) (comments, error) {
	var paths []string
	for _, in := range []string{dir, filepath.Join(dir, "..", "..", "pkg", "escalate"), filepath.Join(dir, "..", "..", "pkg", "escalate", "*"),
		filepath.Join(dir, "..", "..", "pkg", "platform", "*")} {
		found, err := filepath.Glob(filepath.Join(in, "*.go"))
		if err != nil {
			return nil, err
		}
		paths = append(paths, found...)
	}
	out := comments{}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				out.add(file.Name.Name+".", spec)
			}
			return true
		})
	}
	return out, nil
}

func (c comments) add(prefix string, spec *ast.TypeSpec) {
	st, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range st.Fields.List {
		text := strings.Join(strings.Fields(f.Doc.Text()), " ")
		for _, name := range f.Names {
			c[prefix+spec.Name.Name+"."+name.Name] = text
		}
	}
}

// of returns the comment of a key.
func (c comments) of(s strictyaml.Shape) string { return c[s.Type+"."+s.Field] }

// complete reports keys without a comment.
func (c comments) complete(s strictyaml.Shape) error {
	var errs []error
	for _, f := range s.Fields {
		if c.of(f) == "" {
			errs = append(errs, fmt.Errorf("field %s.%s (key %s) has no comment", f.Type, f.Field, f.Key))
		}
		errs = append(errs, c.complete(f))
	}
	if s.Elem != nil {
		errs = append(errs, c.complete(*s.Elem))
	}
	return errors.Join(errs...)
}
