package cli

import (
	"cmp"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// openReport writes report.html into a run directory and shows it. Where no browser can be started, as on a server, the path that is
// printed is all there is.
func openReport(command *cobra.Command, directory string, verdict check.RunVerdict, info report.RunInfo,
	show func(address string) error) error {
	if err := report.WriteFiles(directory, verdict, info, report.HTML); err != nil {
		return err
	}
	path, err := filepath.Abs(filepath.Join(directory, report.HTMLFile))
	if err != nil {
		return err
	}
	fmt.Fprintln(command.OutOrStdout(), printable.Line(path))
	if err := show((&url.URL{Scheme: "file", Path: path}).String()); err != nil {
		return fmt.Errorf("open the report in a browser: %w; open the file yourself", err)
	}
	return nil
}

// startBrowser returns what opens an address: the program that BROWSER names, else the system's own.
func startBrowser(getenv func(string) string) func(string) error {
	name := map[string]string{"darwin": "open", "windows": "explorer"}[runtime.GOOS]
	name = cmp.Or(getenv("BROWSER"), name, "xdg-open")
	return func(address string) error {
		started := exec.Command(name, address)
		if err := started.Start(); err != nil {
			return err
		}
		return started.Process.Release()
	}
}
