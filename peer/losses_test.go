package peer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/peer/link"
)

// ofVersion is body as another release would send it.
func ofVersion(version byte, body []byte) []byte {
	body = bytes.Clone(body)
	body[wire.PeerOverhead-1] = version
	binary.BigEndian.PutUint32(body, crc32.Checksum(body[4:], crc32.MakeTable(crc32.Castagnoli)))
	return body
}

// told returns a node that is sent frames, and what it logs.
func told(t *testing.T) (n *Node, send func(from string, body []byte), log *bytes.Buffer) {
	log = new(bytes.Buffer)
	c := testConfig()
	c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	n = start(t, c)
	return n, func(from string, body []byte) { (*postman)(n).Receive(link.Remote{ID: from}, body) }, log
}

func TestFramesThatCannotBeReadAreCounted(t *testing.T) {
	n, send, _ := told(t)
	l := Link{Cluster: *n.cluster.Load(), From: "B", To: n.ID()}
	skip := consensus.Message{Kind: consensus.Skip, Skip: consensus.Range{Lo: 1, Hi: 2}}
	frame := func(l Link) []byte {
		m := skip
		m.From, m.To = l.From, l.To
		return encode(t, l, m)
	}
	good := frame(l)
	send("B", good)
	send("B", ofVersion(wire.PeerVersion+1, good))
	send("B", good[1:])
	send("B", make([]byte, wire.MaxPeerFrame+1))
	send("B", frame(Link{"OTHER", "B", n.ID()}))
	send("B", frame(Link{l.Cluster, "C", n.ID()}))
	send("B", frame(Link{l.Cluster, "B", "C"}))
	assert.Equal(t, map[string]uint64{
		"version": 1, "corrupt": 1, "limit": 1, "cluster": 1, "sender": 1, "addressee": 1, "no_link": 0, "no_room": 0,
	}, n.Losses().Frames)
}

func TestFramesThatCannotBeSentAreCounted(t *testing.T) {
	n, _, _ := told(t)
	n.links.Send(link.Peer{ID: "B", Addr: "nowhere:1"}, []byte{1})
	n.links.Send(link.Peer{ID: "B", Addr: "nowhere:1"}, make([]byte, wire.MaxPeerFrame+1))
	assert.Equal(t, uint64(1), n.Losses().Frames["no_link"])
	assert.Equal(t, uint64(1), n.Losses().Frames["no_room"])
}

// What only one message of a frame is lost for is counted by messages.
func TestMessagesThatAreNotTakenInAreCounted(t *testing.T) {
	n, send, log := told(t)
	kind, none, later := wire.PeerMessage_SKIP, wire.PeerMessage_Kind(0), wire.PeerNote_Kind(99)
	unheardOf, too := wire.PeerMessage_Kind(99), uint64(consensus.MaxInstance+1)
	cluster, from, to := *n.cluster.Load(), "B", n.ID()
	frame := &wire.PeerFrame{Cluster: &cluster, From: &from, To: &to,
		Messages: []*wire.PeerMessage{{Kind: &none}, {Kind: &unheardOf}, {Kind: &kind, Applied: &too}},
		Notes:    []*wire.PeerNote{{Kind: &later}},
	}
	body, err := wire.AppendPeerFrame(nil, frame)
	assert.Equal(t, nil, err)
	send("B", body)
	assert.Equal(t, uint64(3), n.Losses().Unknown)
	assert.Equal(t, uint64(1), n.Losses().Impossible)
	assert.Equal(t, 1, strings.Count(log.String(), "cannot be understood"))
	cluster = Unfounded // those who look for a cluster say nothing of consensus
	frame.Messages, frame.Notes = []*wire.PeerMessage{{Kind: &kind}}, nil
	body, err = wire.AppendPeerFrame(nil, frame)
	assert.Equal(t, nil, err)
	send("B", body)
	assert.Equal(t, uint64(2), n.Losses().Impossible)
}

// Each is complained about once, however much it says, until its process is another.
func TestWhoCannotBeUnderstoodIsToldOnce(t *testing.T) {
	n, send, log := told(t)
	body := ofVersion(wire.PeerVersion+1, encode(t, Link{*n.cluster.Load(), "B", n.ID()}, consensus.Message{Kind: consensus.Status, From: "B", To: n.ID()}))
	for range 100 {
		send("B", body)
		send("C", body)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	assert.Equal(t, 2, len(lines), lines)
	for k, id := range []string{"B", "C"} {
		assert.T(t, strings.Contains(lines[k], "id="+id) && strings.Contains(lines[k], "unknown version: 2, not 1"), lines[k])
	}
	for k := range 10 * maxStrangers {
		send(fmt.Sprint("D", k), body)
	}
	assert.T(t, len(n.losses.told) <= maxStrangers)
	assert.Equal(t, uint64(200+10*maxStrangers), n.Losses().Frames["version"])
}

// Who is of another cluster, or takes us for the process before us, is no riddle.
func TestWhoSpeaksToOthersIsNotComplainedAbout(t *testing.T) {
	n, send, log := told(t)
	for _, l := range []Link{{"OTHER", "B", n.ID()}, {*n.cluster.Load(), "B", "C"}} {
		send("B", encode(t, l, consensus.Message{Kind: consensus.Status, From: l.From, To: l.To}))
	}
	assert.Equal(t, "", log.String())
}

func TestNoteForNobodyIsNotTaken(t *testing.T) {
	c := testCore(t)
	for _, n := range []Note{{Kind: Report, From: "B", To: "C"}, {From: "B", To: testID}, {Kind: noteKinds, From: "B", To: testID}} {
		assert.T(t, !c.Take(n), n)
	}
	assert.T(t, c.Take(Note{Kind: Report, From: "B", To: testID}))
}
