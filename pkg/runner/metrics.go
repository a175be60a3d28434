package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sparkchaos/sparkchaos/internal/metrics"
	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

const (
	// metricsEvery is the time between two samples of a driver.
	metricsEvery = 5 * time.Second
	// apiServerRounds is how many samples of a driver there are for one of the API server, whose answers are megabytes.
	apiServerRounds = 3
	// scrapeTimeout is how long an answer may take as a whole.
	scrapeTimeout = 3 * time.Second
	// maxMetrics bounds what samples take of a history, in bytes. With each eighth of it that is used the samples get half as frequent.
	maxMetrics = 8 << 20
	// maxScraped is how many drivers are asked at once: two live at a time if one is behind a partition.
	maxScraped = 3
	// maxGapText bounds the reason of a gap, in bytes.
	maxGapText = 300
)

// sampleMetrics records samples of what the API server and the drivers tell of themselves, until stop is called. They are for people: what
// cannot be had is a gap in the record and no problem of the run. Of an application that somebody else starts there are none.
func (r *run) sampleMetrics(ctx context.Context) (stop func()) {
	if r.attached() {
		return func() {}
	}
	ask, err := newScraper(r.cluster.RESTConfig())
	if err != nil {
		r.Progress.Say("no metrics are sampled: %v", err)
		return func() {}
	}
	s := &sampler{every: metricsEvery, room: maxMetrics, gaps: map[string]bool{}, get: ask.get}
	s.write = func(t scraped, data history.MetricsData) error {
		_, err := r.log.Append(history.Harness, history.MetricsSampled, t.object, data)
		return err
	}
	s.targets = func() []scraped {
		targets := []scraped{ask.apiServer()}
		if port, offered := launcher.MetricsPort(r.Plan.Workload); offered {
			r.live.read(func(m *model.Model) { targets = append(targets, ask.drivers(m, port)...) })
		}
		return targets
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// scraped is who is asked for metrics.
type scraped struct {
	selection metrics.Selection
	object    *history.Object // the driver's pod; nil for the API server
	url       *url.URL
}

// sampler asks all targets again and again.
type sampler struct {
	targets func() []scraped // the API server first
	get     func(context.Context, scraped) (history.MetricsData, error)
	write   func(scraped, history.MetricsData) error
	every   time.Duration
	room    int // in bytes

	used    int
	rounds  int
	gaps    map[string]bool // targets that the record has no samples of now, by their URLs
	refused bool            // the API server does not show its metrics to the harness
}

// errNoRoom ends the sampling of a run.
var errNoRoom = errors.New("the samples have used the room that they have in the history")

// run samples until the context ends, no room is left, or the history cannot be written.
func (s *sampler) run(ctx context.Context) {
	for s.round(ctx) == nil { // what keeps the history from being written ends the run by itself
		s.rounds++
		if pause(ctx, s.every<<(8*s.used/s.room)) != nil {
			return
		}
	}
}

// round asks all targets at once. None waits for another's next round, so a pod that does not answer costs others three seconds at most.
func (s *sampler) round(ctx context.Context) error {
	targets := s.targets()
	if s.refused || s.rounds%apiServerRounds != 0 {
		targets = targets[1:]
	}
	samples := make([]history.MetricsData, len(targets))
	var asking sync.WaitGroup
	for i, t := range targets {
		asking.Go(func() { samples[i] = s.ask(ctx, t) })
	}
	asking.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for i, t := range targets {
		if err := s.record(t, samples[i]); err != nil {
			return err
		}
	}
	return nil
}

// ask returns a sample, or why there is none.
func (s *sampler) ask(ctx context.Context, t scraped) history.MetricsData {
	began := time.Now()
	data, err := s.get(ctx, t)
	if err != nil {
		why, _ := printable.Cut(printable.Line(err.Error()), maxGapText)
		data = history.MetricsData{From: t.selection.From, Error: why}
		var status statusError
		if errors.As(err, &status) && t.object == nil {
			s.refused = slices.Contains([]statusError{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}, status)
		}
	}
	data.Took = time.Since(began)
	return data
}

// record writes a sample, and of a gap its begin.
func (s *sampler) record(t scraped, data history.MetricsData) error {
	gap, before := data.Error != "", s.gaps[t.url.String()]
	if s.gaps[t.url.String()] = gap; gap && before {
		return nil
	}
	encoded, err := json.Marshal(data)
	if err != nil {
		return err
	}
	if s.used += len(encoded); s.used > s.room {
		return errors.Join(errNoRoom, s.write(t, history.MetricsData{From: data.From, Error: errNoRoom.Error()}))
	}
	return s.write(t, data)
}

// scraper asks for metrics through the API server.
type scraper struct {
	http    *http.Client
	client  kubernetes.Interface // makes URLs
	timeout time.Duration        // of an answer
}

// newScraper returns a scraper that follows no redirection: what a pod answers must not lead the harness, which shows its credentials with
// each request, anywhere else.
func newScraper(config *rest.Config, err error) (*scraper, error) {
	if err != nil {
		return nil, err
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("reach the API server for its metrics: %w", err)
	}
	own := *client // it may be the one that all share
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	made, err := kubernetes.NewForConfigAndClient(config, &own)
	if err != nil {
		return nil, fmt.Errorf("reach the API server for its metrics: %w", err)
	}
	return &scraper{http: &own, client: made, timeout: scrapeTimeout}, nil
}

func (s *scraper) apiServer() scraped {
	return scraped{selection: metrics.APIServer(), url: s.client.CoreV1().RESTClient().Get().AbsPath(metrics.APIServerPath).URL()}
}

// drivers returns what the drivers that run offer.
func (s *scraper) drivers(m *model.Model, port int) []scraped {
	var targets []scraped
	for _, incarnation := range m.Incarnations() {
		pod := incarnation.Pod
		if pod == nil || pod.Running.Never() || !pod.Gone().Never() {
			continue
		}
		object := &history.Object{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
		targets = append(targets, scraped{metrics.Driver(), object, s.proxied(object, port, metrics.DriverPath)},
			scraped{metrics.Executors(), object, s.proxied(object, port, metrics.ExecutorsPath)})
	}
	return targets[max(0, len(targets)-2*maxScraped):]
}

// proxied is the URL of a path of a pod's HTTP server.
func (s *scraper) proxied(pod *history.Object, port int, path string) *url.URL {
	name := utilnet.JoinSchemeNamePort("http", pod.Name, fmt.Sprint(port))
	at := s.client.CoreV1().RESTClient().Get().Namespace(pod.Namespace).Resource("pods").Name(name).SubResource("proxy").Suffix(path).URL()
	at.Path += "/" // else the UI redirects
	return at
}

// statusError is an answer that has no metrics.
type statusError int

// Error has nothing of the answer's body, which may hold anything.
func (e statusError) Error() string { return fmt.Sprintf("the answer is HTTP status %d", int(e)) }

// get reads a target's metrics.
func (s *scraper) get(ctx context.Context, t scraped) (history.MetricsData, error) {
	late := fmt.Errorf("there was no whole answer within %v", s.timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, late)
	defer cancel()
	data, err := s.read(ctx, t)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return data, err
}

func (s *scraper) read(ctx context.Context, t scraped) (history.MetricsData, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url.String(), nil)
	if err != nil {
		return history.MetricsData{}, err
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	answer, err := s.http.Do(request)
	if err != nil {
		return history.MetricsData{}, err
	}
	defer func() { _ = answer.Body.Close() }() // what is left of it does not matter
	if answer.StatusCode != http.StatusOK {
		return history.MetricsData{}, statusError(answer.StatusCode)
	}
	return t.selection.Read(answer.Body)
}
