package paths

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sparkchaos/sparkchaos/internal/atomicfile"
)

// layoutFile is the name of the file in the state directory that says how the directory is laid out.
const layoutFile = "layout.json"

// layout is how this program lays out the state directory. A directory without the file is older than the file, and is laid out the same.
// Who raises it makes MarkState bring an older directory up to it.
const layout = 1

// stateLayout is what layoutFile holds.
type stateLayout struct {
	Layout int    `json:"layout"`
	By     string `json:"by"` // the version that wrote it
}

// CheckState returns an error if the state directory is laid out in a way that this program does not know. It makes nothing.
func CheckState(state string) error {
	_, err := readLayout(state)
	return err
}

// readLayout returns how the state directory is laid out; 0 if it does not say.
func readLayout(state string) (int, error) {
	file := filepath.Join(state, layoutFile)
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look how the state directory is laid out: %w", err)
	}
	var found stateLayout
	if err := json.Unmarshal(content, &found); err != nil || found.Layout < 1 {
		return 0, fmt.Errorf("the file %s is damaged: expected a layout of 1 or more, it holds %.60q; if no cluster of this machine runs and "+
			"no run has to be cleaned up after, remove it", file, content)
	}
	if found.Layout > layout {
		return 0, fmt.Errorf("the state directory %s has the layout %d, which sparkchaos %s wrote, and this program knows layouts up to %d: use "+
			"that version or a newer one, or set %s to another directory", state, found.Layout, found.By, layout, StateVariable)
	}
	return found.Layout, nil
}

// MarkState makes the state directory if need be, and notes how it is laid out and by which version. What is noted already is left.
func MarkState(state, version string) error {
	found, err := readLayout(state)
	if err != nil || found == layout {
		return err
	}
	content, err := json.Marshal(stateLayout{Layout: layout, By: version})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(state, layoutFile), append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("note how the state directory is laid out: %w", err)
	}
	return nil
}
