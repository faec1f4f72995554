package cluster

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/peer/link"
)

// TestHostileWire floods every node of a cluster that has a secret while its clients work: with garbage, with the frames of a
// stranger, and with a recording of what its members said to each other.
func TestHostileWire(t *testing.T) {
	needHosts(t)
	t.Parallel()
	const secret = "between members"
	c := newCluster(t, Options{Hosts: 3, Flags: testFlags, Env: []string{"DOOZER_PEERSECRET=" + secret}})
	tape := c.record(t)
	c.sh(t, "start 1 2 3")
	w := c.work(t, 3)
	w.progress(t)
	said := tape.stop()
	assert.T(t, len(said) > 0, "nothing was recorded")

	var flood sync.WaitGroup
	for n := 1; n <= 3; n++ {
		flood.Go(func() { c.garbage(n) })
		flood.Go(func() { c.replay(n, said) })
		for _, s := range []string{"", "guessed"} {
			flood.Go(func() { c.stranger(t, n, s) })
		}
	}
	flood.Wait()
	w.progress(t)
	t.Logf("longest time without a write: %v", w.Gap())
	c.sh(t, "voters 3; [ $(doozer find /ctl/node | grep -c addr) = 3 ]; ! doozer find /stranger | grep .")
	w.end(t, 1, 2, 3)
}

// TestReplayWithoutASecret: nothing is proven, so what was recorded is taken, and must do no harm.
func TestReplayWithoutASecret(t *testing.T) {
	needHosts(t)
	t.Parallel()
	c := newCluster(t, Options{Hosts: 3, Flags: testFlags})
	tape := c.record(t)
	c.sh(t, "start 1 2 3")
	w := c.work(t, 3)
	w.progress(t)
	said := tape.stop()
	var flood sync.WaitGroup
	for n := 1; n <= 3; n++ {
		flood.Go(func() { c.replay(n, said) })
	}
	flood.Wait()
	w.progress(t)
	t.Logf("longest time without a write: %v", w.Gap())
	w.end(t, 1, 2, 3)
}

// floods is how often a flood begins anew.
const floods = 100

// garbage sends what nobody says: noise, sizes that are none, and noise after the preface of members.
func (c *Cluster) garbage(n int) {
	for k := range floods {
		b := make([]byte, 4096)
		rand.Read(b)
		switch k % 3 {
		case 1:
			copy(b, []byte{0xd0, 0x02, 0x7a, 0x72})
		case 2:
			copy(b, []byte{0xd0, 0x02, 0x7a, 0x72, 0, 0, 1, 0})
		}
		c.say(n, b)
	}
}

// replay says again what was recorded on the links to host n.
func (c *Cluster) replay(n int, said []speech) {
	for range floods {
		for _, s := range said {
			if s.to == c.Addr(n) {
				c.say(n, s.bytes)
			}
		}
	}
}

// say sends bytes to host n, and returns when the other side has had enough, or all of it.
func (c *Cluster) say(n int, b []byte) {
	conn, err := net.Dial("tcp", c.Addr(n))
	if err != nil {
		return
	}
	defer conn.Close()
	go func() {
		_, _ = conn.Write(b)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(io.Discard, conn)
}

// stranger speaks the protocol of members and does not know the secret. It asks for a slot, and for files.
func (c *Cluster) stranger(t *testing.T, n int, secret string) {
	met := make(meetings, floods)
	tr, err := link.New(link.Config{
		ID: "STRANGER" + secret, Addr: "10.77.0.99:1", Name: "local", Window: consensus.DefaultWindow, Cluster: func() string { return "" }, Secret: secret,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, met)
	if err != nil {
		t.Error(err)
		return
	}
	defer tr.Close()
	for range floods / 10 {
		tr.Want([]link.Peer{{Addr: c.Addr(n)}})
		if <-met {
			t.Errorf("host %d takes the frames of a stranger with the secret %q", n, secret)
		}
		tr.Want(nil)
	}
}

// meetings tells whether a node was met.
type meetings chan bool

func (meetings) Receive(link.Remote, []byte)     {}
func (m meetings) Met(string, link.Remote)       { m.put(true) }
func (meetings) Hailed(link.Remote)              {}
func (meetings) Lost(string)                     {}
func (m meetings) Unreachable(_ string, _ error) { m.put(false) }
func (m meetings) put(met bool) {
	select {
	case m <- met:
	default:
	}
}

// TestFramesOfAStrangerWithoutASecret: who proves nothing may open a link, but is no voter: what it says of consensus counts
// for nothing.
func TestFramesOfAStrangerWithoutASecret(t *testing.T) {
	t.Parallel()
	c := newCluster(t, Options{Hosts: 3, Flags: testFlags})
	c.sh(t, "start 1 2 3")
	w := c.work(t, 3)
	cl := c.connect(t, 1)
	for n := 1; n <= 3; n++ {
		c.forge(t, n)
	}
	w.progress(t)
	t.Logf("longest time without a write: %v", w.Gap())
	_, rev, err := cl.Get(patient(t), "/forged", client.Now)
	assert.Equal(t, nil, err)
	assert.Equal(t, client.Missing, rev)
	w.end(t, 1, 2, 3)
}

// forge sends host n frames that a member would take from a member: of its cluster, to its id.
func (c *Cluster) forge(t *testing.T, n int) {
	t.Helper()
	met := make(remotes, 1)
	tr, err := link.New(link.Config{
		ID: "STRANGER", Addr: "10.77.0.99:1", Name: "local", Window: consensus.DefaultWindow, Cluster: func() string { return "" },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, met)
	assert.Equal(t, nil, err)
	defer tr.Close()
	tr.Want([]link.Peer{{Addr: c.Addr(n)}})
	there := <-met
	e, err := peer.NewEncoder(peer.Link{Cluster: there.Cluster, From: "STRANGER", To: there.ID})
	assert.Equal(t, nil, err)
	for range floods / 10 {
		for _, m := range forged(there.ID) {
			body, _, err := e.Append(nil, []consensus.Message{m})
			assert.Equal(t, nil, err)
			tr.Send(link.Peer{ID: there.ID, Addr: c.Addr(n)}, body)
		}
	}
}

// forged is what only voters may say: suggestions of what nobody wrote, and ballots that would silence its owner.
func forged(to string) (all []consensus.Message) {
	mutation := []byte("forged")
	batch := consensus.Batch{Proposer: "STRANGER", Seq: 1, Mutations: [][]byte{mutation}}
	for i := range uint64(500) {
		r := consensus.Range{Lo: 1 + i*10, Hi: 2 + i*10}
		all = append(all,
			consensus.Message{Kind: consensus.Suggest, From: "STRANGER", To: to, Range: r, Batch: batch},
			consensus.Message{Kind: consensus.Prepare, From: "STRANGER", To: to, Owner: to, Range: r, Ballot: 1 << 40})
	}
	return all
}

// remotes tells who was met.
type remotes chan link.Remote

func (remotes) Receive(link.Remote, []byte)       {}
func (r remotes) Met(_ string, found link.Remote) { r <- found }
func (remotes) Hailed(link.Remote)                {}
func (remotes) Lost(string)                       {}
func (remotes) Unreachable(_ string, _ error)     {}
