package server

import (
	"sync/atomic"

	"github.com/ha/doozerd/internal/wire"
)

// counted are the verbs whose requests are counted; all others count together,
// in the place behind them.
var counted = [...]wire.Request_Verb{
	wire.Request_GET, wire.Request_SET, wire.Request_DEL, wire.Request_REV, wire.Request_WAIT, wire.Request_NOP,
	wire.Request_WALK, wire.Request_CANCEL, wire.Request_GETDIR, wire.Request_STAT, wire.Request_SELF, wire.Request_ACCESS,
}

// place is where each verb is counted.
var place = func() (p [lastVerb + 1]uint8) {
	for v := range p {
		p[v] = uint8(len(counted))
	}
	for i, v := range counted {
		p[v] = uint8(i)
	}
	return p
}()

// counts are numbers of requests. Each connection has its own, so that counting
// is no reason to wait for another.
type counts [len(counted) + 1]atomic.Uint64

func (c *counts) count(v wire.Request_Verb) {
	i := len(counted)
	if v > 0 && v <= lastVerb {
		i = int(place[v])
	}
	c[i].Add(1)
}

// addTo adds c to sum.
func (c *counts) addTo(sum *counts) {
	for i := range c {
		sum[i].Add(c[i].Load())
	}
}

// byVerb returns the numbers by the names of the verbs, UNKNOWN for all others.
func (c *counts) byVerb() map[string]uint64 {
	m := map[string]uint64{"UNKNOWN": c[len(counted)].Load()}
	for i, v := range counted {
		m[v.String()] = c[i].Load()
	}
	return m
}

// Requests returns how many requests came, by the name of the verb; UNKNOWN is
// for all that are none.
func (s *Server) Requests() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sum counts
	s.ended.addTo(&sum)
	for c := range s.conns {
		c.requests.addTo(&sum)
	}
	return sum.byVerb()
}
