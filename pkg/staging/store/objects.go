package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// objects is a place where bytes lie under keys. An object appears as a whole or not at all.
type objects interface {
	// create begins an object. Ending ctx aborts it.
	create(ctx context.Context, key string) (objectWriter, error)
	// open returns an object's bytes and their number, or ErrNotFound, which is only for what is certainly not there.
	open(ctx context.Context, key string) (io.ReadCloser, int64, error)
	exists(ctx context.Context, key string) (bool, error)
	// remove removes an object for good; one that is not there is no error.
	remove(ctx context.Context, key string) error
	list(ctx context.Context, prefix string) iter.Seq2[object, error]
	// removePartial removes what was begun, never ended, and last written to before the given time, and counts it.
	removePartial(ctx context.Context, before time.Time) (int, error)
	// free returns how many bytes can still be written, and false where the place has no such bound.
	free() (int64, bool, error)
	check(ctx context.Context) error
	close() error
}

// objectWriter writes one object. Exactly one of Commit and Abort ends it.
type objectWriter interface {
	io.Writer
	// Commit returns when the object is durable and visible; if it fails, it has removed what there was.
	Commit() error
	Abort() error
}

// object is what a list says.
type object struct {
	key      string
	size     int64
	modified time.Time // by the clock of the storage
}

// put writes a small object as a whole.
func put(ctx context.Context, o objects, key string, data []byte) error {
	w, err := o.create(ctx, key)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit()
}

// partBytes is how much of an upload to an object store is sent at a time: the smallest part that S3 takes. S3's transfer
// manager holds the first 16 MiB of an upload before it decides to send parts.
const partBytes = 5 << 20

// blobObjects lie in a bucket of an object store, which makes them durable itself.
type blobObjects struct{ bucket *blob.Bucket }

func (b blobObjects) create(ctx context.Context, key string) (objectWriter, error) {
	ctx, cancel := context.WithCancel(ctx)
	w, err := b.bucket.NewWriter(ctx, key, &blob.WriterOptions{
		BufferSize: partBytes, MaxConcurrency: 1, ContentType: "application/octet-stream",
	})
	if err != nil {
		cancel()
		return nil, err
	}
	return &blobWriter{w, cancel}, nil
}

type blobWriter struct {
	*blob.Writer
	cancel context.CancelFunc
}

func (w *blobWriter) Commit() error {
	defer w.cancel()
	return w.Close()
}

// Abort cancels the writing, which makes Close discard what was written; that Close then fails is what was asked for.
func (w *blobWriter) Abort() error {
	w.cancel()
	_ = w.Close()
	return nil
}

func (b blobObjects) open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	r, err := b.bucket.NewReader(ctx, key, nil)
	if err != nil {
		return nil, 0, notFound(err)
	}
	return r, r.Size(), nil
}

func (b blobObjects) exists(ctx context.Context, key string) (bool, error) {
	return b.bucket.Exists(ctx, key)
}

func (b blobObjects) remove(ctx context.Context, key string) error {
	err := b.bucket.Delete(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	return err
}

func (b blobObjects) list(ctx context.Context, prefix string) iter.Seq2[object, error] {
	return func(yield func(object, error) bool) {
		objects := b.bucket.List(&blob.ListOptions{Prefix: prefix})
		for {
			o, err := objects.Next(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(object{}, err)
				return
			}
			if !yield(object{key: o.Key, size: o.Size, modified: o.ModTime}, nil) {
				return
			}
		}
	}
}

// free: object stores have no bound that they tell.
func (b blobObjects) free() (int64, bool, error) { return 0, false, nil }

func (b blobObjects) check(ctx context.Context) error {
	accessible, err := b.bucket.IsAccessible(ctx)
	if err == nil && !accessible {
		err = errors.New("the bucket does not exist, or its credentials do not admit")
	}
	return err
}

func (b blobObjects) close() error { return b.bucket.Close() }

// notFound makes a storage's way to say that there is no such object ErrNotFound.
func notFound(err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}
