package cli

import (
	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos/internal/testbed"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// addAllowances adds the flags that name what a scenario may take from this machine.
func addAllowances(a *testbed.Allowances, flags *pflag.FlagSet) {
	flags.StringArrayVar(&a.Env, "allow-env", nil, "environment variable that the scenario may read; may be repeated")
	flags.StringArrayVar(&a.Files, "allow-file", nil,
		"file outside the scenario's directory from which the scenario may read the secret value of a setting; may be repeated")
	addPlainSecrets(flags, &a.PlainSecrets)
}

// addPlainSecrets adds the flag of all commands that read scenarios.
func addPlainSecrets(flags *pflag.FlagSet, allowed *bool) {
	flags.BoolVar(allowed, "allow-plain-secrets", false, "accept clear-text values of settings whose keys look like secrets")
}

func plainSecretsOption(allowed bool) []scenario.Option {
	return testbed.Allowances{PlainSecrets: allowed}.Options()
}
