//go:build linux

package losstest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
)

// remains are what uploads left that were cut off.
type remains struct {
	unfinished int // files that were being written, or multipart uploads
	ownerless  int // bytes without an index entry
}

// remainsOf looks into a storage without the server's code.
func remainsOf(t *testing.T, storage string) remains {
	t.Helper()
	bucket, err := blob.OpenBucket(t.Context(), storage)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	var r remains
	for _, id := range keys(t, bucket, "data/") {
		known, err := bucket.Exists(t.Context(), "index/"+id+".json")
		if err != nil {
			t.Fatal(err)
		}
		if !known {
			r.ownerless++
		}
	}
	var client *s3.Client
	if !bucket.As(&client) {
		r.unfinished = len(keys(t, bucket, "partial/"))
		return r
	}
	location, err := url.Parse(storage)
	if err != nil {
		t.Fatal(err)
	}
	pages := s3.NewListMultipartUploadsPaginator(client, &s3.ListMultipartUploadsInput{Bucket: aws.String(location.Host)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.unfinished += len(page.Uploads)
	}
	return r
}

// keys returns those below a prefix, without it.
func keys(t *testing.T, bucket *blob.Bucket, prefix string) []string {
	t.Helper()
	var all []string
	for objects := bucket.List(&blob.ListOptions{Prefix: prefix}); ; {
		object, err := objects.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.TrimPrefix(object.Key, prefix))
	}
}

// leaveHalfUpload kills a server amid an upload that it is certain to have begun to store.
func leaveHalfUpload(t *testing.T, server *serverProcess) {
	t.Helper()
	before := remainsOf(t, server.storage)
	server.start()
	ctx, cancel := context.WithCancel(t.Context())
	begun := bytes.NewReader(make([]byte, largeBundle))
	ended := make(chan error, 1)
	go func() {
		_, err := server.alive(ctx).Upload(ctx, owner(), io.MultiReader(begun, waiting{ctx}))
		ended <- err
	}()
	for remainsOf(t, server.storage).unfinished == before.unfinished {
		select {
		case err := <-ended:
			t.Fatalf("an upload that never ends has ended: %v", err)
		default:
			pause(t.Context(), 50*time.Millisecond)
		}
	}
	server.kill()
	cancel()
	<-ended
}

// waiting has no byte until its context ends.
type waiting struct{ context.Context }

func (w waiting) Read([]byte) (int, error) {
	<-w.Done()
	return 0, w.Err()
}

// sweepHalfUploads runs a server that takes everything for a remainder that is older than two seconds, until it has swept once.
func sweepHalfUploads(t *testing.T, server *serverProcess) {
	t.Helper()
	pause(t.Context(), 3*time.Second)
	forgetServers(t, server.storage)
	server.start("--transfer-time", "1s", "--clean-up-every", "100ms")
	for !strings.Contains(metrics(t, server), `sparkchaos_staging_sweeps_total{result="ok"}`) {
		pause(t.Context(), 100*time.Millisecond)
	}
	server.kill()
}

// forgetServers removes what the servers that were killed said of how long an upload to them may take: only the test knows
// that none of them lives, and no other server would remove what may be theirs.
func forgetServers(t *testing.T, storage string) {
	t.Helper()
	bucket, err := blob.OpenBucket(t.Context(), storage)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	told := keys(t, bucket, "servers/")
	if len(told) == 0 {
		t.Error("no server said how long an upload to it may take")
	}
	for _, key := range told {
		if err := bucket.Delete(t.Context(), "servers/"+key); err != nil {
			t.Fatal(err)
		}
	}
}

func metrics(t *testing.T, server *serverProcess) string {
	t.Helper()
	response, err := http.Get(server.alive(t.Context()).Server() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
