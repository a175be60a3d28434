package witness

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// StoredPath is the path from which a Store serves its records, from the byte that the query's "from" names. If the
// store has fewer bytes, it is not the one that the reader knows, and the answer is 416.
const StoredPath = "/v1/stored"

// StoreHeader carries the identity of the store in its answers. A different identity means that the store lost its
// file: positions in the old one are invalid.
const StoreHeader = "Sparkchaos-Store"

// MaxStoredBytes bounds one answer of a Store; a reader asks again for more. Any record fits.
const MaxStoredBytes = 2 * MaxLineBytes

// maxStoreHead bounds the first line of a store's file.
const maxStoreHead = 256

// storeHead is the first line of a store's file. It is made with the file, so both are lost together.
type storeHead struct {
	Store string `json:"store"` // the identity
}

// Store keeps records in a file, in the order in which they came, until a harness fetches them. It is safe for
// concurrent use.
type Store struct {
	id    string
	begin int64 // of the first record

	mu   sync.Mutex
	file *os.File
	end  int64 // of the whole lines
}

// OpenStore opens or creates the file. A torn last line, as a power loss leaves it, is removed: its record was never
// acknowledged. Nothing else is ever removed.
func OpenStore(path string) (*Store, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the witness's store: %w", err)
	}
	s := &Store{file: file}
	if err := s.open(path); err != nil {
		return nil, errors.Join(fmt.Errorf("open the witness's store %s: %w", path, err), file.Close())
	}
	return s, nil
}

func (s *Store) open(path string) error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if s.end, err = endOfLines(s.file, info.Size()); err != nil {
		return err
	}
	if s.end == 0 { // no record was ever acknowledged: that comes after the head
		return s.begins(path)
	}
	if err := s.file.Truncate(s.end); err != nil {
		return fmt.Errorf("cut off its torn last line: %w", err)
	}
	return s.readHead()
}

// endOfLines returns the position after the last whole line of a file.
func endOfLines(file io.ReaderAt, size int64) (int64, error) {
	buffer := make([]byte, 64<<10)
	for end := size; end > 0; {
		begin := max(0, end-int64(len(buffer)))
		part := buffer[:end-begin]
		if _, err := file.ReadAt(part, begin); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return begin + int64(i) + 1, nil
		}
		end = begin
	}
	return 0, nil
}

// begins writes the head of a new store, and syncs the directory.
func (s *Store) begins(path string) error {
	s.id = rand.Text()
	head, err := json.Marshal(storeHead{Store: s.id})
	if err != nil {
		return err
	}
	head = append(head, '\n')
	if err := s.file.Truncate(0); err != nil {
		return err
	}
	if _, err := s.file.WriteAt(head, 0); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	s.begin, s.end = int64(len(head)), int64(len(head))
	directory, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// readHead reads the identity of a store that was made before.
func (s *Store) readHead() error {
	first := make([]byte, min(s.end, maxStoreHead))
	if _, err := s.file.ReadAt(first, 0); err != nil {
		return err
	}
	line, _, whole := bytes.Cut(first, []byte("\n"))
	var head storeHead
	if err := json.Unmarshal(line, &head); err != nil || !whole || head.Store == "" {
		return fmt.Errorf("its first line does not have the store's identity, as stores have: remove the file if nothing in it is needed: %s",
			quoted(string(line)))
	}
	s.id, s.begin = head.Store, int64(len(line))+1
	return nil
}

// Keep is a Sink: it returns when the record is on disk.
func (s *Store) Keep(r history.WitnessRecord) error {
	line, err := encode(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.file.WriteAt(line, s.end)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("keep a record: %w", err)
	}
	s.end += int64(n)
	return nil
}

// Close closes the file.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Close()
}

// ServeHTTP answers GET with the stored records, whole lines only.
func (s *Store) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	from, err := strconv.ParseInt(req.URL.Query().Get("from"), 10, 64)
	s.mu.Lock()
	size := s.end - s.begin
	s.mu.Unlock()
	w.Header().Set(StoreHeader, s.id)
	switch {
	case err != nil || from < 0:
		http.Error(w, fmt.Sprintf("from is %q, want a number of bytes", req.URL.Query().Get("from")), http.StatusBadRequest)
	case from > size:
		http.Error(w, fmt.Sprintf("the store has %d bytes, none from %d on", size, from), http.StatusRequestedRangeNotSatisfiable)
	default:
		w.Header().Set("Content-Type", "application/x-ndjson")
		// A reader that is gone comes again.
		_, _ = io.Copy(w, io.NewSectionReader(s.file, s.begin+from, min(size-from, MaxStoredBytes)))
	}
}
