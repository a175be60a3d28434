package components

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// Set is one complete build of all components that a cluster is made of, as found in a cache.
type Set struct {
	cache      string
	components []Component
}

// Locate finds the builds that this binary was made for in a cache (see paths.Cache). If any is missing, the error
// lists each one with the path where it was expected and the command that builds it.
func Locate(cache string) (Set, error) {
	components, err := Components()
	if err != nil {
		return Set{}, err
	}
	return locate(ofCluster(components), cache)
}

// ofCluster leaves out what is only built on demand.
func ofCluster(components []Component) []Component {
	return slices.DeleteFunc(slices.Clone(components), func(c Component) bool { return c.OnDemand })
}

// LocateOnDemand finds a program of a component that is built on demand. If it is not there, the error says how to build it.
func LocateOnDemand(cache string, program Program) (string, error) {
	components, err := Components()
	if err != nil {
		return "", err
	}
	for _, component := range components {
		if !component.OnDemand || !slices.Contains(component.Programs(), program) {
			continue
		}
		if !component.Built(cache) {
			return "", fmt.Errorf("%s is not built: nothing in %s; run \"sparkchaos components build %s\"",
				component, component.Bin(cache), component.Name)
		}
		if err := component.check(cache); err != nil {
			return "", fmt.Errorf("%w; run \"sparkchaos components build %s\", which builds it again", err, component.Name)
		}
		return filepath.Join(component.Bin(cache), string(program)), nil
	}
	return "", fmt.Errorf("no component that is built on demand has a program %q", program)
}

// LocateData finds a directory that the build of a component that is built on demand has beside its programs; the component is the
// one that installs the program.
func LocateData(cache string, program Program, name string) (string, error) {
	executable, err := LocateOnDemand(cache, program)
	if err != nil {
		return "", err
	}
	directory := filepath.Join(filepath.Dir(filepath.Dir(executable)), name)
	if _, err := os.Stat(directory); err != nil {
		return "", fmt.Errorf("the build of %s is damaged: %w; remove %s and build it again", program, err, filepath.Dir(directory))
	}
	return directory, nil
}

func locate(components []Component, cache string) (Set, error) {
	var problems []error
	for _, component := range components {
		absent := component.absent(cache)
		switch {
		case len(absent) == 0:
			if err := component.check(cache); err != nil {
				problems = append(problems, err)
			}
		case len(absent) == len(component.Programs()):
			problems = append(problems, fmt.Errorf("%s is not built: nothing in %s", component, component.Bin(cache)))
		default:
			problems = append(problems, fmt.Errorf("%s is damaged: no executable %s in %s", component, enumerate(absent), component.Bin(cache)))
		}
	}
	if len(problems) > 0 {
		return Set{}, fmt.Errorf("%w\nbuild what is missing or damaged, once per machine: \"sparkchaos setup\"", errors.Join(problems...))
	}
	return Set{cache: cache, components: components}, nil
}

// Path returns the absolute path of a program, or "" for a name that is none of this package's constants.
func (s Set) Path(program Program) string {
	for _, component := range s.components {
		if slices.Contains(component.Programs(), program) {
			return filepath.Join(component.Bin(s.cache), string(program))
		}
	}
	return ""
}

// Bins returns the directories that hold the programs, one a component: mounted into a node they give it all programs.
// Links in them are relative and stay within their directory.
func (s Set) Bins() []string {
	bins := make([]string, 0, len(s.components))
	for _, component := range s.components {
		bins = append(bins, component.Bin(s.cache))
	}
	return bins
}

// Bin returns the directory with the programs of the component that installs the given one, or "" as Path does.
func (s Set) Bin(program Program) string {
	if path := s.Path(program); path != "" {
		return filepath.Dir(path)
	}
	return ""
}

// Versions returns the version of each component by its name, e.g. "kubernetes": "v1.36.3".
func (s Set) Versions() map[string]string {
	versions := make(map[string]string, len(s.components))
	for _, component := range s.components {
		versions[component.Name] = component.Version
	}
	return versions
}

// modulePath distinguishes a checkout of sparkchaos from other Go modules.
const modulePath = "github.com/sparkchaos/sparkchaos"

// FindSource returns the root of the checkout that a directory lies in.
func FindSource(directory string) (string, error) {
	absolute, err := filepath.Abs(directory)
	if err != nil {
		return "", err
	}
	for candidate := absolute; ; candidate = filepath.Dir(candidate) {
		data, err := os.ReadFile(filepath.Join(candidate, "go.mod"))
		if err == nil && modfile.ModulePath(data) == modulePath {
			return candidate, nil
		}
		if candidate == filepath.Dir(candidate) {
			return "", fmt.Errorf("%s is not in a checkout of sparkchaos (no go.mod of %s there or above), and components are built from one; name "+
				"it with --source CHECKOUT", absolute, modulePath)
		}
	}
}

// enumerate formats names as "a, b and c".
func enumerate[T ~string](names []T) string {
	words := make([]string, 0, len(names))
	for _, name := range names {
		words = append(words, string(name))
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
