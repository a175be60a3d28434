// Package stagingcli is the command line of the resource staging server and its clients. Both sparkchaos and the small
// program of the server's container image have it, which is why it knows nothing of the rest of the product.
package stagingcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/usage"
)

// The exit codes of the commands.
const (
	ExitDone        = 0
	ExitRefused     = 1 // the server refused for good, or the bundle is not what it should be
	ExitUnreachable = 3 // no good answer in time, or trouble of this machine
	ExitUsage       = 64
)

// Error is an error with an exit code.
type Error struct {
	Code int
	Err  error
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

func usagef(format string, arguments ...any) error {
	return &Error{ExitUsage, fmt.Errorf(format, arguments...)}
}

// New returns the command "staging" with its subcommands serve, upload and fetch.
func New() *cobra.Command {
	command := &cobra.Command{
		Use:   "staging",
		Short: "The resource staging server: store an application's jars and files, upload and fetch them",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return errors.Join(command.Help(), usagef("name one of the commands of %q", command.CommandPath()))
		},
	}
	command.AddCommand(newServeCommand(), newUploadCommand(), newFetchCommand())
	return command
}

// Main runs the commands as a program of their own, given the arguments without the program's name, and returns the code
// to exit with. SIGINT and SIGTERM end what runs; a second one ends the process at once. The program may have other commands beside.
func Main(name string, args []string, out, errout io.Writer, beside ...*cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root := New()
	root.Use = name
	root.AddCommand(beside...)
	root.SilenceErrors, root.SilenceUsage = true, true
	// Whatever cobra itself refuses is about arguments and flags; the commands' own errors carry their codes.
	code := ExitUsage
	root.PersistentPreRun = func(*cobra.Command, []string) { code = ExitUnreachable }
	usage.Plain(root)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errout)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitDone
	}
	var coded *Error
	if errors.As(err, &coded) {
		code = coded.Code
	}
	fmt.Fprintf(errout, "%s: %v\n", name, err)
	return code
}

// transport returns a client that gives up on a peer that does not answer, but never on a slow one. A receive buffer
// above zero bounds what the kernel receives before it is read.
func transport(receiveBuffer int) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if tcp, ok := conn.(*net.TCPConn); ok && receiveBuffer > 0 {
				err = tcp.SetReadBuffer(receiveBuffer)
			}
			return conn, err
		},
		TLSHandshakeTimeout:   5 * time.Second,
		ExpectContinueTimeout: time.Second,
		ResponseHeaderTimeout: time.Minute,
		// A new connection for each attempt reaches whichever server is alive by then.
		DisableKeepAlives: true,
	}
	return &http.Client{Transport: t}
}
