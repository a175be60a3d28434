package runner

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// secrets are the values that the workload gets and that are in no file of the run. They are read before anything is
// created.
type secrets struct {
	conf      map[string]string // by the key of Spark's setting
	variables map[string]string // that components are given, by the variable's name
}

// readSecrets reads all that the scenario asks for, and fails with everything that is missing or was not allowed.
func (r *run) readSecrets() error {
	r.secrets = secrets{conf: map[string]string{}, variables: map[string]string{}}
	var problems []error
	read := func(into map[string]string, key, at string, get func(string) (string, error), name string) {
		if get == nil {
			problems = append(problems, fmt.Errorf("%s: %s was not allowed", at, name))
			return
		}
		value, err := get(name)
		if err == nil && value == "" {
			err = fmt.Errorf("%s is empty", name)
		}
		if err == nil && !utf8.ValidString(value) {
			err = fmt.Errorf("%s is not UTF-8 text, which settings and variables require", name)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", at, err))
			return
		}
		into[key] = value
	}
	w := r.Plan.Workload
	for _, component := range r.components {
		if reader, ok := component.(launcher.VariableReader); ok {
			path, names := reader.Variables(w)
			for _, name := range names {
				read(r.secrets.variables, name, path, r.Variable, name)
			}
		}
	}
	conf := scenario.SecretConf(w)
	for _, key := range slices.Sorted(maps.Keys(conf)) {
		if value := conf[key]; value.FromEnv != "" {
			read(r.secrets.conf, key, "spec.workload.conf."+key, r.Variable, value.FromEnv)
		} else {
			read(r.secrets.conf, key, "spec.workload.conf."+key, r.SecretFile, value.FromFile)
		}
	}
	return errors.Join(problems...)
}

// fill puts the values into the Kubernetes Secrets that pods get them from.
func (s secrets) fill(objects *launcher.Objects, witnessToken string) error {
	if err := objects.FillSecretConf(s.conf); err != nil {
		return err
	}
	return objects.Fill(launcher.Values{Variables: s.variables, WitnessToken: witnessToken})
}

// shortestMasked is the length from which a value is masked in logs: shorter ones are not secrets, and any log may contain
// them by chance.
const shortestMasked = 6

// masked returns what must not appear in a log: the values, and each line of those that have several. The longest come
// first, so that no value hides a part of another.
func (s secrets) masked() []string {
	var all []string
	for _, values := range []map[string]string{s.conf, s.variables} {
		for _, value := range values {
			for line := range strings.Lines(value) {
				if line = strings.TrimSpace(line); len(line) >= shortestMasked {
					all = append(all, line)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(all)
}
