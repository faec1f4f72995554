package peer

import (
	"encoding/json"
	"fmt"
)

// Desk answers clients for the node itself: it is what a server asks.
type Desk struct{ Node *Node }

// Status returns the [Status] of the node as JSON, as of now.
func (d Desk) Status() []byte {
	answer := make(chan *Status, 1)
	d.Node.order(func() { answer <- d.Node.stage.status() })
	var s *Status
	select {
	case s = <-answer:
	case <-d.Node.done:
		s = d.Node.Status()
	}
	text, err := json.Marshal(s)
	if err != nil {
		panic("peer: broken: a status cannot be told: " + err.Error())
	}
	return text
}

// Escape is [Node.Escape], if the id is that of the node.
func (d Desk) Escape(id string) error {
	if id != d.Node.ID() {
		return fmt.Errorf("this is %s: give the id of the server that is to escape", d.Node.ID())
	}
	return d.Node.Escape()
}
