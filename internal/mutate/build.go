package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// woven is a package with all of its mutants.
type woven struct {
	sources *sources
	mutants []*mutant         // those that build, in the order of the source
	dropped int               // mutants that do not build
	code    map[string][]byte // by absolute path
}

// prepare finds the mutants of a package's files and weaves them in. Files are named without directory; none means all.
func prepare(s *sources, files []string) (*woven, error) {
	result := &woven{sources: s}
	sites := map[*sourceFile]map[rangeKey]*site{}
	var found []*mutant
	for _, file := range s.files {
		if len(files) > 0 && !slices.Contains(files, filepath.Base(file.path)) {
			continue
		}
		mutants, at := find(s, file, len(found)+1)
		found = append(found, mutants...)
		sites[file] = at
	}
	for _, name := range files {
		if !slices.ContainsFunc(s.files, func(f *sourceFile) bool { return filepath.Base(f.path) == name }) {
			return nil, fmt.Errorf("%s has no file %s", s.path, name)
		}
	}
	dropped := map[int]bool{}
	for {
		code, faulty, err := tryWeave(s, sites, dropped)
		if err != nil {
			return nil, err
		}
		if len(faulty) == 0 {
			result.code = code
			break
		}
		for _, id := range faulty {
			dropped[id] = true
		}
	}
	for _, m := range found {
		if !dropped[m.ID] {
			result.mutants = append(result.mutants, m)
		}
	}
	slices.SortFunc(result.mutants, inSource)
	result.dropped = len(dropped)
	return result, nil
}

// tryWeave weaves the mutants in and returns the numbers of those that do not build.
func tryWeave(s *sources, sites map[*sourceFile]map[rangeKey]*site, dropped map[int]bool) (map[string][]byte, []int, error) {
	code := map[string][]byte{}
	var files []*sourceFile
	for _, file := range s.files {
		if sites[file] == nil {
			files = append(files, file)
			continue
		}
		source := weave(file, sites[file], dropped)
		parsed, err := s.parse(file.path, source)
		if err != nil {
			return nil, nil, fmt.Errorf("the mutants of %s do not parse: %w", file.name, err)
		}
		code[file.path] = source
		files = append(files, parsed)
	}
	_, _, problems := s.check(files)
	var faulty []int
	for _, problem := range problems {
		var typeError types.Error
		if !errors.As(problem, &typeError) {
			return nil, nil, problem
		}
		if typeError.Soft {
			continue
		}
		ids := mutantsAt(files, typeError.Pos)
		if len(ids) == 0 {
			return nil, nil, fmt.Errorf("with its mutants %s does not build: %w", s.path, problem)
		}
		faulty = append(faulty, ids...)
	}
	return code, faulty, nil
}

// mutantsAt returns the mutants in the smallest piece of code around a position that has any.
func mutantsAt(files []*sourceFile, pos token.Pos) []int {
	for _, file := range files {
		if pos < file.syntax.FileStart || pos > file.syntax.FileEnd {
			continue
		}
		var around []ast.Node
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			if n == nil || pos < n.Pos() || pos > n.End() {
				return false
			}
			around = append(around, n)
			return true
		})
		for _, n := range slices.Backward(around) {
			if ids := mutantsIn(n); len(ids) > 0 {
				return ids
			}
		}
	}
	return nil
}

// mutantsIn returns the mutants that the calls of the selector in a piece of code name.
func mutantsIn(n ast.Node) []int {
	var ids []int
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		function := call.Fun
		if index, ok := function.(*ast.IndexExpr); ok {
			function = index.X
		}
		selector, ok := function.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if name, ok := selector.X.(*ast.Ident); !ok || name.Name != alias {
			return true
		}
		if number, ok := call.Args[0].(*ast.BasicLit); ok {
			if id, err := strconv.Atoi(number.Value); err == nil {
				ids = append(ids, id)
			}
		}
		return true
	})
	return ids
}

// build compiles the tests of packages, named by import path, with all mutants into binaries in dir.
func (w *woven) build(ctx context.Context, dir string, packages []string) ([]*binary, error) {
	replace := map[string]string{}
	for path, source := range w.code {
		substitute := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(substitute, source, 0o600); err != nil {
			return nil, err
		}
		replace[path] = substitute
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return nil, err
	}
	var binaries []*binary
	for i, path := range packages {
		listed, err := list(ctx, "-json=Dir", path)
		if err != nil {
			return nil, err
		}
		b := &binary{path: filepath.Join(dir, fmt.Sprintf("package-%d.test", i)), dir: listed[0].Dir}
		command := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlayFile, "-o", b.path, path)
		if out, err := command.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building the tests of %s with the mutants of %s: %w: %s", path, w.sources.path, err,
				strings.TrimSpace(string(out)))
		}
		binaries = append(binaries, b)
	}
	return binaries, nil
}
