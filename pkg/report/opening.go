package report

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/regular"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// beginOf returns when the run of the history at path began, by the clock of the machine that recorded it; the zero time if the history
// is absent or its first line is no event.
func beginOf(path string) (time.Time, error) {
	file, err := regular.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	var event history.Event
	if err := history.NewReader(file).Next(&event); err != nil || event.Seq != 1 {
		return time.Time{}, nil // there is a history, and it does not say when it began
	}
	return event.Wall.Add(-event.Offset).UTC(), nil
}

// Repetition says which of several runs of one plan a run is.
type Repetition struct {
	Number int `json:"number"` // counts from 1
	Of     int `json:"of"`
}

// String writes the repetition for names of tests; nothing if the plan was run once.
func (r Repetition) String() string {
	if r.Of < 2 {
		return ""
	}
	return fmt.Sprintf("[%d of %d]", r.Number, r.Of)
}
