package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/store"
)

// formBytes is what an upload may have beside the bundle: the owner, and the headers of two parts.
const formBytes = staging.MaxOwnerBytes + 64<<10

// errTooLarge is the problem of a bundle beyond MaxBundleBytes.
var errTooLarge = errors.New("the bundle is too large")

// upload takes a bundle.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) *problem {
	select {
	case s.uploads <- struct{}{}:
		s.metrics.uploading.Inc()
		defer func() {
			s.metrics.uploading.Dec()
			<-s.uploads
		}()
	default:
		return &problem{status: http.StatusServiceUnavailable, reason: fmt.Sprintf("%d uploads are under way, which is the most; come again", s.config.MaxUploads)}
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.config.TransferTime)
	defer cancel()
	body := paced(s.config, w, r.Body)
	r.Body = http.MaxBytesReader(w, body, s.config.MaxBundleBytes+formBytes)
	form, err := r.MultipartReader()
	if err != nil {
		return &problem{status: http.StatusBadRequest, reason: fmt.Sprintf("want multipart/form-data with the parts %s and %s: %v", staging.OwnerPart, staging.ResourcesPart, err)}
	}
	ticket, p := s.receive(ctx, form, body)
	if p != nil {
		return p
	}
	w.Header().Set("Content-Type", "application/json")
	// A client that is gone by now has its bundle stored, and never learns its secret: it expires.
	_ = json.NewEncoder(w).Encode(ticket)
	return nil
}

// receive stores the upload and returns the ticket, once all is durable.
func (s *Server) receive(ctx context.Context, form *multipart.Reader, body *pacedBody) (*staging.Ticket, *problem) {
	begun := time.Now()
	id, secret, err := newIdentity()
	if err != nil {
		return nil, &problem{status: http.StatusInternalServerError, reason: "no random bytes", err: err}
	}
	in := incoming{server: s, id: id, body: body}
	defer func() {
		if in.upload != nil {
			if err := in.upload.Abort(); err != nil {
				s.config.Log.Warn("remains of an upload could not be removed now; a sweep will", "id", id, "error", err)
			}
		}
	}()
	if p := in.read(ctx, form); p != nil {
		return nil, p
	}
	entry, err := in.upload.Commit(ctx, store.Entry{Owner: *in.owner, Created: time.Now().UTC(), SecretSHA256: store.HashSecret(secret)})
	if err != nil {
		return nil, storageProblem(err)
	}
	s.metrics.received.Add(float64(entry.Size))
	s.config.Log.Info("bundle stored", "id", id, "namespace", entry.Owner.Namespace, "labels", entry.Owner.Labels,
		"bytes", entry.Size, "sha256", entry.SHA256, "took", time.Since(begun))
	return &staging.Ticket{ID: id, Secret: secret}, nil
}

// newIdentity returns an id that nobody guesses and a secret in the original's form: a UUID and 1024 random bytes.
func newIdentity() (id, secret string, err error) {
	name, err1 := uuid.NewRandom()
	prefix, err2 := uuid.NewRandom()
	random := make([]byte, 1024)
	_, err3 := rand.Read(random)
	if err := errors.Join(err1, err2, err3); err != nil {
		return "", "", err
	}
	return name.String(), prefix.String() + "-" + base64.StdEncoding.EncodeToString(random), nil
}

// incoming is an upload while its parts come in, in either order.
type incoming struct {
	server *Server
	id     string
	body   *pacedBody
	owner  *staging.Owner
	upload Upload
}

func (in *incoming) read(ctx context.Context, form *multipart.Reader) *problem {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return in.badBody(err)
		}
		if p := in.take(ctx, part); p != nil {
			return p
		}
	}
	switch {
	case in.owner == nil && in.upload == nil:
		return missing(staging.OwnerPart + " and " + staging.ResourcesPart)
	case in.owner == nil:
		return missing(staging.OwnerPart)
	case in.upload == nil:
		return missing(staging.ResourcesPart)
	}
	return nil
}

func (in *incoming) take(ctx context.Context, part *multipart.Part) *problem {
	switch name := part.FormName(); {
	case name == staging.OwnerPart && in.owner == nil:
		return in.takeOwner(part)
	case name == staging.ResourcesPart && in.upload == nil:
		return in.takeBundle(ctx, part)
	default:
		return &problem{status: http.StatusBadRequest, reason: fmt.Sprintf("part %.100q is unknown or comes twice; want %s and %s", name, staging.OwnerPart, staging.ResourcesPart)}
	}
}

func (in *incoming) takeOwner(part io.Reader) *problem {
	data, err := io.ReadAll(io.LimitReader(part, staging.MaxOwnerBytes+1))
	if err != nil {
		return in.badBody(err)
	}
	if len(data) > staging.MaxOwnerBytes {
		return &problem{status: http.StatusBadRequest, reason: fmt.Sprintf("part %s has more than %d bytes", staging.OwnerPart, staging.MaxOwnerBytes)}
	}
	owner, err := staging.ParseOwner(data)
	if err != nil {
		return &problem{status: http.StatusBadRequest, reason: fmt.Sprintf("part %s: %v", staging.OwnerPart, err)}
	}
	in.owner = &owner
	return nil
}

func (in *incoming) takeBundle(ctx context.Context, part io.Reader) *problem {
	upload, err := in.server.config.Storage.Begin(ctx, in.id)
	if err != nil {
		return storageProblem(err)
	}
	in.upload = upload
	body := &noted{Reader: &limited{part, in.server.config.MaxBundleBytes}}
	n, err := io.Copy(upload, body)
	switch {
	case body.err != nil:
		return in.badBody(body.err)
	case err != nil:
		return storageProblem(err)
	case n == 0:
		return &problem{status: http.StatusBadRequest, reason: fmt.Sprintf("part %s is empty", staging.ResourcesPart)}
	}
	return nil
}

// noted keeps the error of reading, to tell the client's trouble from the storage's.
type noted struct {
	io.Reader
	err error
}

func (n *noted) Read(p []byte) (int, error) {
	read, err := n.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return read, err
}

// limited fails with errTooLarge as soon as there is more than left bytes.
type limited struct {
	io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p[:min(int64(len(p)), l.left+1)])
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

func missing(parts string) *problem {
	return &problem{status: http.StatusBadRequest, reason: "the upload lacks " + parts}
}

// badBody is the problem of an upload whose body cannot be read to its end. What parses the body does not always say
// that it ended too early, so the body is asked, too.
func (in *incoming) badBody(err error) *problem {
	err = errors.Join(err, in.body.failed)
	var bytes *http.MaxBytesError
	switch {
	case errors.Is(err, errTooLarge), errors.As(err, &bytes):
		return &problem{status: http.StatusRequestEntityTooLarge, reason: errTooLarge.Error()}
	case isTimeout(err):
		return &problem{status: http.StatusRequestTimeout, reason: "the upload stood still, or took too long", err: err}
	default:
		return &problem{status: http.StatusBadRequest, reason: "the upload is not well-formed, or broke off", err: err}
	}
}

// storageProblem is the problem of a storage that does not do its work; what it said is not the client's to know.
func storageProblem(err error) *problem {
	if errors.Is(err, context.DeadlineExceeded) {
		return &problem{status: http.StatusServiceUnavailable, reason: "storing took too long", err: err}
	}
	return &problem{status: http.StatusInternalServerError, reason: "the storage failed; nothing was stored", err: err}
}
