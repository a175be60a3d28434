package components

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
)

// Component is a recipe together with what it is applied to: it names one build and the place of its result.
type Component struct {
	Recipe
	// Version is what go.mod pins, e.g. "v1.36.3".
	Version string
	// Key is the SHA-256, in hexadecimal, of all that is written down about the build: the nested module's files, the
	// flags and the programs. The Go toolchain and C libraries of the machine are no part of it.
	Key string
}

// String returns name and version, as messages have them.
func (c Component) String() string { return c.Name + " " + c.Version }

// keyDigits is how much of a key appears in a directory's name: enough to tell builds apart, short enough to read.
const keyDigits = 12

// Directory returns the directory below the cache that holds the build.
func (c Component) Directory(cache string) string {
	return filepath.Join(root(cache), fmt.Sprintf("%s-%s-%s", c.Name, c.Version, c.Key[:keyDigits]))
}

// Bin returns the directory of the build that holds only its programs.
func (c Component) Bin(cache string) string { return filepath.Join(c.Directory(cache), "bin") }

// absent returns the programs that are not in the build's bin directory as executable files. A build appears there as
// a whole; a part of it can only be absent when somebody removed it.
func (c Component) absent(cache string) []Program { return c.absentIn(c.Bin(cache)) }

func (c Component) absentIn(bin string) []Program {
	var absent []Program
	for _, program := range c.Programs() {
		info, err := os.Stat(filepath.Join(bin, string(program)))
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 || info.Size() == 0 {
			absent = append(absent, program)
		}
	}
	return absent
}

// Built reports whether the cache holds the whole build.
func (c Component) Built(cache string) bool { return len(c.absent(cache)) == 0 }

// Size returns the bytes of the build's regular files.
func (c Component) Size(cache string) (int64, error) {
	var total int64
	err := filepath.WalkDir(c.Directory(cache), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		total += info.Size()
		return nil
	})
	return total, err
}

// root is the directory below the cache in which builds lie side by side.
func root(cache string) string { return filepath.Join(cache, "components") }

// modules is the directory of a checkout with the nested modules.
func modules(source string) string { return filepath.Join(source, "components") }

// resolve reads the nested modules of a checkout: versions and keys as they are there now.
func resolve(recipes []Recipe, source string) ([]Component, error) {
	components := make([]Component, 0, len(recipes))
	for _, recipe := range recipes {
		module := os.DirFS(filepath.Join(modules(source), recipe.Name))
		version, err := pinned(module, recipe.Source)
		if err != nil {
			return nil, fmt.Errorf("component %s in %s: %w", recipe.Name, source, err)
		}
		key, err := key(recipe, version, module)
		if err != nil {
			return nil, fmt.Errorf("component %s in %s: %w", recipe.Name, source, err)
		}
		components = append(components, Component{Recipe: recipe, Version: version, Key: key})
	}
	return components, nil
}

// pinned returns the version of a module that the go.mod of a nested module requires.
func pinned(module fs.FS, source string) (string, error) {
	data, err := fs.ReadFile(module, "go.mod")
	if err != nil {
		return "", err
	}
	file, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		return "", err
	}
	for _, require := range file.Require {
		if require.Mod.Path == source {
			return require.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("go.mod does not require %s, whose version is the component's; add it with \"go get %s@VERSION\"", source, source)
}

// key computes a Component's Key.
func key(recipe Recipe, version string, module fs.FS) (string, error) {
	digest := sha256.New()
	write := func(kind, value string) { fmt.Fprintf(digest, "%s %q\n", kind, value) }
	for _, argument := range recipe.arguments(version) {
		write("argument", argument)
	}
	for _, variable := range recipe.environment() {
		write("environment", variable)
	}
	for _, program := range recipe.Programs() {
		write("program", string(program))
	}
	for _, extra := range recipe.extras() {
		write("extra", extra)
	}
	err := eachFile(module, ".", func(name string, data []byte) error {
		sum := sha256.Sum256(data)
		write("file", name)
		write("sum", hex.EncodeToString(sum[:]))
		return nil
	})
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}
