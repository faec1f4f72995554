package server

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
)

type testDesk struct{ escaped []string }

func (d *testDesk) Status() []byte { return []byte(`{"fine":true}`) }

func (d *testDesk) Escape(id string) error {
	if id != "ME" {
		return errors.New("not me")
	}
	d.escaped = append(d.escaped, id)
	return nil
}

func TestDeskIsAskedByPathsThatNoFileHas(t *testing.T) {
	desk := &testDesk{}
	rig := newRig(t, func(c *Config) { c.Desk = desk })
	rev := rig.node.set("/a", "")
	c := rig.dial()
	c.roundTrip(req(GET, withPath(wire.StatusPath), noTag), &wire.Response{Rev: &rev, Value: []byte(`{"fine":true}`)})
	c.roundTrip(req(SET, withPath(wire.EscapePath), withValue("ME")), fails(wire.Response_MISSING_ARG))
	c.roundTrip(req(SET, withPath(wire.EscapePath), withRev(-1), withValue("YOU")), failsOther("not me"))
	assert.Equal(t, 0, len(desk.escaped))
	c.roundTrip(req(SET, withPath(wire.EscapePath), withRev(-1), withValue("ME"), noTag), &wire.Response{Rev: &rev})
	assert.Equal(t, []string{"ME"}, desk.escaped)
	for _, bad := range []*wire.Request{
		req(SET, withPath(wire.StatusPath), withRev(-1)), req(DEL, withPath(wire.EscapePath), withRev(-1)),
		req(GET, withPath(wire.EscapePath)), req(STAT, withPath(wire.StatusPath)), req(GET, withPath("@")),
	} {
		c.roundTrip(bad, fails(wire.Response_BAD_PATH))
	}
}

func TestDeskAsksForAccess(t *testing.T) {
	desk := &testDesk{}
	c := newRig(t, func(c *Config) { c.Desk, c.RWSecret, c.ROSecret = desk, "rw", "ro" }).dial()
	c.roundTrip(req(GET, withPath(wire.StatusPath)), failsOther(wire.DetailPermission))
	c.roundTrip(req(ACCESS, withValue("ro"), noTag), &wire.Response{})
	c.roundTrip(req(GET, withPath(wire.StatusPath), noTag), &wire.Response{Rev: ptr[int64](0), Value: []byte(`{"fine":true}`)})
	c.roundTrip(req(SET, withPath(wire.EscapePath), withRev(-1), withValue("ME")), failsOther(wire.DetailPermission))
}

func TestNobodyAtTheDesk(t *testing.T) {
	c := newRig(t).dial()
	c.roundTrip(req(GET, withPath(wire.StatusPath)), fails(wire.Response_BAD_PATH))
}

func TestClientsOfANodeThatIsNotReadyAreHungUpOn(t *testing.T) {
	var ready atomic.Bool
	r := newRig(t, func(c *Config) { c.Ready = ready.Load })
	c := r.dial()
	c.send(req(REV))
	c.expectEnd()
	ready.Store(true)
	r.dial().roundTrip(req(REV, noTag), &wire.Response{Rev: ptr[int64](0)})
}
