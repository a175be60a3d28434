package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"gocloud.dev/blob/fileblob"
)

// partialDir holds files that are being written. It is beside those that are whole, because a rename must not leave the
// file system.
const partialDir = "partial"

// directories are those of a store on files.
func directories() []string {
	return []string{dataPrefix, indexPrefix, downloadedPrefix, serversPrefix, partialDir}
}

// fileObjects lie in a directory. They are read by fileblob and written here, because fileblob never calls fsync: what
// it has renamed into place may still be lost, or be empty, after a power failure.
type fileObjects struct {
	blobObjects
	dir  string
	sync syncFunc
}

// syncFunc makes a file's bytes, or the names in a directory, durable. It is (*os.File).Sync but for tests.
type syncFunc func(*os.File) error

func openFiles(dir string, sync syncFunc) (*fileObjects, error) {
	for _, sub := range directories() {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(sync.directory(dir), sync.directory(filepath.Dir(dir))); err != nil {
		return nil, err
	}
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{Metadata: fileblob.MetadataDontWrite, NoTempDir: true})
	if err != nil {
		return nil, err
	}
	return &fileObjects{blobObjects{bucket}, dir, sync}, nil
}

func (f *fileObjects) path(key string) string { return filepath.Join(f.dir, filepath.FromSlash(key)) }

func (f *fileObjects) create(ctx context.Context, key string) (objectWriter, error) {
	file, err := os.CreateTemp(filepath.Join(f.dir, partialDir), filepath.Base(key)+"-")
	if err != nil {
		return nil, err
	}
	return &fileWriter{ctx: ctx, file: file, target: f.path(key), sync: f.sync}, nil
}

// open tells a missing object from a missing directory: the latter is a volume that is not mounted, and says nothing
// about the bundle.
func (f *fileObjects) open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	r, size, err := f.blobObjects.open(ctx, key)
	if errors.Is(err, ErrNotFound) {
		if missing := f.check(ctx); missing != nil {
			return nil, 0, missing
		}
	}
	return r, size, err
}

func (f *fileObjects) exists(ctx context.Context, key string) (bool, error) {
	known, err := f.blobObjects.exists(ctx, key)
	if err == nil && !known {
		err = f.check(ctx)
	}
	return known, err
}

func (f *fileObjects) remove(_ context.Context, key string) error {
	err := os.Remove(f.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, f.sync.directory(filepath.Dir(f.path(key))))
}

// list reads each directory once. The list of fileblob walks all of it again for each page.
func (f *fileObjects) list(ctx context.Context, prefix string) iter.Seq2[object, error] {
	return func(yield func(object, error) bool) {
		entries, err := os.ReadDir(f.path(prefix))
		if err != nil {
			yield(object{}, err)
			return
		}
		for _, entry := range entries {
			info, err := entry.Info()
			if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
				continue // removed since the directory was read, or nothing of ours
			}
			if err = errors.Join(err, ctx.Err()); err != nil {
				yield(object{}, err)
				return
			}
			if !yield(object{key: prefix + entry.Name(), size: info.Size(), modified: info.ModTime()}, nil) {
				return
			}
		}
	}
}

func (f *fileObjects) free() (int64, bool, error) { return freeBytes(f.dir) }

func (f *fileObjects) removePartial(_ context.Context, before time.Time) (int, error) {
	dir := filepath.Join(f.dir, partialDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.ModTime().Before(before) {
			continue
		}
		if err != nil {
			return removed, err
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

func (f *fileObjects) check(context.Context) error {
	for _, sub := range directories() {
		if _, err := os.Stat(f.path(sub)); err != nil {
			return fmt.Errorf("the directory is not what it was when the store was opened: %w", err)
		}
	}
	return nil
}

// fileWriter writes a file beside its place and moves it there when all of it is on the disk.
type fileWriter struct {
	ctx    context.Context // of the upload: one that ended is not committed
	file   *os.File
	target string
	sync   syncFunc
}

func (w *fileWriter) Write(p []byte) (int, error) { return w.file.Write(p) }

func (w *fileWriter) Commit() error {
	if err := errors.Join(w.sync(w.file), w.ctx.Err()); err != nil {
		return errors.Join(err, w.Abort())
	}
	if err := w.file.Close(); err != nil {
		return errors.Join(err, os.Remove(w.file.Name()))
	}
	if err := os.Rename(w.file.Name(), w.target); err != nil {
		return errors.Join(err, os.Remove(w.file.Name()))
	}
	if err := w.sync.directory(filepath.Dir(w.target)); err != nil {
		return errors.Join(err, os.Remove(w.target))
	}
	return nil
}

func (w *fileWriter) Abort() error {
	return errors.Join(w.file.Close(), os.Remove(w.file.Name()))
}

// directory makes the names in a directory durable.
func (sync syncFunc) directory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(sync(d), d.Close())
}
