package historytest

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Unpack returns the history in a file of gzip, as testdata keeps recorded ones.
func Unpack(t testing.TB, path string) []byte {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // opened for reading only
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// EachRecorded runs a subtest for each recorded history in a directory, beside the others, with the name of its scenario.
func EachRecorded(t *testing.T, directory string, test func(t *testing.T, name string, content []byte)) {
	t.Helper()
	const ending = ".ndjson.gz"
	files, err := filepath.Glob(filepath.Join(directory, "*"+ending))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files in %s, %v", len(files), directory, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ending)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, name, Unpack(t, file))
		})
	}
}

// Observer takes the events of a history, as a model does.
type Observer interface{ Observe(*history.Event) }

// Observed returns an observer after it has taken the events of a history that tell writes.
func Observed[O Observer](t testing.TB, observer O, tell func(*Builder)) O {
	t.Helper()
	b := New()
	tell(b)
	content, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return ObservedBytes(t, observer, content)
}

// ObservedBytes returns an observer after it has taken the events of a history.
func ObservedBytes[O Observer](t testing.TB, observer O, content []byte) O {
	t.Helper()
	for event, err := range history.NewReader(bytes.NewReader(content)).All() {
		if err != nil {
			t.Fatal(err)
		}
		observer.Observe(&event)
	}
	return observer
}
