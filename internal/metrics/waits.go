package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"remit/store"
)

// backlogTimeout bounds the question that a reader of the metrics puts to the
// store.
const backlogTimeout = 5 * time.Second

// What waits, by metric.
var (
	notKept = describe("requests_not_kept_total", "Requests that the request log did not keep; why is full: too many waited, failed: the store did not take them, or limited: too many in a merchant's name that nobody had verified.", "why")
	queued  = describe("commands_waiting", "Commands that wait in this process to be decided.")
	read    = describe("backlog_read", "1 if the store could be asked what waits in it; the metrics of what waits are there only then.")
	waiting = describe("work_waiting", "Pieces of work in the store, of all processes; kind is send, deliver or expire.", "kind")
	due     = describe("work_due", "Pieces of work that are due.")
	oldest  = describe("work_oldest_due_seconds", "For how long the oldest of them has been due.")
	dead    = describe("deliveries_dead", "Deliveries that were given up.")
	stuck   = describe("disbursements_stuck", "Disbursements of which no rail could tell what became: each needs an operator.")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// waits is a prometheus.Collector.
type waits struct{ Waits }

func (waits) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{notKept, queued, read, waiting, due, oldest, dead, stuck} {
		ch <- d
	}
}

func (w waits) Collect(ch chan<- prometheus.Metric) {
	ctx, stop := context.WithTimeout(context.Background(), backlogTimeout)
	defer stop()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	lost := w.NotKept()
	for why, n := range map[string]int64{"full": lost.Full, "failed": lost.Failed, "limited": lost.Limited} {
		ch <- prometheus.MustNewConstMetric(notKept, prometheus.CounterValue, float64(n), why)
	}
	gauge(queued, float64(w.Queue()))
	b, err := w.Backlog(ctx)
	if err != nil {
		gauge(read, 0)
		return
	}
	gauge(read, 1)
	gauge(waiting, float64(b.Send), "send")
	gauge(waiting, float64(b.Deliver), "deliver")
	gauge(waiting, float64(b.Expire), "expire")
	gauge(due, float64(b.Due))
	gauge(oldest, age(b, w.Now()).Seconds())
	gauge(dead, float64(b.Dead))
	gauge(stuck, float64(b.Stuck))
}

// age is for how long the oldest piece of work has been due.
func age(b store.Backlog, now time.Time) time.Duration {
	if b.Due == 0 {
		return 0
	}
	return max(now.Sub(b.OldestDue), 0)
}
