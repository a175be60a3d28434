// Package usage says in plain words what is wrong with a command line. What cobra and pflag say by themselves names
// functions of Go and counts arguments without saying which are expected.
package usage

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos/internal/nearest"
)

// Plain makes a command and all below it refuse wrong flags and arguments in plain words.
func Plain(root *cobra.Command) {
	root.SetFlagErrorFunc(explainFlag)
	explainArguments(root)
}

func explainArguments(command *cobra.Command) {
	if accept := command.Args; accept != nil {
		command.Args = func(command *cobra.Command, args []string) error {
			if err := accept(command, args); err != nil {
				return wrongArguments(command, args)
			}
			return nil
		}
	}
	for _, child := range command.Commands() {
		explainArguments(child)
	}
}

// wrongArguments says which arguments a command expects and which it got.
func wrongArguments(command *cobra.Command, args []string) error {
	expected := strings.TrimSuffix(command.UseLine(), " [flags]")
	for _, arg := range args {
		if valid := validArguments(command); len(valid) > 0 && !slices.Contains(valid, arg) {
			return fmt.Errorf("%q is not accepted by %q; %s", arg, command.CommandPath(), suggest(arg, valid))
		}
	}
	got := "no argument"
	if len(args) > 0 {
		quoted := make([]string, len(args))
		for i, arg := range args {
			quoted[i] = strconv.Quote(arg)
		}
		got = strings.Join(quoted, " ")
	}
	return fmt.Errorf("expected %q; got %s", expected, got)
}

func validArguments(command *cobra.Command) []string {
	var words []string
	for _, valid := range command.ValidArgs {
		word, _, _ := strings.Cut(valid, "\t") // a description follows
		words = append(words, word)
	}
	return words
}

func suggest(wrong string, known []string) string {
	if near, ok := nearest.To(wrong, known); ok {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "expected one of " + strings.Join(known, ", ")
}

// explainFlag says what is wrong with a flag.
func explainFlag(command *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		return unknownFlag(command, unknown)
	}
	var lacking *pflag.ValueRequiredError
	if errors.As(err, &lacking) {
		return fmt.Errorf("%s is the last word, but needs a value: %s", name(lacking.GetFlag()), expectation(lacking.GetFlag()))
	}
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return fmt.Errorf("%s %q: %s", name(invalid.GetFlag()), invalid.GetValue(), expectation(invalid.GetFlag()))
	}
	return err
}

func unknownFlag(command *cobra.Command, unknown *pflag.NotExistError) error {
	if unknown.GetSpecifiedShortnames() != "" {
		return fmt.Errorf("unknown flag: -%s", unknown.GetSpecifiedName())
	}
	var known []string
	command.Flags().VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden && flag.Deprecated == "" {
			known = append(known, flag.Name)
		}
	})
	if near, ok := nearest.To(unknown.GetSpecifiedName(), known); ok {
		return fmt.Errorf("unknown flag: --%s; did you mean --%s?", unknown.GetSpecifiedName(), near)
	}
	return fmt.Errorf("unknown flag: --%s", unknown.GetSpecifiedName())
}

func name(flag *pflag.Flag) string { return "--" + flag.Name }

// expectation says which values a flag accepts, by its type.
func expectation(flag *pflag.Flag) string {
	switch kind := flag.Value.Type(); kind {
	case "uint", "uint8", "uint16", "uint32", "uint64", "count":
		return "expected a whole number, 0 or more"
	case "int", "int8", "int16", "int32", "int64":
		return "expected a whole number"
	case "float32", "float64":
		return "expected a number"
	case "bool":
		return "expected true or false"
	case "duration":
		return "expected a duration, for example 90s, 10m or 1h30m"
	case "stringToString":
		return "expected key=value"
	case "string", "stringArray", "stringSlice":
		return "expected a text"
	default:
		return "expected a value of type " + kind
	}
}
