package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// selectorPath is the package that woven sources import.
const selectorPath = "github.com/sparkchaos/sparkchaos/internal/mutate/selector"

// sourceFile is one file of a package under test.
type sourceFile struct {
	path   string // absolute
	name   string // relative to the module, with slashes
	source []byte
	syntax *ast.File
}

// sources is a package under test, with its types.
type sources struct {
	path    string // of the import
	dir     string
	root    string // of the module
	fset    *token.FileSet
	files   []*sourceFile
	types   *types.Package
	info    *types.Info
	exports map[string]string // export data by import path
}

// listed is what go list says about a package.
type listed struct {
	ImportPath string
	Dir        string
	Export     string
	GoFiles    []string
	CgoFiles   []string
	Module     *struct{ Dir string }
}

// load lists, parses and checks the package that the pattern names.
func load(ctx context.Context, pattern string) (*sources, error) {
	target, err := list(ctx, "-json=ImportPath,Dir,GoFiles,CgoFiles,Module", pattern)
	if err != nil {
		return nil, err
	}
	if len(target) != 1 || target[0].Module == nil || len(target[0].CgoFiles) > 0 {
		return nil, fmt.Errorf("%s is %d packages; expected one package of this module, without cgo", pattern, len(target))
	}
	dependencies, err := list(ctx, "-json=ImportPath,Export", "-deps", "-export", target[0].ImportPath, selectorPath)
	if err != nil {
		return nil, err
	}
	s := &sources{
		path: target[0].ImportPath, dir: target[0].Dir, root: target[0].Module.Dir,
		fset: token.NewFileSet(), exports: map[string]string{},
	}
	for _, dependency := range dependencies {
		s.exports[dependency.ImportPath] = dependency.Export
	}
	for _, name := range target[0].GoFiles {
		file, err := s.parse(filepath.Join(s.dir, name), nil)
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, file)
	}
	var problems []error
	s.types, s.info, problems = s.check(s.files)
	return s, errors.Join(problems...)
}

func list(ctx context.Context, args ...string) ([]listed, error) {
	var stderr bytes.Buffer
	command := exec.CommandContext(ctx, "go", append([]string{"list"}, args...)...)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var one listed
		if err := decoder.Decode(&one); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading what go list says: %w", err)
		}
		packages = append(packages, one)
	}
}

// parse reads a file; source replaces what is on disk unless it is nil.
func (s *sources) parse(path string, source []byte) (*sourceFile, error) {
	if source == nil {
		var err error
		if source, err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	syntax, err := parser.ParseFile(s.fset, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	name, err := filepath.Rel(s.root, path)
	if err != nil {
		return nil, err
	}
	return &sourceFile{path: path, name: filepath.ToSlash(name), source: source, syntax: syntax}, nil
}

// check checks the types of the files as one package and returns all errors.
func (s *sources) check(files []*sourceFile) (*types.Package, *types.Info, []error) {
	var problems []error
	config := types.Config{
		Importer: importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) {
			if s.exports[path] == "" {
				return nil, fmt.Errorf("no export data of %s", path)
			}
			return os.Open(s.exports[path])
		}),
		Error: func(err error) { problems = append(problems, err) },
	}
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
	}
	var trees []*ast.File
	for _, file := range files {
		trees = append(trees, file.syntax)
	}
	checked, _ := config.Check(s.path, s.fset, trees, info) // the error is the first of those that Error got
	return checked, info, problems
}
