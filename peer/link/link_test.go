package link

import (
	"fmt"
	"testing"

	"github.com/bmizerany/assert"
)

func TestFramesGoOneWay(t *testing.T) {
	a, b := start(t, "A"), start(t, "B")
	a.setCluster("K")
	a.connect(b)
	a.Send(b.peer(), []byte("hello"))
	b.awaitGot("A/K hello")
	b.Send(a.peer(), []byte("back")) // B does not want A
	assert.Equal(t, uint64(1), b.Stats().NoLink)
	assert.Equal(t, 1, a.Stats().To)
	assert.Equal(t, uint64(1), b.Stats().Received)
	assert.Equal(t, 1, b.Stats().From)
}

// Whoever is dialled learns by whom, without a word more.
func TestHailed(t *testing.T) {
	a, b := start(t, "A"), start(t, "B")
	a.setCluster("K")
	a.connect(b)
	b.awaitHailed(a.addr() + " A/K")
}

func TestNinePeers(t *testing.T) {
	var all []*testNode
	for i := range 9 {
		all = append(all, start(t, fmt.Sprint("N", i), withSecret("s")))
	}
	for i, n := range all {
		var others []*testNode
		for k, o := range all {
			if k != i {
				others = append(others, o)
			}
		}
		n.connect(others...)
		for _, o := range others {
			n.Send(o.peer(), []byte("from "+n.config.ID))
		}
	}
	for _, n := range all {
		for _, o := range all {
			if n != o {
				n.awaitGot(o.config.ID + "/ from " + o.config.ID)
			}
		}
	}
}
