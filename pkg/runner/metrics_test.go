package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"k8s.io/client-go/rest"

	"github.com/sparkchaos/sparkchaos/internal/fakekube"
	"github.com/sparkchaos/sparkchaos/internal/metrics"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// scrape asks a server that answers as the handler does for the metrics of the API server, with a time limit.
func scrape(t *testing.T, timeout time.Duration, handler http.HandlerFunc) (history.MetricsData, error) {
	t.Helper()
	s, err := newScraper(fakekube.Serve(t, handler), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.timeout = timeout
	return s.get(t.Context(), s.apiServer())
}

func TestScrape(t *testing.T) {
	t.Parallel()
	got, err := scrape(t, time.Minute, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != metrics.APIServerPath || r.Method != http.MethodGet {
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		_, _ = io.WriteString(w, "process_cpu_seconds_total 2.5\n")
	})
	want := history.MetricsData{From: history.MetricsAPIServer,
		Series: []history.MetricValue{{Name: "apiserver_cpu_seconds_total", Labels: map[string]string{}, Value: 2.5}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestScrapeFails has servers that mean harm. None gets more than its time, none leads the harness elsewhere, and none has its text in the
// error.
func TestScrapeFails(t *testing.T) {
	t.Parallel()
	elsewhere := fakekube.Serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the harness went to %s with %q", r.URL, r.Header.Get("Authorization"))
	}))
	for name, tt := range map[string]struct {
		answer  http.HandlerFunc
		timeout time.Duration
		want    string
	}{
		"status": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "s3cret")
		}, time.Minute, "the answer is HTTP status 503"},
		"redirection": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.Host+"/s3cret", http.StatusFound)
		}, time.Minute, "the answer is HTTP status 302"},
		"no answer": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 50 * time.Millisecond,
			"there was no whole answer within 50ms"},
		"an answer that does not end": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, "#\n")
				w.(http.Flusher).Flush()
			}
		}, 50 * time.Millisecond, "there was no whole answer within 50ms"},
		"an error that does not end": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, "s3cret\n")
				w.(http.Flusher).Flush()
			}
		}, time.Minute, "the answer is HTTP status 500"},
		"syntax": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "process_cpu_seconds_total s3cret\n")
		},
			time.Minute, "the answer is not in Prometheus' text format: line 1 of those that were selected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := scrape(t, tt.timeout, tt.answer)
			if err == nil || err.Error() != tt.want || len(data.Series) > 0 {
				t.Errorf("got %+v, %v; want %s", data, err, tt.want)
			}
		})
	}
}

func TestDriversThatAreAsked(t *testing.T) {
	t.Parallel()
	s, err := newScraper(fakekube.Serve(t, http.NotFoundHandler()), nil)
	if err != nil {
		t.Fatal(err)
	}
	content, err := historytest.PowerOff(historytest.Expect("completes", nil)).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	ended := historytest.ObservedBytes(t, model.New(), content)
	if asked := s.drivers(ended, 4040); len(asked) > 0 {
		t.Errorf("of an application that has ended %d targets are asked", len(asked))
	}
	for _, pod := range ended.Pods {
		pod.Finished, pod.Deleted = model.Moment{}, model.Moment{}
	}
	var urls []string
	for _, target := range s.drivers(ended, 4041) {
		urls = append(urls, target.url.Path+" of "+target.object.UID)
	}
	first := ended.Incarnations()[0].Pod
	proxy := fmt.Sprintf("/api/v1/namespaces/%s/pods/http:%s:4041/proxy", first.Namespace, first.Name)
	if len(urls) != 4 || urls[0] != proxy+"/metrics/driver/prometheus/ of d1" || urls[1] != proxy+"/metrics/executors/prometheus/ of d1" {
		t.Errorf("asked %q", urls)
	}
}

// told is what a sampler wrote, and when.
type told struct {
	At   time.Duration
	Data history.MetricsData
}

// sampled runs a sampler whose targets answer as get says, for a time, and returns what it wrote.
func sampled(t *testing.T, lasts time.Duration, room int, get func(at time.Duration, from string) (history.MetricsData, error)) []told {
	t.Helper()
	s, err := newScraper(&rest.Config{Host: "https://127.0.0.1:1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []told
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		driver := scraped{metrics.Driver(), &history.Object{Kind: "Pod", Name: "driver"}, s.proxied(&history.Object{Name: "driver"}, 4040, "/m")}
		sampler := &sampler{
			every: metricsEvery, room: room, gaps: map[string]bool{}, targets: func() []scraped { return []scraped{s.apiServer(), driver} },
			get: func(_ context.Context, asked scraped) (history.MetricsData, error) {
				return get(time.Since(began), asked.selection.From)
			},
			write: func(_ scraped, data history.MetricsData) error {
				all = append(all, told{time.Since(began), data})
				return nil
			},
		}
		ctx, cancel := context.WithTimeout(t.Context(), lasts)
		defer cancel()
		sampler.run(ctx)
	})
	return all
}

func TestSamples(t *testing.T) {
	t.Parallel()
	const s = time.Second
	api, driver := history.MetricsAPIServer, history.MetricsDriver
	sample := func(from string) history.MetricsData { return history.MetricsData{From: from} }
	gap := func(from, why string) history.MetricsData { return history.MetricsData{From: from, Error: why} }
	for name, tt := range map[string]struct {
		get  func(at time.Duration, from string) (history.MetricsData, error)
		want []told
	}{
		"all is well": {
			func(_ time.Duration, from string) (history.MetricsData, error) { return sample(from), nil },
			[]told{{0, sample(api)}, {0, sample(driver)}, {5 * s, sample(driver)}, {10 * s, sample(driver)}, {15 * s, sample(api)},
				{15 * s, sample(driver)}},
		},
		"a gap is told once": {
			func(at time.Duration, from string) (history.MetricsData, error) {
				if from == driver && at > 0 && at < 15*s {
					return sample(from), errors.New("no \x1b answer")
				}
				return sample(from), nil
			},
			[]told{{0, sample(api)}, {0, sample(driver)}, {5 * s, gap(driver, "no answer")}, {15 * s, sample(api)}, {15 * s, sample(driver)}},
		},
		"an API server that refuses is not asked again": {
			func(_ time.Duration, from string) (history.MetricsData, error) {
				return sample(from), statusError(http.StatusForbidden)
			},
			[]told{{0, gap(api, "the answer is HTTP status 403")}, {0, gap(driver, "the answer is HTTP status 403")}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := sampled(t, 17*s, maxMetrics, tt.get)
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(history.MetricsData{}, "Took")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSamplesAreBounded samples for days: the samples get rare, and end with a word about it.
func TestSamplesAreBounded(t *testing.T) {
	const room = 64 << 10
	got := sampled(t, 30*24*time.Hour, room, func(_ time.Duration, from string) (history.MetricsData, error) {
		return history.MetricsData{From: from, Series: []history.MetricValue{{Name: "x", Value: 1}}}, nil
	})
	last := got[len(got)-1]
	if last.Data.Error != errNoRoom.Error() || last.At < 24*time.Hour/4 {
		t.Errorf("the last of %d is %+v", len(got), last)
	}
	if len(got)*50 > room {
		t.Errorf("%d samples in %d bytes", len(got), room)
	}
}
