package witness

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// StoredPath is where a Store gives out what it keeps, from the byte that the query's "from" says. Where the store has fewer bytes
// than that, it is another one than the reader knows, and the answer is 416.
const StoredPath = "/v1/stored"

// MaxStoredBytes bounds one answer of a Store; a reader comes again for more. Any record fits.
const MaxStoredBytes = 2 * MaxLineBytes

// Store keeps records in a file, in the order in which they came, for a harness that comes for them. It is safe for concurrent use.
type Store struct {
	mu   sync.Mutex
	file *os.File
	size int64 // of the whole lines
}

// OpenStore opens the file, or makes it. A torn last line, which a power loss leaves, is cut off: its record was never acknowledged.
func OpenStore(path string) (*Store, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the witness's store: %w", err)
	}
	s := &Store{file: file}
	for l, err := range lines(file) {
		if err != nil {
			return nil, errors.Join(fmt.Errorf("read the witness's store %s: %w", path, err), file.Close())
		}
		if l.complete {
			s.size += int64(len(l.bytes)) + 1
		}
	}
	if err := file.Truncate(s.size); err != nil {
		return nil, errors.Join(fmt.Errorf("cut the torn line off the witness's store %s: %w", path, err), file.Close())
	}
	return s, nil
}

// Keep is a Sink: it returns when the record is on disk.
func (s *Store) Keep(r history.WitnessRecord) error {
	encoded, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep a record: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.file.WriteAt(append(encoded, '\n'), s.size)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("keep a record: %w", err)
	}
	s.size += int64(n)
	return nil
}

// Close closes the file.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Close()
}

// ServeHTTP answers GET with what the store keeps, whole lines only.
func (s *Store) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	from, err := strconv.ParseInt(req.URL.Query().Get("from"), 10, 64)
	s.mu.Lock()
	size := s.size
	s.mu.Unlock()
	switch {
	case err != nil || from < 0:
		http.Error(w, fmt.Sprintf("from is %q, want a number of bytes", req.URL.Query().Get("from")), http.StatusBadRequest)
	case from > size:
		http.Error(w, fmt.Sprintf("the store has %d bytes, none from %d on", size, from), http.StatusRequestedRangeNotSatisfiable)
	default:
		w.Header().Set("Content-Type", "application/x-ndjson")
		// A reader that is gone comes again.
		_, _ = io.Copy(w, io.NewSectionReader(s.file, from, min(size-from, MaxStoredBytes)))
	}
}
