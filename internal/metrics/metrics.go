// Package metrics counts what one process does, in the text form that
// Prometheus reads. Every name that it shows is a row of
// docs/reference/metrics.md.
package metrics

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"remit"
	"remit/internal/requestlog"
	"remit/store"
)

// seconds are the buckets of every duration: from a commit on a fast disk to
// a bank that takes its time.
var seconds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// sizes are the buckets of how many commands shared a transaction.
var sizes = []float64{1, 2, 4, 8, 16, 32, 64, 128}

// Metrics observes a process. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	requests, commands, rails, deliveries                   *prometheus.CounterVec
	requestTook, commandTook, groupTook, railTook, callTook *prometheus.HistogramVec
	groupSize                                               prometheus.Histogram
	skew                                                    prometheus.Gauge
}

// New makes the metrics of one process. Beside its own they are those of the
// Go runtime and of the operating system's process.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),

		requests:    counter("requests_total", "Requests of merchants that were answered.", "dialect", "code"),
		requestTook: histogram("request_duration_seconds", "From the header of a request to the last byte of its answer.", "dialect"),
		commands:    counter("commands_total", "Commands that were decided, by what came of them.", "kind", "code"),
		commandTook: histogram("command_duration_seconds", "From a command's arrival in the queue to its commit.", "kind"),
		groupTook:   histogram("group_duration_seconds", "Transactions of the engine; result is committed or failed.", "result"),
		groupSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "group_commands", Help: "Commands that shared one transaction.", Buckets: sizes,
		}),
		rails:      counter("rail_calls_total", "Calls to rails, by what they answered.", "rail", "call", "status"),
		railTook:   histogram("rail_call_duration_seconds", "Calls to rails.", "rail", "call"),
		deliveries: counter("delivery_tries_total", "HTTP calls of deliveries, by what came of them.", "dialect", "kind", "result"),
		callTook:   histogram("delivery_try_duration_seconds", "HTTP calls of deliveries.", "dialect"),
		skew: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "clock_skew_seconds", Help: "How far this process's clock is ahead of the database's.",
		}),
	}
	m.registry.MustRegister(
		m.requests, m.requestTook, m.commands, m.commandTook, m.groupTook, m.groupSize, m.rails, m.railTook, m.deliveries, m.callTook, m.skew,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

const namespace = "remit"

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: seconds}, labels)
}

// Handler shows the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Request observes a request that was answered.
func (m *Metrics) Request(dialect, code string, took time.Duration) {
	m.requests.WithLabelValues(dialect, code).Inc()
	m.requestTook.WithLabelValues(dialect).Observe(took.Seconds())
}

// Command observes a command that was decided.
func (m *Metrics) Command(kind string, took time.Duration, err error) {
	code := "ok"
	if err != nil {
		code = remit.AsError(err).Code.String()
	}
	m.commands.WithLabelValues(kind, code).Inc()
	m.commandTook.WithLabelValues(kind).Observe(took.Seconds())
}

// Group observes a transaction of the engine.
func (m *Metrics) Group(commands int, took time.Duration, err error) {
	result := "committed"
	if err != nil {
		result = "failed"
	}
	m.groupTook.WithLabelValues(result).Observe(took.Seconds())
	m.groupSize.Observe(float64(commands))
}

// Rail observes a call to a rail.
func (m *Metrics) Rail(rail, call, status string, took time.Duration) {
	m.rails.WithLabelValues(rail, call, status).Inc()
	m.railTook.WithLabelValues(rail, call).Observe(took.Seconds())
}

// Delivery observes one HTTP call of a delivery.
func (m *Metrics) Delivery(dialect, kind, result string, took time.Duration) {
	m.deliveries.WithLabelValues(dialect, kind, result).Inc()
	m.callTook.WithLabelValues(dialect).Observe(took.Seconds())
}

// Skew observes how far our clock is ahead of the database's.
func (m *Metrics) Skew(ahead time.Duration) { m.skew.Set(ahead.Seconds()) }

// Waits are asked each time that somebody reads the metrics.
type Waits struct {
	Backlog func(context.Context) (store.Backlog, error) // what waits in the store
	Queue   func() int                                   // commands that wait in this process
	Now     func() time.Time                             // of the business clock
	NotKept func() requestlog.Lost                       // of the request log, since the start
}

// Watch adds the metrics of what waits.
func (m *Metrics) Watch(w Waits) { m.registry.MustRegister(waits{w}) }
