package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos/internal/rootedfile"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// allowances are what a scenario may take from this machine beside the files in its own directory. A scenario may come
// from somebody else, and what it takes is given to the code that it runs: nothing is allowed unless it is named.
type allowances struct {
	env          []string
	files        []string
	plainSecrets bool
}

func (a *allowances) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&a.env, "allow-env", nil, "an environment variable whose value the scenario may have; may be repeated")
	flags.StringArrayVar(&a.files, "allow-file", nil, "a file outside of the scenario's directory that it may have the secret value of a setting from; may be repeated")
	addPlainSecrets(flags, &a.plainSecrets)
}

// addPlainSecrets adds the flag of all commands that read scenarios.
func addPlainSecrets(flags *pflag.FlagSet, allowed *bool) {
	flags.BoolVar(allowed, "allow-plain-secrets", false, "accept settings in clear text whose keys say that they are secrets")
}

func plainSecretsOption(allowed bool) []scenario.Option {
	if !allowed {
		return nil
	}
	return []scenario.Option{scenario.AllowPlainSecrets()}
}

// check refuses a workload that takes what was not allowed, before anything is done.
func (a allowances) check(w scenario.Workload, beside string) error {
	var problems []error
	for _, name := range scenario.Variables(w) {
		problems = append(problems, a.allowedVariable(name))
	}
	for _, name := range scenario.SecretFiles(w) {
		if !a.allowedFile(beside, name) && !rootedfile.IsLocal(name) {
			problems = append(problems, refusedFile(name))
		}
	}
	return withCode(ExitUsage, errors.Join(problems...))
}

func (a allowances) allowedVariable(name string) error {
	if slices.Contains(a.env, name) {
		return nil
	}
	return fmt.Errorf("the scenario asks for the environment variable %s of this machine: give --allow-env %s if it may have it", name, name)
}

// allowedFile reports whether a file was named by a flag: as the scenario names it, or by its path.
func (a allowances) allowedFile(beside, name string) bool {
	if slices.Contains(a.files, name) {
		return true
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(beside, name)
	}
	wanted, err := filepath.Abs(name)
	return err == nil && slices.ContainsFunc(a.files, func(allowed string) bool {
		path, err := filepath.Abs(allowed)
		return err == nil && path == wanted
	})
}

func refusedFile(name string) error {
	return fmt.Errorf("the scenario asks for the file %s, which is not below its own directory: give --allow-file %s if it may have it", name, name)
}

// variable returns how the environment variables that a scenario names are read.
func (a allowances) variable(lookup func(string) (string, bool)) func(name string) (string, error) {
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
func (a allowances) secretFile(beside string) func(name string) (string, error) {
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
