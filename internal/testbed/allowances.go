package testbed

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/rootedfile"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Allowances are what a scenario may take from this machine beside the files in its own directory. A scenario may come
// from somebody else, and what it takes is given to the code that it runs: nothing is allowed unless it is named.
type Allowances struct {
	Env          []string // variables
	Files        []string
	PlainSecrets bool // settings in clear text whose keys say that they are secrets
}

// Check refuses a workload that takes what was not allowed, before anything is done.
func (a Allowances) Check(w scenario.Workload, beside string) error {
	var problems []error
	for _, name := range scenario.Variables(w) {
		problems = append(problems, a.allowedVariable(name))
	}
	for _, name := range scenario.SecretFiles(w) {
		if !a.allowedFile(beside, name) && !rootedfile.IsLocal(name) {
			problems = append(problems, refusedFile(name))
		}
	}
	return errors.Join(problems...)
}

func (a Allowances) allowedVariable(name string) error {
	if slices.Contains(a.Env, name) {
		return nil
	}
	return fmt.Errorf("the scenario asks for the environment variable %s of this machine: give --allow-env %s if it may have it", name, name)
}

// allowedFile reports whether a file was named by a flag: as the scenario names it, or by its path.
func (a Allowances) allowedFile(beside, name string) bool {
	if slices.Contains(a.Files, name) {
		return true
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(beside, name)
	}
	wanted, err := filepath.Abs(name)
	return err == nil && slices.ContainsFunc(a.Files, func(allowed string) bool {
		path, err := filepath.Abs(allowed)
		return err == nil && path == wanted
	})
}

func refusedFile(name string) error {
	return fmt.Errorf("the scenario asks for the file %s, which is not below its own directory: give --allow-file %s if it may have it", name,
		name)
}

// Options are how a scenario is read.
func (a Allowances) Options() []scenario.Option {
	if !a.PlainSecrets {
		return nil
	}
	return []scenario.Option{scenario.AllowPlainSecrets()}
}

// variable returns how the environment variables that a scenario names are read.
func (a Allowances) variable(lookup func(string) (string, bool)) func(name string) (string, error) {
	return func(name string) (string, error) {
		if err := a.allowedVariable(name); err != nil {
			return "", err
		}
		value, ok := lookup(name)
		if !ok {
			return "", fmt.Errorf("the environment has no %s; set it", name)
		}
		return value, nil
	}
}

// maxSecretFile is the size of the largest file that holds a secret value: Kubernetes keeps no larger Secret.
const maxSecretFile = 1 << 20

// secretFile returns how the files that hold secret values are read, for the scenario of a directory.
func (a Allowances) secretFile(beside string) func(name string) (string, error) {
	return func(name string) (string, error) {
		open := func() (io.ReadCloser, error) { return rootedfile.Open(beside, name) }
		if a.allowedFile(beside, name) {
			open = func() (io.ReadCloser, error) { return rootedfile.OpenAny(beside, name) }
		} else if !rootedfile.IsLocal(name) {
			return "", refusedFile(name)
		}
		file, err := open()
		if err != nil {
			return "", err
		}
		content, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
		if err = errors.Join(err, file.Close()); err != nil {
			return "", err
		}
		if len(content) > maxSecretFile {
			return "", fmt.Errorf("the file %s has more than %d bytes, which is more than a Kubernetes Secret holds", name, maxSecretFile)
		}
		return strings.TrimRight(string(content), "\r\n"), nil
	}
}
