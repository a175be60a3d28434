//go:build linux

package embedded

import (
	"errors"
	"os"
	"strconv"
	"testing"
)

func TestCheckMain(t *testing.T) {
	t.Parallel()
	for value, called := range map[string]bool{"": false, "1": false, strconv.Itoa(os.Getpid()): true} {
		err := checkMain(func(string) string { return value })
		if called && err != nil || !called && !errors.Is(err, ErrNoMain) {
			t.Errorf("%s=%q: %v, want that Main was called: %v", mainVariable, value, err, called)
		}
	}
}
