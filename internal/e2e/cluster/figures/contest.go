package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/ha/doozerd/internal/e2e/cluster"
	"github.com/ha/doozerd/internal/e2e/report"
)

// The goals beside etcd, in the same run on the same machine.
const (
	manyClients = 64
	goalRate    = 4.0                    // times etcd's rate, with many clients
	goalDelay   = 500 * time.Microsecond // is the longest p50, with one; it was set where etcd takes four times as long
)

const (
	contestRounds = 6
	contestSpan   = 3 * time.Second
)

// A contender is a cluster, how to write to it, and what was found, round by round.
type contender struct {
	*cluster.Cluster
	dial  cluster.Dialer
	addrs []string
	found []measured
}

// measured is what a load was like.
type measured struct {
	rate     float64 // writes per second
	p50, p99 time.Duration
	busy     time.Duration // of the nodes' processor time for a write
}

// round measures once more.
func (c *contender) round(clients int) error {
	k := len(c.found) % len(c.addrs) // a single client is at another node each time
	l, err := cluster.BeginLoad(c.dial, clients, slices.Concat(c.addrs[k:], c.addrs[:k])...)
	if err != nil {
		return err
	}
	m, err := measure(c.Cluster, l, contestSpan)
	c.found = append(c.found, m)
	return err
}

// measure ends a load after its span.
func measure(c *cluster.Cluster, l *cluster.Load, span time.Duration) (m measured, err error) {
	time.Sleep(warmUp)
	before, err := processorTimes(c)
	if err != nil {
		return m, err
	}
	began := time.Now()
	time.Sleep(span)
	ended := time.Now()
	after, err := processorTimes(c)
	if err != nil {
		return m, err
	}
	var took []time.Duration
	for _, a := range l.End() {
		if a.At.After(began) && a.At.Before(ended) {
			took = append(took, a.Took)
		}
	}
	if len(took) == 0 {
		return m, fmt.Errorf("no writes\n%s", c.Logs())
	}
	slices.Sort(took)
	m = measured{rate: float64(len(took)) / ended.Sub(began).Seconds(), p50: quantile(took, 0.5), p99: quantile(took, 0.99)}
	for k := range after {
		m.busy += after[k] - before[k]
	}
	m.busy /= time.Duration(len(took))
	return m, nil
}

// An aspect is what is compared.
type aspect struct {
	what string
	of   func(measured) float64
	text func(float64) string
}

var aspects = []aspect{
	{"writes per second", func(m measured) float64 { return m.rate }, func(v float64) string { return fmt.Sprintf("%.0f", v) }},
	{"p50", func(m measured) float64 { return float64(m.p50) }, duration},
	{"p99", func(m measured) float64 { return float64(m.p99) }, duration},
	{"processor time of all nodes for a write", func(m measured) float64 { return float64(m.busy) }, duration},
}

func duration(v float64) string { return time.Duration(v).Round(time.Microsecond).String() }

// compare prints the medians, and the median of the rounds' ratios.
func (f *figures) compare(clients int, ours, theirs []measured) {
	for k, a := range aspects {
		var here, there, ratios []float64
		for r := range ours {
			o, t := a.of(ours[r]), a.of(theirs[r])
			here, there, ratios = append(here, o), append(there, t), append(ratios, o/t)
		}
		ratio := report.Median(ratios)
		goal, verdict := "", ""
		switch {
		case clients == manyClients && k == 0:
			goal, verdict = fmt.Sprintf("≥ %.2f", goalRate), met(ratio >= goalRate)
		case clients == 1 && k == 1:
			goal, verdict = fmt.Sprintf("≤ %v", goalDelay), met(report.Median(here) <= float64(goalDelay))
		}
		f.row(clients, a.what, a.text(report.Median(here)), a.text(report.Median(there)), fmt.Sprintf("%.2f", ratio), goal, verdict)
	}
}

func met(ok bool) string {
	if ok {
		return "ok"
	}
	return "NOT MET"
}
