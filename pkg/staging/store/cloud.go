package store

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// process are objects in the memory of the process, where nothing is left half written.
type process struct{ blobObjects }

func (process) removePartial(context.Context, time.Time) (int, error) { return 0, nil }

// cloudObjects lie in an object store. What an upload left there that was cut off shows in no list of objects, and is paid
// for until it is removed.
type cloudObjects struct {
	blobObjects
	name   string // of the bucket
	prefix string // of all keys
}

// removePartial removes unfinished multipart uploads of S3. Google and Azure drop theirs after a week by themselves.
func (c cloudObjects) removePartial(ctx context.Context, before time.Time) (int, error) {
	var client *s3.Client
	if !c.bucket.As(&client) {
		return 0, nil
	}
	removed := 0
	pages := s3.NewListMultipartUploadsPaginator(client,
		&s3.ListMultipartUploadsInput{Bucket: aws.String(c.name), Prefix: aws.String(c.prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return removed, err
		}
		for _, upload := range page.Uploads {
			if !c.ours(upload) || !aws.ToTime(upload.Initiated).Before(before) {
				continue
			}
			_, err := client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
				Bucket: aws.String(c.name), Key: upload.Key, UploadId: upload.UploadId,
			})
			if err != nil {
				return removed, err
			}
			removed++
		}
	}
	return removed, nil
}

// ours reports whether an unfinished upload is that of a bundle: others may use the bucket too.
func (c cloudObjects) ours(upload types.MultipartUpload) bool {
	id, ok := strings.CutPrefix(aws.ToString(upload.Key), c.prefix+dataPrefix)
	return ok && validID(id)
}
