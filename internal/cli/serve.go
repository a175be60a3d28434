package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/httpserver"
	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/pkg/report/runs"
)

func newServeCommand() *cobra.Command {
	var listen string
	command := &cobra.Command{
		Use:   "serve RUNS",
		Short: "Show all runs of a directory in a browser",
		Long: `Serve a web page that lists the runs in a directory by scenario, verdict and label, with trends of their recoveries and links
to their reports. It never writes, and listens on localhost unless --listen names another address. Press Ctrl-C to stop it.`,
		Example: `  sparkchaos serve runs
  sparkchaos serve runs --listen 127.0.0.1:8080`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			root, err := os.OpenRoot(args[0])
			if errors.Is(err, fs.ErrNotExist) {
				return usagef("%w; give the directory that holds the run directories, like runs", err)
			}
			if err != nil {
				return err
			}
			defer func() { _ = root.Close() }() // opened for reading only
			host, _, err := net.SplitHostPort(listen)
			if err != nil {
				return usagef("--listen: %w; give host:port, like 127.0.0.1:8080", err)
			}
			listener, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("serve the runs: %w", err)
			}
			fmt.Fprintf(command.OutOrStdout(), "http://%s/ shows the runs in %s\n", listener.Addr(), printable.Line(args[0]))
			return httpserver.Serve(command.Context(), "the server of runs", listener, runs.Handler(args[0], root.FS(), host))
		},
	}
	command.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "host:port to listen on; port 0 picks a free one")
	return command
}
