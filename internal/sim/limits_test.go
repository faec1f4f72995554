package sim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/peer"
)

// longest is a mutation as long as a server takes any, with its path and numbers.
const longest = wire.MaxFrame - wire.FrameSlack

// Engines that keep their own limits say nothing that is too long for a frame: not with the longest values, when an
// owner dies whose batches were accepted, nor when somebody catches up.
func TestLargestBatchesFitFrames(t *testing.T) {
	c := newLarge(t, "a", "b", "c", "d", "e", "f", "g")
	mutations := [][]byte{make([]byte, longest), make([]byte, consensus.MaxBatchBytes), make([]byte, consensus.MaxBatchBytes-1), {}, {}}
	for range 3 * consensus.MaxBatch / 2 {
		mutations = append(mutations, make([]byte, 100))
	}
	for k, m := range mutations {
		assert.Equal(t, nil, c.engines["a"].Propose(uint64(k), m))
	}
	for range 3 { // too few accept to decide, and a filler must find out
		c.pass(func(m consensus.Message) bool { return m.From == "a" && m.To < "d" })
	}
	delete(c.engines, "a")
	for k := 0; c.applied["b"] < len(mutations) || c.applied["c"] < len(mutations); k++ {
		assert.T(t, k < 1000)
		c.wait(10 * time.Millisecond)
		c.pass(func(consensus.Message) bool { return true })
	}
	assert.T(t, c.votes > 0 && c.said[consensus.Accept] > 0)

	c.start("x", consensus.Founding("a", "b", "c", "d", "e", "f", "g"))
	for k := 0; c.applied["x"] < len(mutations); k++ {
		assert.T(t, k < 1000)
		c.wait(10 * time.Millisecond)
		c.pass(func(consensus.Message) bool { return true })
	}
	assert.T(t, c.said[consensus.Log] > 0)
}

// large is engines whose messages must all fit frames.
type large struct {
	t       *testing.T
	now     time.Duration
	ids     []string
	engines map[string]*consensus.Engine
	applied map[string]int // mutations
	mail    []consensus.Message
	said    map[consensus.Kind]int
	votes   int // in Promises
	body    []byte
}

func newLarge(t *testing.T, ids ...string) *large {
	c := &large{t: t, engines: map[string]*consensus.Engine{}, applied: map[string]int{}, said: map[consensus.Kind]int{}}
	for _, id := range ids {
		c.start(id, consensus.Founding(ids...))
	}
	return c
}

func (c *large) start(id string, from consensus.Snapshot) {
	e, err := consensus.New(consensus.Config{ID: id, Rand: rand.New(rand.NewPCG(1, 1)), BatchBytes: consensus.MaxBatchBytes, RetainBytes: 1 << 30}, from)
	assert.Equal(c.t, nil, err)
	c.ids, c.engines[id] = append(c.ids, id), e
}

func (c *large) wait(d time.Duration) {
	c.now += d
	for _, id := range c.ids {
		if e := c.engines[id]; e != nil {
			e.Tick(c.now)
		}
	}
}

// pass delivers one round of messages, but for those that do not match, which are lost.
func (c *large) pass(match func(consensus.Message) bool) {
	for _, id := range c.ids {
		if e := c.engines[id]; e != nil {
			c.drain(id, e)
		}
	}
	mail := c.mail
	c.mail = nil
	for _, m := range mail {
		if e := c.engines[m.To]; e != nil && match(m) {
			e.Step(m)
		}
	}
}

func (c *large) drain(id string, e *consensus.Engine) {
	for {
		r := e.Ready()
		for _, m := range r.Messages {
			c.fits(m)
			c.mail = append(c.mail, m)
		}
		for _, d := range r.Decisions {
			c.applied[id] += len(d.Batch.Mutations)
			e.Applied(d.Instance, nil)
		}
		if len(r.Decisions) == 0 {
			return
		}
	}
}

func (c *large) fits(m consensus.Message) {
	c.said[m.Kind]++
	c.votes += len(m.Votes)
	encoder, err := peer.NewEncoder(peer.Link{Cluster: clusterID, From: m.From, To: m.To})
	assert.Equal(c.t, nil, err)
	c.body, _, err = encoder.Append(c.body[:0], []consensus.Message{m})
	assert.Equal(c.t, nil, err)
}
