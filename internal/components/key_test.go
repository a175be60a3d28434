package components

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestKeyFollowsFilesAndRecipe(t *testing.T) {
	t.Parallel()
	module := func(change func(fstest.MapFS)) fstest.MapFS {
		files := fstest.MapFS{
			"go.mod":      {Data: []byte("module m\n")},
			"go.sum":      {Data: []byte("sum\n")},
			"sub/main.go": {Data: []byte("package main\n")},
		}
		if change != nil {
			change(files)
		}
		return files
	}
	recipe := func(change func(*Recipe)) Recipe {
		r := Recipe{Name: "demo", Source: "example.com/demo", Packages: []string{"."}, Tags: []string{"a"}, LDFlags: []string{"-s"}}
		if change != nil {
			change(&r)
		}
		return r
	}
	of := func(t *testing.T, r Recipe, version string, files fstest.MapFS) string {
		t.Helper()
		got, err := key(r, version, files)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	original := of(t, recipe(nil), "v1.0.0", module(nil))

	tests := map[string]struct {
		recipe  func(*Recipe)
		files   func(fstest.MapFS)
		version string
		same    bool
	}{
		"nothing": {same: true},
		"an editor's file": {files: func(f fstest.MapFS) { f[".main.go.swp"] = &fstest.MapFile{}; f[".idea/x"] = &fstest.MapFile{} },
			same: true},
		"an ignored file":    {files: func(f fstest.MapFS) { f["_old.go"] = &fstest.MapFile{} }, same: true},
		"a file's content":   {files: func(f fstest.MapFS) { f["go.sum"] = &fstest.MapFile{Data: []byte("other\n")} }},
		"a file's name":      {files: func(f fstest.MapFS) { f["sub/other.go"] = f["sub/main.go"]; delete(f, "sub/main.go") }},
		"a new file":         {files: func(f fstest.MapFS) { f["new.go"] = &fstest.MapFile{} }},
		"tags":               {recipe: func(r *Recipe) { r.Tags = []string{"a", "b"} }},
		"linker flags":       {recipe: func(r *Recipe) { r.LDFlags = nil }},
		"cgo":                {recipe: func(r *Recipe) { r.CGO = true }},
		"packages":           {recipe: func(r *Recipe) { r.Packages = []string{"./sub"} }},
		"links":              {recipe: func(r *Recipe) { r.Links = []Program{"x"} }},
		"version in flags":   {recipe: func(r *Recipe) { r.LDFlags = []string{"-s{version}"} }, version: "v1.0.1"},
		"needed for cgo":     {recipe: func(r *Recipe) { r.PkgConfig = []string{"x"} }, same: true},
		"boundaries of text": {recipe: func(r *Recipe) { r.Tags = nil; r.LDFlags = []string{"-s -tags a"} }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			version := "v1.0.0"
			if test.version != "" {
				version = test.version
			}
			got := of(t, recipe(test.recipe), version, module(test.files))
			if (got == original) != test.same {
				t.Errorf("key %s, original %s: same = %t, want %t", got, original, got == original, test.same)
			}
		})
	}
}

func TestPinned(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		gomod, want, problem string
	}{
		"required":     {gomod: "module m\nrequire example.com/demo v1.2.3\n", want: "v1.2.3"},
		"indirectly":   {gomod: "module m\nrequire (\n\texample.com/demo v1.2.3 // indirect\n)\n", want: "v1.2.3"},
		"not at all":   {gomod: "module m\n", problem: "go.mod does not require example.com/demo"},
		"not readable": {gomod: "modul", problem: "go.mod:1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := pinned(fstest.MapFS{"go.mod": {Data: []byte(test.gomod)}}, "example.com/demo")
			if got != test.want {
				t.Errorf("version %q, want %q", got, test.want)
			}
			if (err == nil) != (test.problem == "") || (err != nil && !strings.Contains(err.Error(), test.problem)) {
				t.Errorf("error %v, want one with %q", err, test.problem)
			}
		})
	}
}
