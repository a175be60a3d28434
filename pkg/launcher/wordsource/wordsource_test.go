package wordsource

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/launchertest"
)

var errNoMore = errors.New("no address is left")

// harness offers some addresses of this machine, and runs what is served until the test ends.
type harness struct {
	left      int
	listeners []net.Listener
	group     errgroup.Group
	running   context.Context
}

func (h *harness) listen(context.Context) (net.Listener, error) {
	if h.left == 0 {
		return nil, errNoMore
	}
	h.left--
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	h.listeners = append(h.listeners, listener)
	return listener, err
}

func (h *harness) background(do func(context.Context) error) {
	h.group.Go(func() error { return do(h.running) })
}

func serve(t *testing.T, addresses int) (*harness, launcher.Provision, error) {
	t.Helper()
	running, stop := context.WithCancel(t.Context())
	h := &harness{left: addresses, running: running}
	provide, err := Component{}.Serve(t.Context(), launcher.Serving{Seed: 7, Listen: h.listen, Background: h.background})
	t.Cleanup(func() {
		stop()
		if err := h.group.Wait(); err != nil {
			t.Errorf("what was served ended with %v", err)
		}
	})
	return h, provide, err
}

func TestPodsFindBothHalvesOfTheSource(t *testing.T) {
	t.Parallel()
	_, provide, err := serve(t, 2)
	if err != nil {
		t.Fatal(err)
	}
	env := launchertest.Environment()
	provide(&env)
	answer, err := http.Get(env.Source.URL + "/v1/words/end")
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("by HTTP: %s, %v; want 200", answer.Status, err)
	}
	connection, err := net.Dial("tcp", net.JoinHostPort(env.Source.Host, strconv.Itoa(env.Source.Port)))
	if err != nil {
		t.Fatal(err)
	}
	if err := connection.Close(); err != nil {
		t.Error(err)
	}
	want := launchertest.Environment()
	want.Source = env.Source
	if diff := cmp.Diff(want, env); diff != "" {
		t.Errorf("more than the source is changed (-want +got):\n%s", diff)
	}
}

func TestNoAddressIsKeptIfOneIsMissing(t *testing.T) {
	t.Parallel()
	for addresses := range 2 {
		h, _, err := serve(t, addresses)
		if !errors.Is(err, errNoMore) {
			t.Errorf("with %d addresses: %v, want %v", addresses, err, errNoMore)
		}
		for _, listener := range h.listeners {
			if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("with %d addresses: closing one again: %v, want that it is closed", addresses, err)
			}
		}
	}
}

func TestTheSeedCountsForWhatReadsWords(t *testing.T) {
	t.Parallel()
	w := launchertest.WordCount()
	for arg, want := range map[string]bool{"--source=$(SPARKCHAOS_SOURCE_URL)": true, "--partitions=8": false} {
		w.Application.Args = []string{arg}
		if got := (Component{}).UsesSeed(w); got != want {
			t.Errorf("%s: the seed counts: %t, want %t", arg, got, want)
		}
	}
}
