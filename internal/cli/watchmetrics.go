package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/internal/httpserver"
	"github.com/sparkchaos/sparkchaos/pkg/check"
)

// watchMetrics shows to Prometheus how an application fares that is watched.
type watchMetrics struct {
	registry                                            *prometheus.Registry
	attached, driverRuns, executors, incarnations, seen prometheus.Gauge
	verdict, invariants                                 *prometheus.GaugeVec
}

func newWatchMetrics(namespace string) *watchMetrics {
	labels := prometheus.Labels{"namespace": namespace}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "sparkchaos", Subsystem: "watch", Name: name, Help: help, ConstLabels: labels})
	}
	vector := func(name, help string, by ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(
			prometheus.GaugeOpts{Namespace: "sparkchaos", Subsystem: "watch", Name: name, Help: help, ConstLabels: labels}, by)
	}
	m := &watchMetrics{
		registry:     prometheus.NewRegistry(),
		attached:     gauge("attached", "Whether a driver of the application was found."),
		driverRuns:   gauge("driver_running", "Whether a driver runs."),
		executors:    gauge("executors_running", "Executors of the application that run."),
		incarnations: gauge("driver_incarnations", "Drivers of the application since the first one that was found."),
		seen:         gauge("events", "Events in the history."),
		verdict:      vector("verdict", "1 for the verdict as if the watching ended now, 0 for all others.", "verdict"),
		invariants: vector("invariant_verdict", "1 for the verdict of an invariant as if the watching ended now, 0 for all others.",
			"invariant", "verdict"),
	}
	m.registry.MustRegister(m.attached, m.driverRuns, m.executors, m.incarnations, m.seen, m.verdict, m.invariants)
	return m
}

// show takes in how the application fares.
func (m *watchMetrics) show(s sparkchaos.Seen) {
	m.attached.Set(oneIf(s.Attached))
	m.driverRuns.Set(oneIf(s.DriverRuns))
	m.executors.Set(float64(s.Executors))
	m.incarnations.Set(float64(s.Incarnations))
	m.seen.Set(float64(s.Verdict.Events))
	for _, verdict := range []check.Verdict{check.Violation, check.Error, check.Inconclusive, check.Pass} {
		m.verdict.WithLabelValues(string(verdict)).Set(oneIf(s.Verdict.Verdict == verdict))
		for _, result := range s.Verdict.Results {
			m.invariants.WithLabelValues(result.Invariant, string(verdict)).Set(oneIf(result.Verdict == verdict))
		}
	}
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// serve answers at an address until the returned function is called, which returns why it ended earlier. Without a host it is that of this
// machine alone.
func (m *watchMetrics) serve(ctx context.Context, address string) (at net.Addr, end func() error, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, usagef("--metrics-address: %w; give host:port, like 127.0.0.1:9464, or :9464 for this machine alone", err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, nil, fmt.Errorf("serve the metrics (--metrics-address): %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	serving, stop := context.WithCancel(context.WithoutCancel(ctx)) // what was seen last is shown until the verdict is there
	ended := make(chan error, 1)
	go func() { ended <- httpserver.Serve(serving, "the server of metrics", listener, mux) }()
	return listener.Addr(), func() error {
		stop()
		return <-ended
	}, nil
}

// watchServing watches an application and serves its metrics meanwhile, if an address is given for them.
func watchServing(
	ctx context.Context, lab *sparkchaos.Cluster, trial sparkchaos.Trial, f watchFlags, show *progress,
) (sparkchaos.Verdict, error) {
	watching := sparkchaos.Watching{For: f.atMost}
	if f.metrics == "" {
		return lab.Watch(ctx, trial, watching)
	}
	metrics := newWatchMetrics(f.attach.Namespace)
	at, end, err := metrics.serve(ctx, f.metrics)
	if err != nil {
		return sparkchaos.Verdict{}, err
	}
	show.Say("metrics for Prometheus: http://%s/metrics", at)
	watching.Seen = metrics.show
	verdict, err := lab.Watch(ctx, trial, watching)
	return verdict, errors.Join(err, end())
}
