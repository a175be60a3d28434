package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Upload is a bundle that is being written. It is not safe for use by several goroutines.
type Upload struct {
	store  *Store
	id     string
	w      objectWriter
	digest hash.Hash
	size   int64
	ended  bool
}

// Write takes the next bytes of the bundle.
func (u *Upload) Write(p []byte) (int, error) {
	n, err := u.w.Write(p)
	u.digest.Write(p[:n])
	u.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("write bundle %s after %d bytes: %w", u.id, u.size, err)
	}
	return n, nil
}

// Commit makes the bundle durable and then visible, and returns its entry with ID, hash and size filled in. When it
// fails, the bundle is not there for anybody who was told so; a ctx that ended is a failure.
func (u *Upload) Commit(ctx context.Context, entry Entry) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, errors.Join(fmt.Errorf("commit bundle %s: %w", u.id, err), u.Abort())
	}
	u.ended = true
	if err := u.w.Commit(); err != nil {
		return Entry{}, fmt.Errorf("commit the bytes of bundle %s: %w", u.id, err)
	}
	entry.ID, entry.Size, entry.SHA256 = u.id, u.size, hex.EncodeToString(u.digest.Sum(nil))
	data, err := json.Marshal(entry)
	if err != nil {
		return Entry{}, fmt.Errorf("index entry of bundle %s: %w", u.id, err)
	}
	if err := put(ctx, u.store.index, indexPrefix+u.id+indexSuffix, data); err != nil {
		return Entry{}, errors.Join(fmt.Errorf("commit the index entry of bundle %s: %w", u.id, err),
			u.store.Remove(context.WithoutCancel(ctx), u.id))
	}
	return entry, nil
}

// Abort ends an upload that is not to be committed, and removes its bytes. After Commit it does nothing.
func (u *Upload) Abort() error {
	if u.ended {
		return nil
	}
	u.ended = true
	return u.w.Abort()
}

// verified reads a bundle and withholds its last bytes until the hash of all has proven right.
type verified struct {
	io.ReadCloser
	entry     Entry
	remaining int64
	digest    hash.Hash
	err       error // what ended the reading
}

// Read implements io.Reader.
func (v *verified) Read(p []byte) (int, error) {
	if v.err != nil || len(p) == 0 {
		return 0, v.err
	}
	n, err := v.ReadCloser.Read(p[:min(int64(len(p)), max(v.remaining, 1))])
	v.digest.Write(p[:n])
	v.remaining -= int64(n)
	switch {
	case v.remaining < 0:
		v.err = fmt.Errorf("bundle %s: %w: more than its %d bytes", v.entry.ID, ErrDamaged, v.entry.Size)
	case v.remaining == 0:
		v.err = v.verify()
	case errors.Is(err, io.EOF):
		v.err = fmt.Errorf("bundle %s: %w: it ends %d bytes too early", v.entry.ID, ErrDamaged, v.remaining)
	case err != nil:
		v.err = fmt.Errorf("read bundle %s: %w", v.entry.ID, err)
		return n, v.err
	}
	if v.err != nil && !errors.Is(v.err, io.EOF) {
		return 0, v.err
	}
	return n, v.err
}

// verify returns io.EOF when all bytes were read and are right.
func (v *verified) verify() error {
	var more [1]byte
	if n, _ := io.ReadFull(v.ReadCloser, more[:]); n > 0 {
		return fmt.Errorf("bundle %s: %w: more than its %d bytes", v.entry.ID, ErrDamaged, v.entry.Size)
	}
	if got := hex.EncodeToString(v.digest.Sum(nil)); got != v.entry.SHA256 {
		return fmt.Errorf("bundle %s: %w: its SHA-256 is %s, that of the upload was %s", v.entry.ID, ErrDamaged, got, v.entry.SHA256)
	}
	return io.EOF
}
