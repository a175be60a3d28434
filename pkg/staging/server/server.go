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
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/store"
)

// Storage is the part of a store that a server needs. *store.Store implements it, with its uploads.
type Storage interface {
	Begin(ctx context.Context, id string) (Upload, error)
	Entry(ctx context.Context, id string) (store.Entry, error)
	Open(ctx context.Context, entry store.Entry) (io.ReadCloser, error)
	MarkDownloaded(ctx context.Context, id string) error
	Downloaded(ctx context.Context, id string) (bool, error)
	IDs(ctx context.Context) iter.Seq2[string, error]
	Remove(ctx context.Context, id string) error
	RemoveHalfUploads(ctx context.Context, before time.Time) (int, error)
	Usage(ctx context.Context) (int64, error)
	Free() (int64, bool, error)
	Announce(ctx context.Context, transfer time.Duration) error
	LongestTransfer(ctx context.Context) (time.Duration, error)
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

// Config configures a server. Zero values mean the defaults that the fields name.
type Config struct {
	Storage Storage      // required
	Log     *slog.Logger // required; no secret is ever written to it

	MaxBundleBytes int64 // larger uploads are refused with 413; default 4 GiB
	MaxUploads     int   // more at a time are asked to come again with 503; default 16
	// MaxUploadsPerClient is how many of them one address may have; default a quarter of them, at least one. An IPv6 network of
	// 64 bits counts as one address.
	MaxUploadsPerClient int
	TransferTime        time.Duration // how long one upload or download may take; default 30 min
	StallTime           time.Duration // how long a client may neither send nor take a byte; default 1 min
	// MinRate is how many bytes a second a client must send or take; default 8 KiB. Only the time counts in which the server
	// waits for it.
	MinRate int64
	// SlowTime is how long a client may be slower than that before the transfer ends; default 1 min.
	SlowTime time.Duration

	// MaxStoreBytes bounds what all bundles take together; uploads beyond it are refused with 507. 0 means no bound. Of what
	// other servers on the same storage took in the last half minute a server may not know.
	MaxStoreBytes int64
	// FreeSpaceReserve is how many bytes must stay free on the disk; uploads beyond it are refused with 507. 0 means no reserve.
	FreeSpaceReserve int64

	// UploadToken is what uploads must show as "Authorization: Bearer TOKEN"; empty lets everybody upload.
	UploadToken string
	// Namespaces are the only ones for which bundles are taken; empty means all.
	Namespaces []string
	// MetricsElsewhere takes /metrics from the Handler; MetricsHandler serves it.
	MetricsElsewhere bool

	CleanUp CleanUp
}

// CleanUp defines when bundles are removed.
type CleanUp struct {
	// Off keeps all of them for ever.
	Off bool
	// Owners reports whether bundles are still needed; without it only those are removed that nobody ever downloaded.
	Owners Owners
	// InitialAccess is how long a bundle is kept that was not downloaded yet; default 30 min.
	InitialAccess time.Duration
	// Every is the time between two sweeps; default 30 s.
	Every time.Duration
	// Grace is how long a bundle must be seen without an owner before it is removed, sweep after sweep; default 1 min.
	Grace time.Duration
	// MaxEntries is how many bundles one sweep looks at that had an owner the last time; the rest follows in the next ones.
	// Default 2000.
	MaxEntries int
}

const (
	defaultMaxBundleBytes = 4 << 30
	defaultMaxUploads     = 16
	defaultTransferTime   = 30 * time.Minute
	defaultStallTime      = time.Minute
	defaultMinRate        = 8 << 10
	defaultSlowTime       = time.Minute

	headerTime = 10 * time.Second
	keptAlive  = 2 * time.Minute
	// checkTime bounds what /readyz waits for the storage.
	checkTime = 5 * time.Second
	// checkAge is how long the answer of the storage holds: asking /readyz often must not ask the storage often.
	checkAge = time.Second
)

// Server serves bundles.
type Server struct {
	config  Config
	metrics *metrics
	slots   *slots
	room    *room
	sweeper *sweeper
	// announced is set once the storage knows how long an upload to this server may take.
	announced atomic.Bool
	checked   readiness
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
	config.MinRate = cmp.Or(config.MinRate, defaultMinRate)
	config.SlowTime = cmp.Or(config.SlowTime, defaultSlowTime)
	config.MaxUploadsPerClient = cmp.Or(config.MaxUploadsPerClient, max(1, config.MaxUploads/4))
	if config.MaxBundleBytes < 1 || config.MaxUploads < 1 || config.TransferTime < 0 || config.StallTime < 0 {
		return nil, fmt.Errorf("a staging server cannot take bundles of %d bytes, %d at a time, in %s with pauses of %s: all must be above zero",
			config.MaxBundleBytes, config.MaxUploads, config.TransferTime, config.StallTime)
	}
	if config.MinRate < 1 || config.SlowTime < 0 || config.MaxUploadsPerClient < 1 || config.MaxStoreBytes < 0 || config.FreeSpaceReserve < 0 {
		return nil, fmt.Errorf(
			"a staging server cannot ask for %d bytes a second after %s, take %d uploads from an address, keep %d bytes in all and leave %d free: "+
				"the first three must be above zero, and no bound may be negative",
			config.MinRate, config.SlowTime, config.MaxUploadsPerClient, config.MaxStoreBytes, config.FreeSpaceReserve)
	}
	m := newMetrics()
	s := &Server{config: config, metrics: m, slots: newSlots(config, m.uploading), room: newRoom(config), headerTime: headerTime}
	s.sweeper = newSweeper(config, m, s.room)
	return s, nil
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
	if !s.config.MetricsElsewhere {
		mux.Handle("GET "+metricsPath, s.metricsOnly())
	}
	return mux
}

const metricsPath = "/metrics"

func (s *Server) metricsOnly() http.Handler {
	return promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{Registry: s.metrics.registry})
}

// MetricsHandler returns /metrics alone, for an address of its own.
func (s *Server) MetricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+metricsPath, s.metricsOnly())
	return mux
}

// Registry holds the server's metrics.
func (s *Server) Registry() *prometheus.Registry { return s.metrics.registry }

// Serve answers on l, and cleans up, until ctx is done; transfers under way then have grace to finish. It closes l and
// returns nil when ctx is done.
func (s *Server) Serve(ctx context.Context, l net.Listener, grace time.Duration) error {
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: s.headerTime,
		// Of what is no transfer; transfers set deadlines of their own.
		ReadTimeout:  s.headerTime + s.config.StallTime,
		WriteTimeout: s.headerTime + s.config.StallTime,
		IdleTimeout:  keptAlive,
		ConnContext:  boundBuffer,
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
	if err := s.checked.ask(r.Context(), s.config.Storage.Check); err != nil {
		s.config.Log.Warn("not ready", "error", err)
		http.Error(w, "the storage cannot be reached", http.StatusServiceUnavailable)
		return
	}
	say("ok\n")(w, r)
}

// readiness is the storage's last answer.
type readiness struct {
	mu  sync.Mutex
	at  time.Time // zero for never
	err error
}

// ask asks the storage, unless it has just been asked. Those who ask at the same time get one answer, so who leaves first
// must not end the asking.
func (r *readiness) ask(ctx context.Context, check func(context.Context) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at.IsZero() && time.Since(r.at) < checkAge {
		return r.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTime)
	defer cancel()
	r.err = check(ctx)
	r.at = time.Now()
	return r.err
}

// problem is the answer to a request that fails.
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
		s.config.Log.Log(r.Context(), level, op+" refused", "client", r.RemoteAddr, "id", loggable(r.PathValue("id")), "status", p.status,
			"reason", p.reason, "error", p.err)
		switch p.status {
		case http.StatusServiceUnavailable, http.StatusInsufficientStorage:
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
