package peer

import (
	"testing"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/peer/link"
)

// Every restart of a process makes a new id. What was kept for sending to the old one is as much as its largest
// burst took.
func TestNothingIsKeptForWhoIsForgotten(t *testing.T) {
	n := &Node{config: Config{ID: "A"}}
	cluster := "C"
	n.cluster.Store(&cluster)
	m := newMail(n)
	m.knowOnly([]link.Peer{{ID: "B", Addr: "b"}, {ID: "D", Addr: "d"}})
	stays := m.box("B")
	assert.T(t, stays != nil && m.box("D") != nil)
	m.knowOnly([]link.Peer{{ID: "B", Addr: "b"}, {ID: "E", Addr: "d"}})
	assert.T(t, m.box("E") != nil)
	assert.Equal(t, 2, len(m.boxes))
	assert.T(t, m.box("B") == stays)
	assert.T(t, m.box("D") == nil)
}
