package cli

import (
	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos/internal/testbed"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// addAllowances adds the flags that name what a scenario may take from this machine.
func addAllowances(a *testbed.Allowances, flags *pflag.FlagSet) {
	flags.StringArrayVar(&a.Env, "allow-env", nil, "an environment variable whose value the scenario may have; may be repeated")
	flags.StringArrayVar(&a.Files, "allow-file", nil,
		"a file outside of the scenario's directory that it may have the secret value of a setting from; may be repeated")
	addPlainSecrets(flags, &a.PlainSecrets)
}

// addPlainSecrets adds the flag of all commands that read scenarios.
func addPlainSecrets(flags *pflag.FlagSet, allowed *bool) {
	flags.BoolVar(allowed, "allow-plain-secrets", false, "accept settings in clear text whose keys say that they are secrets")
}

func plainSecretsOption(allowed bool) []scenario.Option {
	return testbed.Allowances{PlainSecrets: allowed}.Options()
}
