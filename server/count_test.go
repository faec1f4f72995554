package server

import (
	"testing"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/internal/wire"
)

func TestRequestsAreCountedByVerb(t *testing.T) {
	var open, ended counts
	open.count(wire.Request_GET)
	open.count(wire.Request_ACCESS)
	ended.count(wire.Request_GET)
	for _, none := range []wire.Request_Verb{-1, 0, 4, 98, 100, 1 << 30} {
		ended.count(none)
	}
	open.addTo(&ended)
	got := ended.byVerb()
	assert.Equal(t, uint64(2), got["GET"])
	assert.Equal(t, uint64(1), got["ACCESS"])
	assert.Equal(t, uint64(0), got["SET"])
	assert.Equal(t, uint64(6), got["UNKNOWN"])
	assert.Equal(t, len(counted)+1, len(got))
}

// The requests of connections count while these are open and when they have ended.
func TestRequestsOfEveryConnectionAreCounted(t *testing.T) {
	rig := newRig(t)
	for n := range uint64(2) {
		client := rig.dial()
		client.call(req(REV))
		assert.Equal(t, n+1, rig.srv.Requests()["REV"])
		client.hangUp()
		assert.Equal(t, n+1, rig.srv.Requests()["REV"])
	}
}

// Every verb that is served has a place of its own.
func TestEveryVerbIsCounted(t *testing.T) {
	for v := range verbs {
		if verbs[v].serve != nil {
			assert.T(t, int(place[v]) < len(counted), wire.Request_Verb(v).String())
		}
	}
}
