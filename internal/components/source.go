package components

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// EmbeddedObjects are C files of the component's source module whose objects it embeds but does not ship: they are
// compiled into a copy of the module, which takes the module's place.
type EmbeddedObjects struct {
	// Directory of the module that holds the C files and is to hold the objects.
	Directory string
	// Flags for the C compiler.
	Flags []string
}

// Data is a directory that a build has beside its programs.
type Data struct {
	// Name is the directory's name in the build.
	Name string
	// Copied is the directory of the source module that it is a copy of; empty if it is generated.
	Copied string
	// Generated is the program, by its package, and its arguments; {directory} stands for the directory that receives the files.
	Generated []string
}

// sourceCopy is a writable copy of a module, and the go.mod by which it is used.
type sourceCopy struct{ modfile string }

// copySource makes the copy that the recipe asks for; nil if it asks for none.
func (c compilation) copySource(ctx context.Context) (*sourceCopy, error) {
	objects := c.component.Objects
	if objects == nil {
		return nil, nil
	}
	source, err := c.moduleDirectory(ctx)
	if err != nil {
		return nil, err
	}
	target := filepath.Join(c.scratch, "source")
	if err := copyWritable(source, target); err != nil {
		return nil, fmt.Errorf("copy module %s: %w", c.component.Source, err)
	}
	files, err := filepath.Glob(filepath.Join(target, objects.Directory, "*.c"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there is no C file in %s of %s", objects.Directory, c.component.Source)
	}
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		arguments := append(append([]string{"-c"}, objects.Flags...), "-o", strings.TrimSuffix(file, ".c")+".o", file)
		if output, err := exec.CommandContext(ctx, compiler(), arguments...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("compile %s: %w: %s", filepath.Base(file), err, bytes.TrimSpace(output))
		}
	}
	return c.replaceSource(ctx, target)
}

// replaceSource writes a go.mod beside the nested module's own in which the copy takes the module's place.
func (c compilation) replaceSource(ctx context.Context, target string) (*sourceCopy, error) {
	replaced := &sourceCopy{modfile: filepath.Join(c.scratch, "go.mod")}
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(c.directory, name))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(c.scratch, name), data, 0o644); err != nil {
			return nil, err
		}
	}
	_, err := c.ask(ctx, "mod", "edit", "-replace="+c.component.Source+"="+target, replaced.modfile)
	return replaced, err
}

// moduleDirectory returns where the go command keeps the source module; it is fetched first if it is not there.
func (c compilation) moduleDirectory(ctx context.Context) (string, error) {
	if _, err := c.ask(ctx, "mod", "download", c.component.Source); err != nil {
		return "", err
	}
	return c.ask(ctx, "list", "-m", "-f", "{{.Dir}}", c.component.Source)
}

// ask calls the go command in the nested module and returns what it printed.
func (c compilation) ask(ctx context.Context, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = c.directory
	command.Env = c.environment()
	var said bytes.Buffer
	command.Stderr = &said
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("\"go %s\" in %s: %w: %s", strings.Join(arguments, " "), c.directory, err, bytes.TrimSpace(said.Bytes()))
	}
	return strings.TrimSpace(string(output)), nil
}

// makeData fills the directories that the build has beside its programs.
func (c compilation) makeData(ctx context.Context, result string) error {
	var problems []error
	for _, data := range c.component.Data {
		if err := c.makeOne(ctx, data, filepath.Join(result, data.Name)); err != nil {
			problems = append(problems, fmt.Errorf("make %s: %w", data.Name, err))
		}
	}
	return errors.Join(problems...)
}

func (c compilation) makeOne(ctx context.Context, data Data, directory string) error {
	if data.Copied != "" {
		source, err := c.moduleDirectory(ctx)
		if err != nil {
			return err
		}
		return copyWritable(filepath.Join(source, data.Copied), directory)
	}
	if err := os.Mkdir(directory, 0o755); err != nil {
		return err
	}
	arguments := []string{"run"}
	for _, argument := range data.Generated {
		arguments = append(arguments, strings.ReplaceAll(argument, "{directory}", directory))
	}
	if _, err := c.ask(ctx, arguments...); err != nil {
		return err
	}
	made, err := os.ReadDir(directory)
	if err == nil && len(made) == 0 {
		err = fmt.Errorf("%s wrote no file", data.Generated[0])
	}
	return err
}

// copyWritable copies a directory of the module cache, which is read-only.
func copyWritable(source, target string) error {
	return filepath.WalkDir(source, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		copied := filepath.Join(target, relative)
		if entry.IsDir() {
			return os.MkdirAll(copied, 0o755)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(copied, data, 0o644)
	})
}
