package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/store"
)

// admitted returns the entry of the bundle that a request names, if the request has its secret: an unknown id is 404 whatever
// the secret, a wrong secret is 401.
func (s *Server) admitted(ctx context.Context, r *http.Request) (store.Entry, *problem) {
	entry, err := s.config.Storage.Entry(ctx, r.PathValue("id"))
	if errors.Is(err, store.ErrNotFound) {
		return store.Entry{}, unknownBundle()
	}
	if err != nil {
		s.noteDamage(err)
		return store.Entry{}, &problem{status: http.StatusInternalServerError, reason: "the storage failed", err: err}
	}
	if !entry.Admits(r.Header.Get(staging.SecretHeader)) {
		return store.Entry{}, &problem{status: http.StatusUnauthorized,
			reason: "the header " + staging.SecretHeader + " does not hold the bundle's secret"}
	}
	return entry, nil
}

func unknownBundle() *problem {
	return &problem{status: http.StatusNotFound, reason: "there is no bundle with this id"}
}

// removedSince reports whether a bundle was removed for certain, in which case missing bytes are not damage.
func (s *Server) removedSince(ctx context.Context, entry store.Entry) bool {
	_, err := s.config.Storage.Entry(ctx, entry.ID)
	return errors.Is(err, store.ErrNotFound)
}

// download serves a bundle.
func (s *Server) download(w http.ResponseWriter, r *http.Request) *problem {
	ctx, cancel := context.WithTimeout(r.Context(), s.config.TransferTime)
	defer cancel()
	entry, p := s.admitted(ctx, r)
	if p != nil {
		return p
	}
	bundle, err := s.config.Storage.Open(ctx, entry)
	if err != nil {
		if s.removedSince(ctx, entry) {
			return unknownBundle()
		}
		s.noteDamage(err)
		return &problem{status: http.StatusInternalServerError, reason: "the bundle cannot be read", err: err}
	}
	defer bundle.Close()
	err = s.config.Storage.MarkDownloaded(ctx, entry.ID)
	if errors.Is(err, store.ErrNotFound) {
		return unknownBundle()
	}
	if err != nil {
		// The client needs the bundle more than the clean-up needs the mark.
		s.config.Log.Warn("the first download could not be noted", "id", entry.ID, "error", err)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(entry.Size, 10))
	w.Header().Set(staging.DigestHeader, staging.FormatDigest(entry.SHA256))
	n, err := io.Copy(pacedWriter(s.config, w), bundle)
	s.metrics.sent.Add(float64(n))
	if err == nil {
		return nil
	}
	if !s.removedSince(ctx, entry) {
		s.noteDamage(err)
	}
	s.config.Log.Warn("download broke off", "client", r.RemoteAddr, "id", entry.ID, "sent", n, "bytes", entry.Size, "error", err)
	// The status is on its way. Only a connection that is cut tells the client that this is not the whole bundle.
	panic(http.ErrAbortHandler)
}

// remove removes a bundle if the request has its secret.
func (s *Server) remove(w http.ResponseWriter, r *http.Request) *problem {
	entry, p := s.admitted(r.Context(), r)
	if p != nil {
		return p
	}
	if err := s.config.Storage.Remove(r.Context(), entry.ID); err != nil {
		return &problem{status: http.StatusInternalServerError, reason: "the bundle could not be removed", err: err}
	}
	s.room.removed(entry.Size)
	s.metrics.removed.WithLabelValues(reasonRequested).Inc()
	s.config.Log.Info("bundle removed", "id", entry.ID, "namespace", entry.Owner.Namespace, "reason", reasonRequested)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// noteDamage counts bundles that differ from what was uploaded.
func (s *Server) noteDamage(err error) {
	if errors.Is(err, store.ErrDamaged) {
		s.metrics.damaged.Inc()
		s.config.Log.Error("damaged bundle: it is not served", "error", err)
	}
}
