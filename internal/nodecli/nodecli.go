// Package nodecli is the command line of the agent that the harness runs on each node of a cluster that it did not make. It works on
// a part of the node's disk and tells the node's time; nothing of it needs the cluster.
package nodecli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/nodeproto"
	"github.com/sparkchaos/sparkchaos/internal/regular"
)

// New returns the command "node" with its subcommands. now is the clock that is told.
func New(now func() time.Time) *cobra.Command {
	group := &cobra.Command{Use: "node", Short: "What the harness does on a node of a cluster that it did not make; for its own use",
		Hidden: true}
	add := func(use, short string, do func(command *cobra.Command, args []string) error) {
		arguments := cobra.NoArgs
		if use != "wait" && use != "clock" {
			use, arguments = use+" PATH", cobra.ExactArgs(1)
		}
		group.AddCommand(&cobra.Command{Use: use, Short: short, Args: arguments, RunE: do})
	}
	add("wait", "Do nothing until SIGTERM", func(command *cobra.Command, _ []string) error {
		<-command.Context().Done()
		return nil
	})
	add("clock", "Print the time", func(command *cobra.Command, _ []string) error {
		_, err := fmt.Fprintln(command.OutOrStdout(), now().UTC().Format(time.RFC3339Nano))
		return err
	})
	add("make", "Make a directory that every user can write to", func(_ *cobra.Command, args []string) error {
		return errors.Join(os.MkdirAll(args[0], 0o755), os.Chmod(args[0], 0o777|fs.ModeSticky))
	})
	add("remove", "Remove a directory with all that is in it", func(_ *cobra.Command, args []string) error { return os.RemoveAll(args[0]) })
	add("stat", "Print what a file is", func(command *cobra.Command, args []string) error {
		info, err := os.Stat(args[0])
		return print(command.OutOrStdout(), []fs.FileInfo{info}, err)
	})
	add("list", "Print what a directory has", func(command *cobra.Command, args []string) error {
		infos, err := list(args[0])
		return print(command.OutOrStdout(), infos, err)
	})
	add("read", "Print a regular file's content", func(command *cobra.Command, args []string) error {
		content, err := regular.ReadFile(args[0], nodeproto.MaxRead)
		if err != nil {
			return err
		}
		_, err = command.OutOrStdout().Write(content)
		return err
	})
	return group
}

// list returns the entries of a directory, sorted by name. What goes while it is read was not there.
func list(directory string) ([]fs.FileInfo, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, err
	}
	infos := []fs.FileInfo{}
	for _, entry := range entries {
		info, err := os.Lstat(filepath.Join(directory, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func print(out io.Writer, infos []fs.FileInfo, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		_, err = fmt.Fprintln(out, "null")
		return err
	}
	if err != nil {
		return err
	}
	entries := make([]nodeproto.Entry, 0, len(infos))
	for _, info := range infos {
		entries = append(entries, nodeproto.Entry{Name: info.Name(), Mode: info.Mode(), Size: info.Size(), Modified: info.ModTime()})
	}
	return json.NewEncoder(out).Encode(entries)
}
