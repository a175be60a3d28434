package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/parts"
	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/internal/wording"
)

// newPartsCommand returns `sparkchaos parts`.
func newPartsCommand(getenv func(string) string) *cobra.Command {
	return newGroup("parts", "Share what is built, components and images, through a registry or a file",
		newPartsPushCommand(getenv),
		newPartsPullCommand(getenv),
		newPartsExportCommand(getenv),
		newPartsImportCommand(getenv),
	)
}

// partsMachine describes this machine to those who move parts.
func partsMachine(getenv func(string) string, source string, progress io.Writer) (parts.Machine, error) {
	env, err := imageEnv(getenv, source, progress)
	if err != nil {
		return parts.Machine{}, err
	}
	return parts.Machine{Env: env, Program: programVersion(), Say: func(format string, args ...any) {
		fmt.Fprintln(progress, printable.Lines(fmt.Sprintf(format, args...)))
	}}, nil
}

// sourceFlag is of commands that compare images with sources.
func sourceFlag(command *cobra.Command) *string {
	return command.Flags().String("source", "",
		"a checkout of sparkchaos, or a directory in one (default: the one around the working directory, or what belongs to this program)")
}

func newPartsPushCommand(getenv func(string) string) *cobra.Command {
	command := &cobra.Command{
		Use:   "push OCI-REFERENCE",
		Short: "Push the components and images of this machine to a registry, for machines that shall not build them",
		Long: `Push the components that the cache has and the images that every scenario needs, with a bill of materials (CycloneDX)
and the provenance (in-toto, not signed). Without a tag it is that of the components' lock, by which a pull finds it;
parts of other platforms under the same tag stay. The credentials are those of "docker login" or "podman login". The
reference by digest is printed: it always means these parts.`,
		Example: `  sparkchaos parts push oci://registry.example.com/team/sparkchaos-parts`,
		Args:    cobra.ExactArgs(1),
	}
	source := sourceFlag(command)
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := checkReference(args[0]); err != nil {
			return err
		}
		machine, err := partsMachine(getenv, *source, command.ErrOrStderr())
		if err != nil {
			return err
		}
		pushed, err := machine.Push(command.Context(), args[0])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(command.OutOrStdout(), "oci://%s\n", pushed)
		return err
	}
	return command
}

func checkReference(text string) error {
	_, err := parts.Reference(text)
	return withCode(ExitUsage, err)
}

// addWanted adds the flag for all parts.
func addWanted(command *cobra.Command) *bool {
	return command.Flags().Bool("all", false, "take those, too, that only some scenarios or tests need")
}

func wantedParts(names []string, all bool) (parts.Wanted, error) {
	if all && len(names) > 0 {
		return parts.Wanted{}, usagef("--all takes every part; leave out %q or --all", names)
	}
	return parts.Wanted{Names: names, All: all}, nil
}

func newPartsPullCommand(getenv func(string) string) *cobra.Command {
	command := &cobra.Command{
		Use:   "pull OCI-REFERENCE [PART...]",
		Short: "Fetch components and images that another machine pushed, instead of building them",
		Long: `Fetch what the cache lacks, verify each digest, and have later builds of the same sources use it. Without names it is
what clusters and every scenario need. A part appears in the cache as a whole or not at all; a call that was
interrupted continues with the part that it had not finished. "sparkchaos setup" and a run that lacks components do
the same from $` + parts.Variable + `.`,
		Example: `  sparkchaos parts pull oci://registry.example.com/team/sparkchaos-parts
  sparkchaos parts pull oci://registry.example.com/team/sparkchaos-parts@sha256:… chaos-mesh`,
		Args: cobra.MinimumNArgs(1),
	}
	source, all := sourceFlag(command), addWanted(command)
	command.RunE = func(command *cobra.Command, args []string) error {
		wanted, err := wantedParts(args[1:], *all)
		if err := errors.Join(err, checkReference(args[0])); err != nil {
			return err
		}
		machine, err := partsMachine(getenv, *source, command.ErrOrStderr())
		if err != nil {
			return err
		}
		return machine.Pull(command.Context(), args[0], wanted)
	}
	return command
}

func newPartsExportCommand(getenv func(string) string) *cobra.Command {
	command := &cobra.Command{
		Use:     "export FILE.tar.zst",
		Short:   "Write the components and images of this machine to a file, for machines without a network",
		Example: `  sparkchaos parts export parts.tar.zst`,
		Args:    cobra.ExactArgs(1),
	}
	source := sourceFlag(command)
	command.RunE = func(command *cobra.Command, args []string) error {
		machine, err := partsMachine(getenv, *source, command.ErrOrStderr())
		if err != nil {
			return err
		}
		if err := machine.Export(command.Context(), args[0]); err != nil {
			return err
		}
		info, err := os.Stat(args[0])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(command.OutOrStdout(), "%s, %s\n", args[0], wording.Megabytes(info.Size()))
		return err
	}
	return command
}

func newPartsImportCommand(getenv func(string) string) *cobra.Command {
	command := &cobra.Command{
		Use:     "import FILE.tar.zst [PART...]",
		Short:   "Take components and images from a file of `sparkchaos parts export`",
		Example: `  sparkchaos parts import parts.tar.zst`,
		Args:    cobra.MinimumNArgs(1),
	}
	source, all := sourceFlag(command), addWanted(command)
	command.RunE = func(command *cobra.Command, args []string) error {
		wanted, err := wantedParts(args[1:], *all)
		if err != nil {
			return err
		}
		machine, err := partsMachine(getenv, *source, command.ErrOrStderr())
		if err != nil {
			return err
		}
		return machine.Import(command.Context(), args[0], wanted)
	}
	return command
}

// prepareParts pulls what is missing from where the environment says.
func prepareParts(ctx context.Context, getenv func(string) string, source string, progress io.Writer) error {
	machine, err := partsMachine(getenv, source, progress)
	if err != nil {
		return err
	}
	return machine.Prepare(ctx, getenv, parts.Wanted{})
}
