package server

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/store"
)

// formBytes is what an upload may have beside the bundle: the owner, and the headers of two parts.
const formBytes = staging.MaxOwnerBytes + 64<<10

// errTooLarge is the problem of a bundle beyond MaxBundleBytes.
var errTooLarge = errors.New("the bundle is too large")

// upload receives a bundle.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) *problem {
	if !s.mayUpload(r) {
		return &problem{status: http.StatusUnauthorized,
			reason: "uploads to this server need its token: " + staging.SecretHeader + ": " + staging.TokenScheme + " TOKEN"}
	}
	// Refuse what can be refused now, before the bundle is on its way. The place itself is taken when the owner is known.
	client := clientOf(r.RemoteAddr)
	if p := s.slots.ask(client); p != nil {
		return p
	}
	announced := max(0, r.ContentLength-formBytes)
	if announced > s.config.MaxBundleBytes {
		return &problem{status: http.StatusRequestEntityTooLarge, reason: errTooLarge.Error()}
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.config.TransferTime)
	defer cancel()
	if err := s.room.admit(ctx, announced); err != nil {
		return storageProblem(err)
	}
	body := paced(s.config, w, r.Body)
	head := &bounded{ReadCloser: body, left: formBytes}
	r.Body = http.MaxBytesReader(w, head, s.config.MaxBundleBytes+formBytes)
	form, err := r.MultipartReader()
	if err != nil {
		return &problem{status: http.StatusBadRequest,
			reason: fmt.Sprintf("want multipart/form-data with the parts %s and %s: %v", staging.OwnerPart, staging.ResourcesPart, err)}
	}
	in := &incoming{server: s, client: client, body: body, head: head, share: share{room: s.room}}
	ticket, p := s.receive(ctx, form, in)
	if p != nil {
		return p
	}
	w.Header().Set("Content-Type", "application/json")
	// A client that is gone by now has its bundle stored, and never learns its secret: it expires.
	_ = json.NewEncoder(w).Encode(ticket)
	return nil
}

// receive stores the upload and returns the ticket once everything is durable.
func (s *Server) receive(ctx context.Context, form *multipart.Reader, in *incoming) (*staging.Ticket, *problem) {
	begun := time.Now()
	id, secret, err := newIdentity()
	if err != nil {
		return nil, &problem{status: http.StatusInternalServerError, reason: "no random bytes", err: err}
	}
	in.id = id
	stored := false
	defer func() {
		in.share.end(stored)
		if in.release != nil {
			in.release()
		}
	}()
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
	stored = true
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
	server  *Server
	client  netip.Prefix
	id      string
	body    *pacedBody
	head    *bounded
	share   share
	release func() // of the place; nil while there is none
	owner   *staging.Owner
	upload  Upload
}

// place takes a place among the uploads under way. Until then little more than an owner can be sent.
func (in *incoming) place() *problem {
	if in.release != nil {
		return nil
	}
	release, p := in.server.slots.take(in.client, in.owner != nil)
	if p != nil {
		return p
	}
	in.release = release
	in.head.left = math.MaxInt64 // the bound on the whole body stays
	return nil
}

// bounded fails with errTooLarge if there are more than left bytes.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// mayUpload reports whether a request shows the token, if one is wanted.
func (s *Server) mayUpload(r *http.Request) bool {
	if s.config.UploadToken == "" {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get(staging.SecretHeader), " ")
	right := subtle.ConstantTimeCompare([]byte(store.HashSecret(token)), []byte(store.HashSecret(s.config.UploadToken))) == 1
	return right && strings.EqualFold(scheme, staging.TokenScheme)
}

func (in *incoming) read(ctx context.Context, form *multipart.Reader) *problem {
	for {
		// Of a raw part the bytes are stored that were sent, whatever its Content-Transfer-Encoding.
		part, err := form.NextRawPart()
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
		return &problem{status: http.StatusBadRequest,
			reason: fmt.Sprintf("part %.100q is unknown or comes twice; want %s and %s", name, staging.OwnerPart, staging.ResourcesPart)}
	}
}

func (in *incoming) takeOwner(part io.Reader) *problem {
	data, err := io.ReadAll(io.LimitReader(part, staging.MaxOwnerBytes+1))
	if err != nil {
		return in.badBody(err)
	}
	if len(data) > staging.MaxOwnerBytes {
		return &problem{status: http.StatusBadRequest,
			reason: fmt.Sprintf("part %s has more than %d bytes", staging.OwnerPart, staging.MaxOwnerBytes)}
	}
	owner, err := staging.ParseOwner(data)
	if err != nil {
		return &problem{status: http.StatusBadRequest, reason: fmt.Sprintf("part %s: %v", staging.OwnerPart, err)}
	}
	if allowed := in.server.config.Namespaces; len(allowed) > 0 && !slices.Contains(allowed, owner.Namespace) {
		return &problem{status: http.StatusForbidden,
			reason: fmt.Sprintf("this server takes bundles for pods in %s, not in %q", strings.Join(allowed, ", "), owner.Namespace)}
	}
	in.owner = &owner
	return in.place()
}

func (in *incoming) takeBundle(ctx context.Context, part io.Reader) *problem {
	if p := in.place(); p != nil {
		return p
	}
	if err := in.server.announce(ctx); err != nil {
		return storageProblem(err)
	}
	upload, err := in.server.config.Storage.Begin(ctx, in.id)
	if err != nil {
		return storageProblem(err)
	}
	in.upload = upload
	body := &noted{Reader: &limited{part, in.server.config.MaxBundleBytes}}
	n, err := io.Copy(counted{upload, &in.share}, body)
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

// announce notes in the storage how long an upload may take, for other servers not to remove what is being received.
func (s *Server) announce(ctx context.Context) error {
	if s.announced.Load() {
		return nil
	}
	if err := s.config.Storage.Announce(ctx, s.config.TransferTime); err != nil {
		return err
	}
	s.announced.Store(true)
	return nil
}

// counted counts the bytes that are stored, and fails when there is no room for more.
type counted struct {
	io.Writer
	share *share
}

func (c counted) Write(p []byte) (int, error) {
	if err := c.share.take(len(p)); err != nil {
		return 0, err
	}
	return c.Writer.Write(p)
}

// noted keeps the error of reading, to distinguish failures of the client from those of the storage.
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

// limited fails with errTooLarge if there are more than left bytes.
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
	case errors.Is(err, errTooLarge) && in.release == nil:
		return &problem{status: http.StatusBadRequest,
			reason: fmt.Sprintf("more than %d bytes came before part %s or %s", formBytes, staging.OwnerPart, staging.ResourcesPart)}
	case errors.Is(err, errTooLarge), errors.As(err, &bytes):
		return &problem{status: http.StatusRequestEntityTooLarge, reason: errTooLarge.Error()}
	case isTimeout(err):
		return &problem{status: http.StatusRequestTimeout,
			reason: fmt.Sprintf("the upload stood still, was slower than %d bytes a second, or took too long", in.server.config.MinRate), err: err}
	default:
		return &problem{status: http.StatusBadRequest, reason: "the upload is not well-formed, or broke off", err: err}
	}
}

// storageProblem is the problem of a storage that does not do its work; what it said is not the client's to know.
func storageProblem(err error) *problem {
	if noRoom(err) {
		return roomProblem(err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &problem{status: http.StatusServiceUnavailable, reason: "storing took too long", err: err}
	}
	return &problem{status: http.StatusInternalServerError, reason: "the storage failed; nothing was stored", err: err}
}
