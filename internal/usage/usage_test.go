package usage_test

import (
	"io"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/usage"
)

// program returns a tree of commands whose arguments and flags are of each kind.
func program() *cobra.Command {
	root := &cobra.Command{Use: "program", SilenceErrors: true, SilenceUsage: true}
	child := &cobra.Command{Use: "copy FROM [TO]", Args: cobra.RangeArgs(1, 2), RunE: func(*cobra.Command, []string) error { return nil }}
	flags := child.Flags()
	flags.Uint64("seed", 1, "")
	flags.Int("repeat", 1, "")
	flags.Float64("share", 1, "")
	flags.Duration("wait", time.Second, "")
	flags.Bool("keep", false, "")
	flags.StringToString("label", nil, "")
	flags.StringP("output", "o", "", "")
	flags.IP("address", nil, "")
	build := &cobra.Command{
		Use: "build [spark|pause]...", ValidArgs: []string{"spark\tthe larger one", "pause"}, Args: cobra.OnlyValidArgs,
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	root.AddCommand(child, build)
	usage.Plain(root)
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	return root
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		want string // empty: accepted
	}{
		"right":               {args: []string{"copy", "a", "--seed", "7", "--wait=3s"}},
		"no argument":         {[]string{"copy"}, `expected "program copy FROM [TO]"; got no argument`},
		"too many":            {[]string{"copy", "a", "b", "c d"}, `expected "program copy FROM [TO]"; got "a" "b" "c d"`},
		"not accepted":        {[]string{"build", "sprak"}, `"sprak" is not accepted by "program build"; did you mean spark?`},
		"nothing is near":     {[]string{"build", "pause", "x"}, `"x" is not accepted by "program build"; expected one of spark, pause`},
		"a word for a number": {[]string{"copy", "a", "--seed", "abc"}, `--seed "abc": expected a whole number, 0 or more`},
		"a negative seed":     {[]string{"copy", "a", "--seed", "-1"}, `--seed "-1": expected a whole number, 0 or more`},
		"a seed beyond all bounds": {[]string{"copy", "a", "--seed", "99999999999999999999"},
			`--seed "99999999999999999999": expected a whole number, 0 or more`},
		"a fraction":                {[]string{"copy", "a", "--repeat", "1.5"}, `--repeat "1.5": expected a whole number`},
		"a word for a fraction":     {[]string{"copy", "a", "--share", "half"}, `--share "half": expected a number`},
		"a duration without a unit": {[]string{"copy", "a", "--wait", "3"}, `--wait "3": expected a duration, for example 90s, 10m or 1h30m`},
		"neither true nor false":    {[]string{"copy", "a", "--keep=maybe"}, `--keep "maybe": expected true or false`},
		"a label without a value":   {[]string{"copy", "a", "--label", "tier"}, `--label "tier": expected key=value`},
		"a type that is not known":  {[]string{"copy", "a", "--address", "here"}, `--address "here": expected a value of type ip`},
		"no value": {[]string{"copy", "a", "--seed"},
			`--seed is the last word, but needs a value: expected a whole number, 0 or more`},
		"no value of a short flag":    {[]string{"copy", "a", "-o"}, `--output is the last word, but needs a value: expected a text`},
		"a flag that is mistyped":     {[]string{"copy", "a", "--sed", "7"}, `unknown flag: --sed; did you mean --seed?`},
		"a flag that nothing is like": {[]string{"copy", "a", "--timeout", "7"}, `unknown flag: --timeout`},
		"an unknown short flag":       {[]string{"copy", "a", "-x"}, `unknown flag: -x`},
	} {
		root := program()
		root.SetArgs(tt.args)
		err := root.Execute()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || err.Error() != tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}
