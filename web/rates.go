package web

import (
	"context"
	"sync"
	"time"
)

const (
	// sampleEvery is the time that one point of a plot stands for.
	sampleEvery = 2 * time.Second

	// samples is how many points a plot has: ten minutes.
	samples = 300
)

// A sample is the counters of one moment.
type sample struct {
	at            time.Time
	revs          int64
	reads, writes uint64
}

// rates remembers how fast counters grew in the last minutes.
type rates struct {
	config Config
	since  time.Time

	mu   sync.Mutex
	ring []sample // the oldest first
}

func newRates(c Config) *rates {
	r := &rates{config: c, since: time.Now()}
	r.take(r.since)
	return r
}

// run takes a sample now and then until ctx ends.
func (r *rates) run(ctx context.Context) {
	t := time.NewTicker(sampleEvery)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			r.take(now)
		case <-ctx.Done():
			return
		}
	}
}

func (r *rates) take(now time.Time) {
	s := sample{at: now, revs: r.config.Node.Store().Snapshot().Rev()}
	if r.config.Server != nil {
		t := r.config.Server.Traffic()
		s.reads, s.writes = t.reads(), t.writes()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring = append(r.ring, s)
	if len(r.ring) > samples+1 {
		r.ring = r.ring[1:]
	}
}

// A series is what plots show: per second, the oldest first.
type series struct {
	Every  float64   `json:"every"`  // seconds between two points
	Revs   []float64 `json:"revs"`   // changes of the whole cluster
	Reads  []float64 `json:"reads"`  // requests that read, at this node; none if they are not counted
	Writes []float64 `json:"writes"` // and that write
}

func (r *rates) series() series {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := series{Every: sampleEvery.Seconds(), Revs: []float64{}, Reads: []float64{}, Writes: []float64{}}
	for i := 1; i < len(r.ring); i++ {
		a, b := r.ring[i-1], r.ring[i]
		seconds := b.at.Sub(a.at).Seconds()
		s.Revs = append(s.Revs, float64(b.revs-a.revs)/seconds)
		if r.config.Server != nil {
			s.Reads = append(s.Reads, float64(b.reads-a.reads)/seconds)
			s.Writes = append(s.Writes, float64(b.writes-a.writes)/seconds)
		}
	}
	return s
}
