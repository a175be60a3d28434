package scenario

import (
	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
)

// Error is what Load returns for a file with problems: all of them, each with line and column.
type Error = strictyaml.Error

// Problem is one problem of a file.
type Problem = strictyaml.Problem

// Option changes how a scenario or a plan is read.
type Option func(*options)

type options struct{ plainSecrets bool }

// AllowPlainSecrets accepts settings in clear text whose keys say that they are secrets.
func AllowPlainSecrets() Option { return func(o *options) { o.plainSecrets = true } }

// PlainSecretsAllowed reports whether AllowPlainSecrets is among the options.
func PlainSecretsAllowed(how []Option) bool { return chosen(how).plainSecrets }

func chosen(how []Option) options {
	var all options
	for _, option := range how {
		option(&all)
	}
	return all
}

// Load reads a scenario. file is its name for messages only. It returns an *Error with every problem of the file, or
// a scenario as it was written, without defaults; see Default.
func Load(file string, data []byte, catalogue Catalogue, how ...Option) (*Scenario, error) {
	var s Scenario
	err := Decode(file, data, catalogue, &s, func(report func(path, format string, args ...any)) {
		if s.Kind == Kind {
			validate(&s, catalogue, chosen(how), report)
		}
	})
	if err != nil {
		return nil, err
	}
	return &s, nil
}

// Decode reads a YAML or JSON document that may hold types of this package: scenarios and plans. It fills in what into points to,
// and then has check report by their paths the problems that no type describes. It returns an *Error with every problem.
func Decode(file string, data []byte, catalogue Catalogue, into any, check func(report func(path, format string, args ...any))) error {
	d := strictyaml.NewDecoder(decoders(catalogue)).WithWords(Words())
	d.Decode(data, into)
	check(d.Problem)
	return d.Err(file)
}

// Marshal writes a scenario as YAML that Load reads as the same scenario.
func Marshal(s *Scenario) ([]byte, error) {
	return strictyaml.YAML(s, false)
}
