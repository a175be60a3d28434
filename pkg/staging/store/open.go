package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/blob/s3blob"
)

// Memory is the location of a store that forgets: index and secrets are in the process, the bytes in a temporary directory
// that is removed by Close. It is how the staging server of Spark on Kubernetes 2.2 was, and the known-bad control.
const Memory = "memory"

// Open opens the store at a location: Memory, or the URL of a place that outlives the process: file:///DIRECTORY,
// s3://BUCKET, gs://BUCKET, azblob://CONTAINER, with the parameters of gocloud.dev/blob (for S3: endpoint, region,
// use_path_style …) and credentials from where its drivers find them.
func Open(ctx context.Context, location string) (*Store, error) {
	if location == Memory {
		return openMemory()
	}
	u, err := url.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("storage %q: %w", location, err)
	}
	name := u.Scheme + "://" + u.Host + u.Path
	var o objects
	switch u.Scheme {
	case "file":
		if u.Host != "" || !filepath.IsAbs(u.Path) {
			return nil, fmt.Errorf("storage %q: want file:// and an absolute path, such as file:///var/lib/bundles", location)
		}
		o, err = openFiles(filepath.Clean(u.Path), (*os.File).Sync)
	case s3blob.Scheme, gcsblob.Scheme, azureblob.Scheme:
		var bucket *blob.Bucket
		bucket, err = blob.OpenBucket(ctx, location)
		o = cloudObjects{blobObjects{bucket}, u.Host, u.Query().Get("prefix")}
	default:
		return nil, fmt.Errorf("storage %q: want %q, or a URL that begins with file://, s3://, gs:// or azblob://", name, Memory)
	}
	if err != nil {
		return nil, fmt.Errorf("storage %s: %w", name, err)
	}
	return &Store{name: name, data: o, index: shared{o}}, nil
}

// shared is the same place under a second name; closing the first closes it.
type shared struct{ objects }

func (shared) close() error { return nil }

func openMemory() (*Store, error) {
	dir, err := os.MkdirTemp("", "local-application-dependencies-")
	if err != nil {
		return nil, fmt.Errorf("storage %s: %w", Memory, err)
	}
	files, err := openFiles(dir, (*os.File).Sync)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("storage %s: %w", Memory, err), os.RemoveAll(dir))
	}
	return &Store{name: Memory, data: temporary{files}, index: process{blobObjects{memblob.OpenBucket(nil)}}}, nil
}

// temporary is a directory that ends with its store.
type temporary struct{ *fileObjects }

func (t temporary) close() error { return errors.Join(t.fileObjects.close(), os.RemoveAll(t.dir)) }
