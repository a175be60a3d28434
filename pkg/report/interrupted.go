package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// HistoryFile is the run's history. Its last event reports whether the run was interrupted.
const HistoryFile = "history.ndjson"

// endOfHistory is the size of the end of a history that is searched for its last event, which is short.
const endOfHistory = 64 << 10

// endOf returns how long the run of the history at path took, and reports whether it ended with an interrupt. A history that is
// absent or cut off has no end: it took 0 and was not interrupted.
func endOf(path string) (took time.Duration, interrupted bool, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, false, err
	}
	tail := make([]byte, min(size, endOfHistory))
	if _, err := file.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return 0, false, err
	}
	lines := bytes.Split(bytes.TrimRight(tail, "\n"), []byte("\n"))
	var last struct {
		Type   string             `json:"type"`
		Offset time.Duration      `json:"offset"`
		Data   history.RunEndData `json:"data"`
	}
	// Of another event the data does not fit, and a torn line is no event: both are no interrupt.
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil || last.Type != history.RunEnded {
		return 0, false, nil
	}
	return last.Offset, last.Data.Interrupted, nil
}

// headline returns the verdict in capitals. An interrupted run is shown as such, whatever its verdict, because its exit
// code says so.
func headline(verdict check.RunVerdict, info RunInfo) string {
	word := strings.ToUpper(string(verdict.Verdict))
	if info.Interrupted {
		return fmt.Sprintf("INTERRUPTED (%s)", strings.ToLower(word))
	}
	return word
}
