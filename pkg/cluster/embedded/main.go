//go:build linux

package embedded

import (
	"errors"
	"fmt"
	"os"
	"strconv"
)

// mainVariable is set, to the ID of the process, by Main. It is inherited by children, which have other IDs.
const mainVariable = "SPARKCHAOS_MAIN"

// ErrNoMain is why a program that does not call Main makes no cluster: its machines would be processes that run the program once more,
// instead of a machine's init.
var ErrNoMain = errors.New("this program did not call sparkchaos.Main (or embedded.Main) first in its main function, or in TestMain: " +
	"the machines of an embedded cluster are processes of the same program; in tests write " +
	"func TestMain(m *testing.M) { sparkchaos.Main(); os.Exit(m.Run()) }")

// noteMain notes that Main was called in this process.
func noteMain() error {
	if err := os.Setenv(mainVariable, strconv.Itoa(os.Getpid())); err != nil {
		return fmt.Errorf("note that this program can be a machine: %w", err)
	}
	return nil
}

// checkMain returns ErrNoMain unless Main was called in this process.
func checkMain(getenv func(string) string) error {
	if getenv(mainVariable) != strconv.Itoa(os.Getpid()) {
		return ErrNoMain
	}
	return nil
}
