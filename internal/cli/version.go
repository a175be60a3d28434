package cli

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/components"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of sparkchaos and of the components that it was made for",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			all, err := components.Components()
			if err != nil {
				return err
			}
			fmt.Fprintf(command.OutOrStdout(), "sparkchaos %s\n", programVersion())
			for _, component := range all {
				fmt.Fprintf(command.OutOrStdout(), "%s\n", component)
			}
			return nil
		},
	}
}

// programVersion is that of this program.
func programVersion() string {
	info, _ := debug.ReadBuildInfo()
	return describe(info)
}

// describe says what a binary was built from: version or commit, uncommitted changes, Go.
func describe(info *debug.BuildInfo) string {
	if info == nil {
		return "of unknown version (built without module support)"
	}
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	text := info.Main.Version
	if text == "" {
		text = "(devel)"
	}
	if revision := settings["vcs.revision"]; revision != "" {
		text += " commit " + revision
	}
	if settings["vcs.modified"] == "true" {
		text += " with uncommitted changes"
	}
	return text + " " + info.GoVersion
}
