package server

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Why bundles are removed: the label "reason" of the metric and of the log.
const (
	reasonRequested     = "requested"
	reasonNeverAccessed = "never downloaded"
	reasonUnowned       = "no owner"
)

type metrics struct {
	registry    *prometheus.Registry
	requests    *prometheus.HistogramVec // by op and result
	received    prometheus.Counter
	sent        prometheus.Counter
	uploading   prometheus.Gauge
	removed     *prometheus.CounterVec // by reason
	halfUploads prometheus.Counter
	damaged     prometheus.Counter
	sweeps      *prometheus.CounterVec // by result
	ownerErrors prometheus.Counter
	bundles     prometheus.Gauge
}

func newMetrics() *metrics {
	const prefix = "sparkchaos_staging_"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, []string{label})
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "request_seconds", Help: "Requests by operation and result: ok, aborted, or the status of a refusal.",
			Buckets: []float64{.005, .025, .1, .5, 2.5, 10, 60, 300},
		}, []string{"op", "result"}),
		received:    counter("received_bytes_total", "Bytes of bundles that were stored."),
		sent:        counter("sent_bytes_total", "Bytes of bundles that were sent."),
		uploading:   gauge("uploads_under_way", "Uploads that are being received."),
		removed:     vector("removed_total", "Bundles removed, by reason.", "reason"),
		halfUploads: counter("half_uploads_removed_total", "Remains of uploads that ended without being stored, removed."),
		damaged: counter("damaged_total",
			"Times that stored bytes were found not to be those of the upload; nobody was served them as good."),
		sweeps:      vector("sweeps_total", "Sweeps of the clean-up, by result: ok or incomplete.", "result"),
		ownerErrors: counter("owner_errors_total", "Looks into a namespace that failed; its bundles were kept."),
		bundles:     gauge("bundles", "Bundles that the last sweep saw."),
	}
	m.registry.MustRegister(m.requests, m.received, m.sent, m.uploading, m.removed, m.halfUploads, m.damaged, m.sweeps, m.ownerErrors,
		m.bundles,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}
