package cluster

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/peer/link"
	"github.com/ha/doozerd/store"
)

// TestHostileWire floods every node of a cluster that has a secret while its clients work: with garbage, with
// the frames of a stranger, and with a recording of what its members said to each other.
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
	var taken atomic.Int64
	for n := 1; n <= 3; n++ {
		for range garbageLinks {
			flood.Go(func() { taken.Add(c.garbage(n)) })
		}
		flood.Go(func() { c.replay(n, said) })
		for _, s := range []string{"", "guessed"} {
			flood.Go(func() { c.stranger(t, n, s) })
		}
	}
	flood.Wait()
	w.progress(t)
	t.Logf("longest time without a write, beside %d MB of garbage: %v", taken.Load()>>20, w.Gap())
	assert.T(t, taken.Load() >= 3*garbageLinks*garbageSize, "no flood")
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

const (
	garbageLinks = 8       // at once, to each host
	garbageSize  = 4 << 20 // taken at least from each of them, in bytes
)

// garbage sends what nobody says: noise, sizes that are none, noise after the preface of members, and requests
// that are long and mean nothing, which are read to their ends. It returns how many bytes were taken.
func (c *Cluster) garbage(n int) (taken int64) {
	noise := make([]byte, 1<<20)
	rand.Read(noise)
	for k := range floods / 2 {
		b := noise[:4096]
		rand.Read(b)
		switch k % 4 {
		case 1:
			copy(b, []byte{0xd0, 0x02, 0x7a, 0x72})
		case 2:
			copy(b, []byte{0xd0, 0x02, 0x7a, 0x72, 0, 0, 1, 0})
		case 3:
			b = noise
			binary.BigEndian.PutUint32(b, uint32(len(b)-4))
		}
		taken += c.say(n, b)
	}
	return taken
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

// say sends bytes to host n, and returns how many went out when the other side has had enough, or all of it.
func (c *Cluster) say(n int, b []byte) (sent int64) {
	conn, err := net.Dial("tcp", c.Addr(n))
	if err != nil {
		return 0
	}
	defer conn.Close()
	said := make(chan int)
	go func() {
		n, _ := conn.Write(b)
		_ = conn.(*net.TCPConn).CloseWrite()
		said <- n
	}()
	_, _ = io.Copy(io.Discard, conn)
	conn.Close() // so that nothing more is said
	return int64(<-said)
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

// TestFramesOfAStrangerWithoutASecret: who proves nothing may open a link, but is no voter: what it says that
// only voters may say is dropped, and counted.
func TestFramesOfAStrangerWithoutASecret(t *testing.T) {
	t.Parallel()
	c := newCluster(t, Options{Hosts: 3, Flags: testFlags})
	c.sh(t, "start 1 2 3; for n in 1 2 3; do eventually voter $n; done")
	w := c.work(t, 3)
	var forgers []*forger
	for n := 1; n <= 3; n++ {
		f := c.forger(t, n)
		f.suggest(t)
		forgers = append(forgers, f)
	}
	for _, f := range forgers {
		f.ballot(t)
	}
	for _, f := range forgers {
		f.silence(t)
	}
	w.progress(t)
	t.Logf("longest time without a write: %v", w.Gap())
	for n := 1; n <= 3; n++ {
		_, rev, err := c.connect(t, n).Get(patient(t), forgedPath, client.Now)
		assert.Equal(t, nil, err)
		assert.Equal(t, client.Missing, rev)
	}
	c.sh(t, "voters 3")
	w.end(t, 1, 2, 3)
}

// A forger sends a node frames that a member would take from a member, of its cluster and to its id, and sees
// that what they hold is dropped.
type forger struct {
	*link.Transport
	addr    string
	there   link.Remote
	encoder *peer.Encoder
	cl      *client.Client
}

func (c *Cluster) forger(t *testing.T, n int) *forger {
	t.Helper()
	met := make(remotes, 1)
	tr, err := link.New(link.Config{
		ID: "STRANGER", Addr: "10.77.0.99:1", Name: "local", Window: consensus.DefaultWindow, Cluster: func() string { return "" },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, met)
	assert.Equal(t, nil, err)
	t.Cleanup(tr.Close)
	tr.Want([]link.Peer{{Addr: c.Addr(n)}})
	there := <-met
	e, err := peer.NewEncoder(peer.Link{Cluster: there.Cluster, From: "STRANGER", To: there.ID})
	assert.Equal(t, nil, err)
	return &forger{tr, c.Addr(n), there, e, c.connect(t, n)}
}

func (f *forger) send(t *testing.T, all []consensus.Message) {
	t.Helper()
	for len(all) > 0 {
		body, taken, err := f.encoder.Append(nil, all)
		assert.Equal(t, nil, err)
		f.Send(link.Peer{ID: f.there.ID, Addr: f.addr}, body)
		all = all[taken:]
	}
	stats := f.Stats()
	assert.Equal(t, uint64(0), stats.NoLink+stats.NoRoom)
}

// suggest returns when all that was suggested is dropped, what became old meanwhile left out.
func (f *forger) suggest(t *testing.T) {
	t.Helper()
	before := standing(t, f.cl)
	f.send(t, f.suggestions(before))
	seeDropped(t, f.cl, func(now status) bool {
		decided := now.Instance - before.Instance
		assert.T(t, decided < consensus.DefaultWindow, "whatever was suggested is old")
		return now.Counters.Dropped-before.Counters.Dropped >= consensus.DefaultWindow-decided
	})
}

// ballot returns when all ballots are dropped.
func (f *forger) ballot(t *testing.T) {
	t.Helper()
	before := standing(t, f.cl)
	all := f.ballots(before)
	f.send(t, all)
	seeDropped(t, f.cl, func(now status) bool {
		return now.Counters.Dropped-before.Counters.Dropped >= uint64(len(all))
	})
}

// silence asks the node to promise its own instances away. On hearing of a ballot it gives up what it has not
// used yet, which it may do at any time, and so everybody goes on beyond: that must do no harm.
func (f *forger) silence(t *testing.T) {
	t.Helper()
	f.send(t, []consensus.Message{f.prepare(f.there.ID, standing(t, f.cl))})
}

// seeDropped returns when a node has dropped enough.
func seeDropped(t *testing.T, cl *client.Client, enough func(status) bool) {
	t.Helper()
	for ctx := patient(t); ; {
		rev, err := cl.Rev(ctx)
		assert.Equal(t, nil, err)
		now := standing(t, cl)
		if enough(now) {
			t.Logf("dropped %d, at instance %d", now.Counters.Dropped, now.Instance)
			return
		}
		_, err = cl.Wait(ctx, "/**", rev+1)
		assert.Equal(t, nil, err)
	}
}

// status is what a node says of itself.
type status struct {
	Instance uint64
	Members  []struct{ ID string }
	Counters struct{ Dropped uint64 }
}

func standing(t *testing.T, cl *client.Client) (s status) {
	t.Helper()
	text, err := cl.Status(patient(t))
	assert.Equal(t, nil, err)
	assert.Equal(t, nil, json.Unmarshal(text, &s))
	return s
}

const (
	forgedPath = "/forged"
	forgedPast = 100 // instances that are decided already
)

// suggestions put a set that nobody asked for to every instance that is undecided where the node stands, and to
// some that are not. Each that is still undecided when it arrives breaks a rule.
func (f *forger) suggestions(now status) (all []consensus.Message) {
	set := store.Mutation{Op: store.Set, Path: forgedPath, Guard: store.Clobber, Body: []byte("by a stranger")}.Append(nil)
	batch := consensus.Batch{Proposer: "STRANGER", Seq: 1, Mutations: [][]byte{set}}
	r := undecided(now)
	for i := r.Lo - min(forgedPast, now.Instance); i < r.Hi; i++ {
		all = append(all, consensus.Message{Kind: consensus.Suggest, From: "STRANGER", To: f.there.ID, Range: consensus.Range{Lo: i, Hi: i + 1}, Batch: batch})
	}
	return all
}

// ballots vote for a suggestion, decide no-ops, and ask for promises, in the instances of each owner.
func (f *forger) ballots(now status) (all []consensus.Message) {
	for _, m := range now.Members {
		prepare := f.prepare(m.ID, now)
		accept, accepted := prepare, prepare
		accept.Kind, accepted.Kind, accepted.Ballot = consensus.Accept, consensus.Accepted, 0
		if all = append(all, accept, accepted); m.ID != f.there.ID {
			all = append(all, prepare)
		}
	}
	return all
}

func (f *forger) prepare(owner string, now status) consensus.Message {
	return consensus.Message{Kind: consensus.Prepare, From: "STRANGER", To: f.there.ID, Owner: owner, Range: undecided(now), Ballot: 1 << 40}
}

// undecided is the instances that a node takes part in.
func undecided(now status) consensus.Range {
	return consensus.Range{Lo: now.Instance + 1, Hi: now.Instance + 1 + consensus.DefaultWindow}
}

// remotes tells who was met.
type remotes chan link.Remote

func (remotes) Receive(link.Remote, []byte)       {}
func (r remotes) Met(_ string, found link.Remote) { r <- found }
func (remotes) Hailed(link.Remote)                {}
func (remotes) Lost(string)                       {}
func (remotes) Unreachable(_ string, _ error)     {}
