package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/parts"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/scripts"
)

// newSetupCommand returns `sparkchaos setup`.
func newSetupCommand(getenv func(string) string) *cobra.Command {
	var source string
	packages := true
	command := &cobra.Command{
		Use:   "setup",
		Short: "Install and build everything that clusters on this machine need, once per machine",
		Long: `Install missing packages of the distribution (on Debian, as root; elsewhere they are listed), build the components of a
cluster from the Go module proxy, and build the images that every scenario needs from Maven Central and this machine's JDK.
What exists is kept, and an interrupted call can be repeated: it continues where it stopped. No checkout is needed: the
sources are embedded in this program or belong to its Go module, which the go command fetches. If $` + parts.Variable + `
names prebuilt parts, they are used first (see "sparkchaos parts").`,
		Example: `  sparkchaos setup
  sparkchaos setup --packages=false`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return setUp(command.Context(), getenv, source, packages, command.OutOrStdout(), command.ErrOrStderr())
		},
	}
	command.Flags().StringVar(&source, "source", "", "a checkout of sparkchaos, or a directory in one, to build from (default: the one "+
		"around the working directory, or what belongs to this program)")
	command.Flags().BoolVar(&packages, "packages", packages, "install missing packages of the distribution")
	return command
}

// setupStep is a part of the set-up.
type setupStep struct {
	name string
	do   func(context.Context) error
}

// setUp does the steps one after the other, and says how long each took.
func setUp(ctx context.Context, getenv func(string) string, source string, packages bool, out, progress io.Writer) error {
	cache, err := paths.Cache(getenv)
	if err != nil {
		return err
	}
	env, err := imageEnv(getenv, source, progress)
	if err != nil {
		return err
	}
	var steps []setupStep
	if packages {
		steps = append(steps, setupStep{"packages of the distribution",
			func(ctx context.Context) error { return installPackages(ctx, out, progress) }})
	}
	if reference := getenv(parts.Variable); reference != "" {
		steps = append(steps, setupStep{"parts from " + reference, func(ctx context.Context) error {
			return prepareParts(ctx, getenv, source, progress)
		}})
	}
	steps = append(steps,
		setupStep{"components of a cluster (about 12 minutes of two CPUs the first time)", func(ctx context.Context) error {
			root, err := components.Source(source, cache)
			if err != nil {
				return err
			}
			return components.Build(ctx, components.Options{Source: root, Cache: cache, Progress: progress})
		}},
		setupStep{"images (about 2 minutes the first time)", func(ctx context.Context) error {
			var problems []error
			for _, target := range imageTargets() {
				if target.wanted(nil) {
					_, err := target.build(ctx, env)
					problems = append(problems, err)
				}
			}
			return errors.Join(problems...)
		}},
	)
	for i, step := range steps {
		fmt.Fprintf(out, "%d of %d: %s\n", i+1, len(steps), step.name)
		begun := time.Now()
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("set up %s: %w\na second call continues where this one stopped", step.name, err)
		}
		fmt.Fprintf(out, "%d of %d: done in %s\n", i+1, len(steps), time.Since(begun).Round(time.Second))
	}
	_, err = fmt.Fprintf(out, "all is there, in %s; next: sparkchaos run driver-node-power-off\n", cache)
	return err
}

// installPackages runs the script that installs the distribution's packages, which says itself what is missing where it cannot.
func installPackages(ctx context.Context, out, progress io.Writer) error {
	shell, err := exec.LookPath("bash")
	if err != nil {
		return fmt.Errorf("the script that installs packages needs Bash: %w", err)
	}
	command := exec.CommandContext(ctx, shell, "-s")
	command.Stdin = strings.NewReader(scripts.InstallSystemPackages)
	command.Stdout, command.Stderr, command.Env = out, progress, os.Environ()
	return command.Run()
}
