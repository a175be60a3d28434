// Package server is the resource staging server: the HTTP interface over a store, and the clean-up of bundles that
// nobody owns any more. It keeps no state about bundles, so several servers on one store serve the same ones.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/store"
)

// Storage is what a server needs of a store. *store.Store is one, with its uploads.
type Storage interface {
	Begin(ctx context.Context, id string) (Upload, error)
	Entry(ctx context.Context, id string) (store.Entry, error)
	Open(ctx context.Context, entry store.Entry) (io.ReadCloser, error)
	MarkDownloaded(ctx context.Context, id string) error
	Downloaded(ctx context.Context, id string) (bool, error)
	Entries(ctx context.Context) iter.Seq2[store.Entry, error]
	Remove(ctx context.Context, id string) error
	RemoveHalfUploads(ctx context.Context, before time.Time) (int, error)
	Check(ctx context.Context) error
}

// Upload is a bundle that is being stored, see store.Upload.
type Upload interface {
	io.Writer
	Commit(ctx context.Context, entry store.Entry) (store.Entry, error)
	Abort() error
}

// Stored makes a store the Storage of a server.
func Stored(s *store.Store) Storage { return stored{s} }

type stored struct{ *store.Store }

func (s stored) Begin(ctx context.Context, id string) (Upload, error) { return s.Store.Begin(ctx, id) }

// Config says how a server is to be. Zero values mean the defaults that the fields name.
type Config struct {
	Storage Storage      // required
	Log     *slog.Logger // required; no secret is ever written to it

	MaxBundleBytes int64         // larger uploads are refused with 413; default 4 GiB
	MaxUploads     int           // more at a time are asked to come again with 503; default 16
	TransferTime   time.Duration // how long one upload or download may take; default 30 min
	StallTime      time.Duration // how long a client may neither send nor take a byte; default 1 min

	CleanUp CleanUp
}

// CleanUp says when bundles are removed.
type CleanUp struct {
	// Off keeps all of them for ever.
	Off bool
	// Owners says whether bundles are still needed; without it only those are removed that nobody ever downloaded.
	Owners Owners
	// InitialAccess is how long a bundle is kept that was not downloaded yet; default 30 min.
	InitialAccess time.Duration
	// Every is the time between two sweeps; default 30 s.
	Every time.Duration
	// Grace is how long a bundle must be seen without an owner before it is removed, sweep after sweep; default 1 min.
	Grace time.Duration
}

const (
	defaultMaxBundleBytes = 4 << 30
	defaultMaxUploads     = 16
	defaultTransferTime   = 30 * time.Minute
	defaultStallTime      = time.Minute

	headerTime = 10 * time.Second
	keptAlive  = 2 * time.Minute
	// checkTime bounds what /readyz waits for the storage.
	checkTime = 5 * time.Second
)

// Server serves bundles.
type Server struct {
	config  Config
	metrics *metrics
	uploads chan struct{} // one element for each upload under way
	sweeper *sweeper
	// headerTime is how long a client may take for the head of a request.
	headerTime time.Duration
}

// New returns a server.
func New(config Config) (*Server, error) {
	if config.Storage == nil || config.Log == nil {
		return nil, errors.New("a staging server needs a storage and a log")
	}
	config.MaxBundleBytes = cmp.Or(config.MaxBundleBytes, defaultMaxBundleBytes)
	config.MaxUploads = cmp.Or(config.MaxUploads, defaultMaxUploads)
	config.TransferTime = cmp.Or(config.TransferTime, defaultTransferTime)
	config.StallTime = cmp.Or(config.StallTime, defaultStallTime)
	if config.MaxBundleBytes < 1 || config.MaxUploads < 1 || config.TransferTime < 0 || config.StallTime < 0 {
		return nil, fmt.Errorf("a staging server cannot take bundles of %d bytes, %d at a time, in %s with pauses of %s: all must be above zero",
			config.MaxBundleBytes, config.MaxUploads, config.TransferTime, config.StallTime)
	}
	m := newMetrics()
	return &Server{
		config: config, metrics: m, uploads: make(chan struct{}, config.MaxUploads),
		sweeper: newSweeper(config, m), headerTime: headerTime,
	}, nil
}

// Handler returns the HTTP interface: the v0 API, DELETE of a bundle, /healthz, /readyz and /metrics. It relies on the
// deadlines of a real connection against slow clients.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	upload := s.observed("upload", s.upload)
	mux.Handle("POST "+staging.ResourcesPath, upload)
	mux.Handle("POST "+staging.ResourcesPath+"/{$}", upload)
	mux.Handle("GET "+staging.ResourcesPath+"/{id}", s.observed("download", s.download))
	mux.Handle("DELETE "+staging.ResourcesPath+"/{id}", s.observed("remove", s.remove))
	mux.HandleFunc("GET "+staging.PingPath, say("pong"))
	mux.HandleFunc("GET /healthz", say("ok\n"))
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{Registry: s.metrics.registry}))
	return mux
}

// Registry holds the server's metrics.
func (s *Server) Registry() *prometheus.Registry { return s.metrics.registry }

// Serve answers on l, and cleans up, until ctx ends; transfers under way then have grace to finish. It closes l, and
// returns nil when ctx ended.
func (s *Server) Serve(ctx context.Context, l net.Listener, grace time.Duration) error {
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: s.headerTime,
		// Of what is no transfer; transfers set deadlines of their own.
		ReadTimeout:  s.headerTime + s.config.StallTime,
		WriteTimeout: s.headerTime + s.config.StallTime,
		IdleTimeout:  keptAlive,
		ErrorLog:     slog.NewLogLogger(s.config.Log.Handler(), slog.LevelWarn),
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		s.sweeper.run(ctx)
	}()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	var err error
	select {
	case err = <-ended:
		err = fmt.Errorf("the staging server at %s stopped: %w", l.Addr(), err)
	case <-ctx.Done():
		err = stop(ctx, server, grace)
	}
	cancel()
	<-swept
	return err
}

// stop lets requests under way finish, and cuts off those that do not.
func stop(ctx context.Context, server *http.Server, grace time.Duration) error {
	waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(waiting); err != nil {
		return server.Close()
	}
	return nil
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, text) // a client that is gone needs no answer
	}
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTime)
	defer cancel()
	if err := s.config.Storage.Check(ctx); err != nil {
		s.config.Log.Warn("not ready", "error", err)
		http.Error(w, "the storage cannot be reached", http.StatusServiceUnavailable)
		return
	}
	say("ok\n")(w, r)
}

// problem is what ends a request with something else than success.
type problem struct {
	status int
	reason string // told to the client
	err    error  // only for the log; nil when the client's mistake is all there is
}

// observed counts and logs a handler's requests, and answers those that end with a problem.
func (s *Server) observed(op string, handle func(http.ResponseWriter, *http.Request) *problem) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		result := "aborted"
		defer func() { s.metrics.requests.WithLabelValues(op, result).Observe(time.Since(begun).Seconds()) }()
		p := handle(w, r)
		if p == nil {
			result = "ok"
			return
		}
		result = fmt.Sprint(p.status)
		level := slog.LevelInfo
		if p.status >= http.StatusInternalServerError {
			level = slog.LevelError
		}
		s.config.Log.Log(r.Context(), level, op+" refused", "client", r.RemoteAddr, "id", loggable(r.PathValue("id")), "status", p.status, "reason", p.reason, "error", p.err)
		if p.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "5")
		}
		http.Error(w, p.reason, p.status)
	})
}

// loggable is an id as it may stand in a log: only what is one. A client that mixes up its arguments sends a secret as id.
func loggable(id string) string {
	if len(id) > len("00000000-0000-0000-0000-000000000000") {
		return "(not an id)"
	}
	return id
}
