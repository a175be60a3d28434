// Package store keeps bundles: in memory, as the staging server of Spark on Kubernetes 2.2 did, or durably in a
// directory or an object store that several servers share.
//
// A bundle is an object with its bytes and, written after it, an index entry with what is known of it. Only the entry
// makes a bundle visible, so bytes without an entry are a half upload, and nobody is ever served those.
package store

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
)

// ErrNotFound is the problem of a bundle that is not there.
var ErrNotFound = errors.New("no such bundle")

// ErrDamaged is the problem of a bundle whose bytes are not those that were uploaded.
var ErrDamaged = errors.New("the stored bundle is damaged")

// Where things lie below the root of a store.
const (
	dataPrefix       = "data/"
	indexPrefix      = "index/"
	downloadedPrefix = "downloaded/"
	serversPrefix    = "servers/" // one object for each longest transfer that a server ever allowed
	indexSuffix      = ".json"
)

// maxEntryBytes bounds an index entry: an owner's JSON and some hundred bytes more.
const maxEntryBytes = staging.MaxOwnerBytes + 4<<10

// Entry is what is known of a bundle.
type Entry struct {
	ID      string        `json:"id"`
	Owner   staging.Owner `json:"owner"`
	Created time.Time     `json:"created"` // by the clock of the server that took it
	SHA256  string        `json:"sha256"`  // of the bytes, in hexadecimal
	Size    int64         `json:"size"`    // of the bytes
	// SecretSHA256 is the hash of the secret, in hexadecimal. A plain hash does: slow and salted ones protect words
	// that people choose, whereas 1024 random bytes can be neither guessed nor found in a table.
	SecretSHA256 string `json:"secretSHA256"`
}

// HashSecret returns what Entry.SecretSHA256 holds of a secret.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Admits reports whether secret is the bundle's, in a time that does not depend on what is wrong with it.
func (e Entry) Admits(secret string) bool {
	return subtle.ConstantTimeCompare([]byte(HashSecret(secret)), []byte(e.SecretSHA256)) == 1
}

// Store keeps bundles. It holds no state about them itself unless it was opened as memory: any number of
// Stores may be open on one place.
type Store struct {
	name  string
	data  objects
	index objects
}

// String says what the store is, without anything secret of its URL.
func (s *Store) String() string { return s.name }

// Begin starts the upload of a bundle. Its bytes count for nothing until Commit.
func (s *Store) Begin(ctx context.Context, id string) (*Upload, error) {
	if !validID(id) {
		return nil, fmt.Errorf("begin a bundle: %q is not a UUID", id)
	}
	w, err := s.data.create(ctx, dataPrefix+id)
	if err != nil {
		return nil, fmt.Errorf("begin bundle %s: %w", id, err)
	}
	return &Upload{store: s, id: id, w: w, digest: sha256.New()}, nil
}

// Entry returns what is known of a bundle, or ErrNotFound.
func (s *Store) Entry(ctx context.Context, id string) (Entry, error) {
	if !validID(id) {
		return Entry{}, fmt.Errorf("%q is not the id of a bundle: %w", id, ErrNotFound)
	}
	r, _, err := s.index.open(ctx, indexPrefix+id+indexSuffix)
	if err != nil {
		return Entry{}, fmt.Errorf("index entry of bundle %s: %w", id, err)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxEntryBytes))
	if err := errors.Join(err, r.Close()); err != nil {
		return Entry{}, fmt.Errorf("index entry of bundle %s: %w", id, err)
	}
	var entry Entry
	if err := json.Unmarshal(data, &entry); err != nil {
		return Entry{}, fmt.Errorf("index entry of bundle %s: %w: %w", id, ErrDamaged, err)
	}
	if entry.ID != id || entry.SecretSHA256 == "" || entry.SHA256 == "" {
		return Entry{}, fmt.Errorf("index entry of bundle %s: %w: it is about bundle %q, or lacks a hash", id, ErrDamaged, entry.ID)
	}
	return entry, nil
}

// Open returns a bundle's bytes. Its size is checked before the first byte, its hash before the last ones are handed
// out: who reads to the end without an error has what was uploaded; who gets ErrDamaged has less than the whole.
func (s *Store) Open(ctx context.Context, entry Entry) (io.ReadCloser, error) {
	r, size, err := s.data.open(ctx, dataPrefix+entry.ID)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("bundle %s: %w: it is in the index, but its bytes are gone", entry.ID, ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("bytes of bundle %s: %w", entry.ID, err)
	}
	if size != entry.Size {
		return nil, errors.Join(fmt.Errorf("bundle %s: %w: it has %d bytes, %d were uploaded", entry.ID, ErrDamaged, size, entry.Size), r.Close())
	}
	return &verified{ReadCloser: r, entry: entry, remaining: size, digest: sha256.New()}, nil
}

// MarkDownloaded notes that a bundle was downloaded, unless that is known already. It returns ErrNotFound, and leaves no
// mark, when the bundle was removed in the meantime.
func (s *Store) MarkDownloaded(ctx context.Context, id string) error {
	known, err := s.Downloaded(ctx, id)
	if err != nil || known {
		return err
	}
	if err := put(ctx, s.index, downloadedPrefix+id, []byte("downloaded\n")); err != nil {
		return fmt.Errorf("mark bundle %s as downloaded: %w", id, err)
	}
	// Remove deletes the index entry before the mark: if the entry is there now, a removal still has the mark before it.
	there, err := s.index.exists(ctx, indexPrefix+id+indexSuffix)
	switch {
	case err != nil:
		return fmt.Errorf("whether bundle %s is still there: %w", id, err)
	case !there:
		return errors.Join(fmt.Errorf("mark bundle %s as downloaded: %w: it was removed", id, ErrNotFound),
			s.index.remove(context.WithoutCancel(ctx), downloadedPrefix+id))
	}
	return nil
}

// Downloaded reports whether a bundle was ever downloaded.
func (s *Store) Downloaded(ctx context.Context, id string) (bool, error) {
	known, err := s.index.exists(ctx, downloadedPrefix+id)
	if err != nil {
		return false, fmt.Errorf("whether bundle %s was downloaded: %w", id, err)
	}
	return known, nil
}

// IDs goes through the ids of all bundles in ascending order, without reading their entries. An error is the last it yields.
func (s *Store) IDs(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for object, err := range s.index.list(ctx, indexPrefix) {
			if err != nil {
				yield("", fmt.Errorf("list bundles: %w", err))
				return
			}
			id := strings.TrimSuffix(path.Base(object.key), indexSuffix)
			if !validID(id) {
				continue // nothing of ours
			}
			if !yield(id, nil) {
				return
			}
		}
	}
}

// Usage returns how many bytes the bundles take, with their entries and with what half uploads left.
func (s *Store) Usage(ctx context.Context) (int64, error) {
	var total int64
	for _, place := range []struct {
		objects
		prefix string
	}{{s.data, dataPrefix}, {s.index, indexPrefix}} {
		for object, err := range place.list(ctx, place.prefix) {
			if err != nil {
				return 0, fmt.Errorf("how much the bundles take: %w", err)
			}
			total += object.size
		}
	}
	return total, nil
}

// Free returns how many bytes can still be written, and false where the storage does not have such a bound.
func (s *Store) Free() (int64, bool, error) {
	free, bounded, err := s.data.free()
	if err != nil {
		return 0, false, fmt.Errorf("how much room is left in storage %s: %w", s.name, err)
	}
	return free, bounded, nil
}

// Announce notes for the servers that share the storage how long an upload to this one may take. It comes before the first
// Begin; the note stays for good, because nobody knows when the last server that allowed so much is gone.
func (s *Store) Announce(ctx context.Context, transfer time.Duration) error {
	key := serversPrefix + transfer.String()
	known, err := s.index.exists(ctx, key)
	if err == nil && !known {
		err = put(ctx, s.index, key, []byte("the longest transfer of a server\n"))
	}
	if err != nil {
		return fmt.Errorf("note how long an upload may take: %w", err)
	}
	return nil
}

// LongestTransfer returns the longest time that any server on the storage allows an upload to take; 0 if none ever said so.
func (s *Store) LongestTransfer(ctx context.Context) (time.Duration, error) {
	var longest time.Duration
	for object, err := range s.index.list(ctx, serversPrefix) {
		if err != nil {
			return 0, fmt.Errorf("how long an upload may take: %w", err)
		}
		if d, err := time.ParseDuration(path.Base(object.key)); err == nil {
			longest = max(longest, d)
		}
	}
	return longest, nil
}

// Remove removes a bundle; one that is not there is no error. The index goes first: whatever ends the removal, no
// entry is left without bytes.
func (s *Store) Remove(ctx context.Context, id string) error {
	if !validID(id) {
		return fmt.Errorf("remove a bundle: %q is not a UUID", id)
	}
	if err := s.index.remove(ctx, indexPrefix+id+indexSuffix); err != nil {
		return fmt.Errorf("remove the index entry of bundle %s: %w", id, err)
	}
	return errors.Join(s.index.remove(ctx, downloadedPrefix+id), s.data.remove(ctx, dataPrefix+id))
}

// RemoveHalfUploads removes what uploads left that ended without a Commit, and returns how many. It leaves alone what was
// written to after before, which must lie further back than the longest upload to any server on the same place takes:
// one may be about to commit it. Marks of bundles that are gone are removed likewise, and not counted.
func (s *Store) RemoveHalfUploads(ctx context.Context, before time.Time) (int, error) {
	removed, err := s.data.removePartial(ctx, before)
	if err != nil {
		return removed, fmt.Errorf("remove half uploads: %w", err)
	}
	// One list tells most of what has an entry; only about the rest the index is asked one by one.
	listed := map[string]bool{}
	for id, err := range s.IDs(ctx) {
		if err != nil {
			return removed, err
		}
		listed[id] = true
	}
	lacksEntry := func(o object) (bool, error) {
		id := path.Base(o.key)
		if listed[id] || !o.modified.Before(before) {
			return false, nil
		}
		// Only the certainty that there is no entry counts: an index that cannot be read proves nothing.
		known, err := s.index.exists(ctx, indexPrefix+id+indexSuffix)
		if err != nil {
			return false, fmt.Errorf("whether %s belongs to a bundle: %w", o.key, err)
		}
		return !known, nil
	}
	for object, err := range s.data.list(ctx, dataPrefix) {
		if err != nil {
			return removed, fmt.Errorf("look for half uploads: %w", err)
		}
		lacks, err := lacksEntry(object)
		if err == nil && lacks {
			err = s.data.remove(ctx, object.key)
		}
		if err != nil {
			return removed, fmt.Errorf("remove half upload %s: %w", object.key, err)
		}
		if lacks {
			removed++
		}
	}
	// A server that ends between a mark and its second look leaves the mark of a bundle that was removed.
	for object, err := range s.index.list(ctx, downloadedPrefix) {
		if err != nil {
			return removed, fmt.Errorf("look for marks of removed bundles: %w", err)
		}
		lacks, err := lacksEntry(object)
		if err == nil && lacks {
			err = s.index.remove(ctx, object.key)
		}
		if err != nil {
			return removed, fmt.Errorf("remove mark %s: %w", object.key, err)
		}
	}
	return removed, nil
}

// Check reports whether the store can be reached.
func (s *Store) Check(ctx context.Context) error {
	if err := errors.Join(s.data.check(ctx), s.index.check(ctx)); err != nil {
		return fmt.Errorf("storage %s: %w", s.name, err)
	}
	return nil
}

// Close ends the use of the store. Durable data is kept.
func (s *Store) Close() error { return errors.Join(s.data.close(), s.index.close()) }

func validID(id string) bool {
	parsed, err := uuid.Parse(id)
	return err == nil && parsed.String() == id
}
