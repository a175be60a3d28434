package historytest

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
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
	for event, err := range history.NewReader(bytes.NewReader(content)).All() {
		if err != nil {
			t.Fatal(err)
		}
		observer.Observe(&event)
	}
	return observer
}
