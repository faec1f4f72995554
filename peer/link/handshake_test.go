package link

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bmizerany/assert"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/ha/doozerd/internal/wire"
)

// awaitRefusal returns the refusal by which an attempt to connect failed.
func (n *testNode) awaitRefusal(err error) *Refusal {
	n.t.Helper()
	var r *Refusal
	if !errors.As(n.awaitFailure(err), &r) {
		n.t.Fatalf("%v is no refusal", err)
	}
	return r
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name         string
		dialer       func(*Config)
		answerer     func(*Config)
		dialCluster  string
		ownCluster   string
		want         error
		proven       bool
		dialerDetail string
		answererLog  string
	}{
		{
			name:   "another name",
			dialer: func(c *Config) { c.Name = "other" }, want: ErrName,
			dialerDetail: `"test", here "other"`, answererLog: `\"other\", here \"test\"`,
		}, {
			name:   "another window",
			dialer: func(c *Config) { c.Window = 16 }, want: ErrWindow,
			dialerDetail: "0, here 16", answererLog: "16, here 0",
		}, {
			name:   "a secret against none",
			dialer: withSecret("s"), want: ErrSecret,
			dialerDetail: "it has no secret, this process has one", answererLog: "it has a secret, this process has none",
		}, {
			name:     "no secret against one",
			answerer: withSecret("s"), want: ErrSecret,
			dialerDetail: "it has a secret, this process has none", answererLog: "it has no secret, this process has one",
		}, {
			name:   "another secret",
			dialer: withSecret("s"), answerer: withSecret("S"), want: ErrSecret,
			dialerDetail: "", answererLog: "the secrets differ",
		}, {
			name: "another cluster", dialCluster: "K", ownCluster: "L", want: ErrCluster, proven: true,
			dialerDetail: `"L", here "K"`, answererLog: "another cluster",
		}, {
			name: "another cluster with a secret", dialCluster: "K", ownCluster: "L", want: ErrCluster, proven: true,
			dialer: withSecret("s"), answerer: withSecret("s"),
			dialerDetail: `"L", here "K"`, answererLog: "another cluster",
		}, {
			name:   "itself by another name",
			dialer: func(c *Config) { c.ID = "B" }, want: ErrSelf,
		}, {
			name:     "no room",
			answerer: func(c *Config) { c.MaxLinks = 1 }, want: ErrBusy, proven: true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answerer := start(t, "B", orNothing(tt.answerer))
			answerer.setCluster(tt.ownCluster)
			if tt.want == ErrBusy {
				start(t, "C").connect(answerer)
			}
			dialer := start(t, "A", orNothing(tt.dialer))
			dialer.setCluster(tt.dialCluster)
			dialer.Want([]Peer{{"", answerer.addr()}})
			r := dialer.awaitRefusal(tt.want)
			assert.Equal(t, tt.proven, r.Proven)
			if tt.proven {
				assert.Equal(t, Remote{"B", answerer.addr(), tt.ownCluster}, r.Other)
			}
			assert.Equal(t, tt.dialerDetail, r.Detail)
			answerer.awaitLog(tt.answererLog)
			dialer.Send(Peer{"", answerer.addr()}, []byte("no"))
			assert.Equal(t, uint64(1), dialer.Stats().NoLink)
			assert.Equal(t, 0, len(dialer.met))
		})
	}
}

func orNothing(f func(*Config)) func(*Config) {
	if f == nil {
		return func(*Config) {}
	}
	return f
}

// One side that has no cluster yet may talk to the other: that is how it joins.
func TestNoClusterYet(t *testing.T) {
	a, b := start(t, "A"), start(t, "B")
	b.setCluster("K")
	a.connect(b)
	b.connect(a)
	a.Send(b.peer(), []byte("join"))
	b.awaitGot("A/ join")
	b.Send(a.peer(), []byte("welcome"))
	a.awaitGot("B/K welcome")
}

// A link tells the other side the id of the cluster as it is, not as it was.
func TestClusterIsFounded(t *testing.T) {
	a, b := start(t, "A", func(c *Config) { c.Silence = time.Hour }), start(t, "B")
	a.connect(b)
	a.setCluster("K")
	a.Send(b.peer(), []byte("one")) // finds the link outdated, and is lost
	a.await("met again", func() bool { return len(a.met) > 1 })
	a.Send(b.peer(), []byte("two"))
	b.awaitGot("A/K two")
	assert.Equal(t, 0, len(b.lost))
	a.awaitLog(`level=DEBUG msg="link down" to=` + b.addr() + ` cause="the cluster has another id now"`) // nobody's concern
}

// A process that changes over to another cluster takes nothing more from the one
// it was in.
func TestClusterIsLeft(t *testing.T) {
	a, b := start(t, "A"), start(t, "B")
	a.setCluster("K")
	b.setCluster("K")
	a.connect(b)
	b.setCluster("L")
	a.Send(b.peer(), []byte("late"))
	a.awaitRefusal(ErrCluster)
	assert.Equal(t, 0, len(b.received()))
}

// The answerer does not leave it to the dialer to find that the clusters differ.
func TestAnswererChecksTheCluster(t *testing.T) {
	a, b := start(t, "A"), start(t, "B")
	b.setCluster("L")
	conn := b.dialPeer(nil)
	h := newHandshake(&a.config, conn, conn)
	for _, m := range []*wire.PeerHandshake{{Hello: h.hello(b.peer())}, {}, {Cluster: proto.String("K")}} {
		assert.Equal(t, nil, h.send(m))
	}
	conn.Write(appendFrame(nil, wire.PeerData, []byte("from K"), 0)) // may fail by now
	awaitEnd(t, conn)
	b.awaitLog("another cluster")
	assert.Equal(t, 0, len(b.received()))
}

// A seal is as good as random, so some look like a refusal.
func TestSealThatLooksLikeARefusal(t *testing.T) {
	refusal := &wire.PeerHandshake{Refusal: wire.PeerHandshake_PROTOCOL.Enum()}
	short, err := wire.AppendPeerHandshake(nil, refusal)
	if err != nil {
		t.Fatal(err)
	}
	unknown := protowire.AppendTag(slices.Clone(short), 1000, protowire.BytesType)
	long := protowire.AppendBytes(unknown, make([]byte, wire.PeerSealSize-len(unknown)-1))
	assert.Equal(t, wire.PeerSealSize, len(long))
	_, err = wire.DecodePeerHandshake(long)
	assert.Equal(t, nil, err)

	h := newHandshake(&Config{Cluster: func() string { return "" }}, nil, nil)
	assert.T(t, errors.Is(h.unsealed(long), ErrSecret))
	assert.T(t, errors.Is(h.unsealed(short), ErrProtocol))
}
