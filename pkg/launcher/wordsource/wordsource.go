// Package wordsource is the component that serves words to workloads that read a stream. The harness serves them where pods reach it; the
// witness in the cluster serves the same ones where they do not.
package wordsource

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/pkg/source"
)

const (
	// wordsPerSecond is the rate at which the stream grows.
	wordsPerSecond = 50
	// vocabulary is how many different words it has.
	vocabulary = 20
)

// Words returns the stream of a run with a seed.
func Words(seed uint64) launcher.Words {
	return launcher.Words{Seed: seed, Vocabulary: vocabulary, WordsPerSecond: wordsPerSecond}
}

// Component is the source of words.
type Component struct{}

var (
	_ launcher.Component = Component{}
	_ launcher.Server    = Component{}
	_ launcher.Seeded    = Component{}
)

// Name implements launcher.Component.
func (Component) Name() string { return "the source of words" }

// Roles implements launcher.Component: it has no pods.
func (Component) Roles() []string { return nil }

// Validate implements launcher.Component.
func (Component) Validate(launcher.Launch) []error { return nil }

// Part implements launcher.Component: it has no objects.
func (Component) Part(launcher.Launch) (launcher.Part, error) { return nil, nil }

// UsesSeed implements launcher.Seeded.
func (Component) UsesSeed(w scenario.Workload) bool { return w.ReadsWords() }

// Serve implements launcher.Server.
func (Component) Serve(ctx context.Context, s launcher.Serving) (launcher.Provision, error) {
	stream := Words(s.Seed)
	words, err := source.New(source.Options{Seed: stream.Seed, Vocabulary: stream.Vocabulary, WordsPerSecond: stream.WordsPerSecond})
	if err != nil {
		return nil, fmt.Errorf("make the source of words: %w", err)
	}
	web, err := s.Listen(ctx)
	if err != nil {
		return nil, fmt.Errorf("serve words: %w", err)
	}
	raw, err := s.Listen(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("serve words: %w", err), web.Close())
	}
	s.Background(func(ctx context.Context) error { return words.ServeHTTP(ctx, web) })
	s.Background(func(ctx context.Context) error { return words.ServeTCP(ctx, raw) })
	address := raw.Addr().(*net.TCPAddr)
	found := launcher.Source{URL: "http://" + web.Addr().String(), Host: address.IP.String(), Port: address.Port}
	return func(env *launcher.Environment) { env.Source = found }, nil
}
