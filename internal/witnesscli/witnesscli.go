// Package witnesscli is the command line of the witness that runs in a cluster whose pods do not reach the harness: it keeps what
// drivers and executors report until the harness comes for it, and serves the words that streaming workloads read.
package witnesscli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sparkchaos/sparkchaos/internal/httpserver"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/source"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

// The files in the witness's directory.
const (
	recordsFile = "records.ndjson"
	beganFile   = "began" // when the stream of words was empty
)

// maxStored bounds what is stored: the volume has 1 GiB, and a witness that answers is worth more than one whose disk is full.
const maxStored = 900 << 20

// flags of the command.
type flags struct {
	listen, listenWords, listenTCP string
	directory                      string
	words                          source.Options
	token                          string // from the environment: a flag would show in the list of processes
}

// New returns the command "witness".
func New(getenv func(string) string) *cobra.Command {
	var f flags
	command := &cobra.Command{
		Use: "witness", Short: "Store what drivers and executors report until the harness reads it; used by the harness", Hidden: true,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if f.token = getenv(witness.TokenVariable); f.token == "" {
				return fmt.Errorf("the environment variable %s is not set: it is the token of those who report, and of the harness",
					witness.TokenVariable)
			}
			return f.serve(command.Context(), slog.New(slog.NewTextHandler(command.ErrOrStderr(), nil)))
		},
	}
	set := command.Flags()
	set.StringVar(&f.listen, "listen", ":8080", "address for records, and for the harness")
	set.StringVar(&f.listenWords, "listen-words", ":8081", "address of the words by HTTP")
	set.StringVar(&f.listenTCP, "listen-words-tcp", ":8082", "address of the words by TCP")
	set.StringVar(&f.directory, "directory", "", "where records are kept")
	set.Uint64Var(&f.words.Seed, "seed", 0, "of the words")
	set.IntVar(&f.words.Vocabulary, "vocabulary", source.DefaultVocabulary, "how many different words there are")
	set.IntVar(&f.words.WordsPerSecond, "words-per-second", 1, "how fast there are more of them")
	return command
}

// serve answers until ctx ends.
func (f flags) serve(ctx context.Context, log *slog.Logger) (err error) {
	store, err := witness.OpenStore(filepath.Join(f.directory, recordsFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if f.words.Began, err = began(filepath.Join(f.directory, beganFile), time.Now()); err != nil {
		return err
	}
	words, err := source.New(f.words)
	if err != nil {
		return err
	}
	report := func(p history.ProblemData) { log.Warn(p.What, "error", p.Error) }
	records := f.records(store, report)
	group, ctx := errgroup.WithContext(ctx)
	for _, server := range []struct {
		address string
		serve   func(context.Context, net.Listener) error
	}{
		{f.listen, func(ctx context.Context, l net.Listener) error {
			return httpserver.Serve(ctx, "the witness", l, records)
		}},
		{f.listenWords, words.ServeHTTP},
		{f.listenTCP, words.ServeTCP},
	} {
		group.Go(func() error {
			listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", server.address)
			if err != nil {
				return err
			}
			log.Info("serving", "address", listener.Addr().String())
			return server.serve(ctx, listener)
		})
	}
	return group.Wait()
}

// records is the interface for records and for the harness, each of whose requests must show the token. The harness finds conflicts
// itself: both versions of a record are kept.
func (f flags) records(store *witness.Store, report func(history.ProblemData)) http.Handler {
	limits := witness.DefaultLimits()
	limits.Bytes = maxStored
	receiver := witness.NewServer(witness.NewInbox(store.Keep, witness.WithLimits(limits)), f.token, report)
	mux := http.NewServeMux()
	mux.Handle("GET "+witness.StoredPath, witness.Guard(f.token, store, nil))
	mux.Handle("/", receiver.Handler())
	return mux
}

// began returns when the stream of words began: now, or what an earlier process in the same directory noted.
func began(file string, now time.Time) (time.Time, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return now, os.WriteFile(file, []byte(now.UTC().Format(time.RFC3339Nano)), 0o600)
	}
	if err != nil {
		return now, err
	}
	at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(string(content)))
	if err != nil {
		return now, fmt.Errorf("%s: %w", file, err)
	}
	return at, nil
}
