package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/internal/regular"
	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
	"github.com/sparkchaos/sparkchaos/pkg/report/gate"
)

func newGateCommand(getenv func(string) string) *cobra.Command {
	var expect int
	var rulesFile, output string
	var reports ciReports
	command := &cobra.Command{
		Use:   "gate DIRECTORY",
		Short: "Decide whether the runs below a directory meet a set of rules",
		Long: `Evaluate rules over all stored runs below a directory and print each rule with its figure. No cluster is needed.

In addition to the rules, every run directory must have a verdict, controls must have ended as expected, and there must be at
least as many runs as --expect says, so that a job in which nothing ran fails. Copies of a run count once. Without --rules,
every run must have passed.

Exit codes: all rules held 0, a rule is broken 1, not enough evidence 2 (fewer runs than expected, or no rule was
evaluated), error 3, usage or a mistake in the rules 64.`,
		Example: `  sparkchaos gate runs --expect 24
  sparkchaos gate runs --expect 24 --rules rules.yaml --junit junit.xml`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if expect < 0 {
				return usagef("--expect %d: expected a number of runs, 0 or more", expect)
			}
			if output != "text" && output != "json" {
				return usagef("--output: %q is unknown; want text or json", output)
			}
			rules, err := loadRules(rulesFile)
			if err != nil {
				return err
			}
			found, err := gate.Find(args[0])
			if errors.Is(err, fs.ErrNotExist) {
				return withCode(ExitUsage, err)
			}
			if err != nil {
				return err
			}
			decision := gate.Decide(found, expect, rules)
			if err := printDecision(command.OutOrStdout(), decision, output); err != nil {
				return err
			}
			result := outcome{code: codeOfVerdict(decision.Verdict)}
			if err := reports.write(command.OutOrStdout(), getenv, found.Runs); err != nil {
				result = result.or(outcome{code: ExitError, err: err})
			}
			if result.err != nil {
				return withCode(result.code, result.err)
			}
			return exitWith(result.code)
		},
	}
	f := command.Flags()
	f.IntVar(&expect, "expect", 0, "number of runs that are expected; with fewer, the gate does not pass")
	f.StringVar(&rulesFile, "rules", "", "YAML file with rules; without it every run must have passed")
	f.StringVarP(&output, "output", "o", "text", "text or json")
	reports.addFlags(f)
	return command
}

func loadRules(file string) (gate.Rules, error) {
	if file == "" {
		return gate.Standard(), nil
	}
	content, err := regular.ReadFile(file, strictyaml.MaxBytes)
	if err != nil {
		return gate.Rules{}, withCode(ExitUsage, fmt.Errorf("--rules: %w", err))
	}
	rules, err := gate.Parse(file, content)
	return rules, withCode(ExitUsage, err)
}

// printJSON prints a value for a program to read, with the characters of HTML as they are.
func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func printDecision(out io.Writer, d gate.Decision, output string) error {
	if output == "json" {
		return printJSON(out, d)
	}
	for _, o := range d.Outcomes {
		fmt.Fprintf(out, "%-13s  %s: %s\n", o.State, printable.Line(o.Rule), printable.Line(o.Figure))
	}
	_, err := fmt.Fprintf(out, "gate: %s: %s\n", strings.ToUpper(string(d.Verdict)), printable.Line(d.Reason))
	return err
}
