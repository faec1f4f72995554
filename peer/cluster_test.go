package peer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/peer/link"
	"github.com/ha/doozerd/store"
)

// startCluster runs nodes that found a cluster together, on real sockets, and returns when all of them take writes.
func startCluster(tb testing.TB, size int) []*Node {
	tb.Helper()
	listeners, addrs := listen(tb, size)
	var nodes []*Node
	for _, l := range listeners {
		nodes = append(nodes, startAt(tb, l, addrs, io.Discard))
	}
	for _, n := range nodes {
		<-n.Joined()
		for !n.Writable() {
			awaitChange(n)
		}
	}
	return nodes
}

// listen listens at an address at which no other program is given a port: at one that was given back nobody
// answers, and it is still free when it is taken again. Other systems than Linux have one such address only.
func listen(tb testing.TB, size int) (listeners []net.Listener, addrs []string) {
	tb.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = "127.0.0.43"
	}
	for range size {
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			tb.Fatal(err)
		}
		listeners = append(listeners, l)
		addrs = append(addrs, l.Addr().String())
	}
	return listeners, addrs
}

// startAt starts a node that listens there.
func startAt(tb testing.TB, l net.Listener, attach []string, log io.Writer) *Node {
	tb.Helper()
	n, err := Start(Config{Addr: l.Addr().String(), Attach: attach, Secret: "secret", Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		tb.Fatal(err)
	}
	go acceptPeers(l, n)
	tb.Cleanup(func() {
		l.Close()
		n.Close()
	})
	return n
}

// awaitChange waits for the next rev.
func awaitChange(n *Node) {
	applied := make(chan struct{})
	_, err := n.Store().AwaitRev(n.Store().Snapshot().Rev()+1, func(*store.Snapshot, error) { close(applied) })
	if err == nil {
		<-applied
	}
}

func acceptPeers(l net.Listener, n interface{ ServePeer(net.Conn, []byte) }) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			first := make([]byte, 4)
			if _, err := io.ReadFull(conn, first); err == nil {
				n.ServePeer(conn, first)
			}
		}()
	}
}

// Who asks for a first snapshot and gets none, since the members cannot reach it at its address, says so.
func TestJoinerThatGetsNothingSaysSo(t *testing.T) {
	t.Parallel()
	listeners, addrs := listen(t, 2)
	first := startAt(t, listeners[0], nil, io.Discard)
	listeners[1].Close()
	log := &lookout{text: `level=WARN msg="a member that was asked for the data sends none: can it reach this node at its -l?" addr=` + addrs[1] +
		" members=[" + first.ID() + "]", seen: make(chan struct{})}
	n, err := Start(Config{Addr: addrs[1], Attach: addrs[:1], Secret: "secret", Logger: slog.New(slog.NewTextHandler(log, nil))})
	assert.Equal(t, nil, err)
	defer n.Close()
	select {
	case <-log.seen:
	case <-time.After(4 * joinPatience):
		t.Fatal("it does not say so")
	}
}

func TestNodesFoundAClusterOnRealSockets(t *testing.T) {
	nodes := startCluster(t, 3)
	e := do(t, nodes[1], setting("/x", "1"))
	for _, n := range nodes {
		seen := make(chan struct{})
		if _, err := n.Store().AwaitRev(e.Rev, func(*store.Snapshot, error) { close(seen) }); err != nil {
			t.Fatal(err)
		}
		<-seen
		if got := body(t, n, "/x"); got != "1" {
			t.Errorf("%s has %q", n.ID(), got)
		}
	}
}

// A lookout is a log that tells when it has read something.
type lookout struct {
	text string
	once sync.Once
	seen chan struct{}
}

func (l *lookout) Write(b []byte) (int, error) {
	if strings.Contains(string(b), l.text) {
		l.once.Do(func() { close(l.seen) })
	}
	return len(b), nil
}

// Nodes that are started all at once attach to some that have not founded their cluster yet.
func TestNodeAttachesToThoseThatFoundTheirClusterLater(t *testing.T) {
	listeners, addrs := listen(t, 3)
	startAt(t, listeners[0], addrs[:2], io.Discard)
	log := &lookout{text: "link up", seen: make(chan struct{})}
	n := startAt(t, listeners[2], addrs[:1], log)
	select {
	case <-log.seen: // of a second link: the first ones are not logged
	case <-n.Done():
		t.Fatal(n.Close())
	}
	startAt(t, listeners[1], addrs[:2], io.Discard)
	select {
	case <-n.Joined():
	case <-n.Done():
		t.Fatal(n.Close())
	}
}

// dying is a member that ends as soon as it is asked for something.
type dying struct {
	*link.Transport
	asked chan struct{}
	once  sync.Once
}

func (d *dying) Receive(link.Remote, []byte) { d.once.Do(func() { close(d.asked) }) }
func (*dying) Met(string, link.Remote)       {}
func (*dying) Hailed(link.Remote)            {}
func (*dying) Lost(string)                   {}
func (*dying) Unreachable(string, error)     {}

// A node is about to join by a member that ends. Another process of the cluster comes at its address.
func TestNodeWhoseMemberEndsLooksForTheClusterAgain(t *testing.T) {
	for _, listed := range []bool{false, true} {
		t.Run(fmt.Sprint("listed ", listed), func(t *testing.T) {
			listeners, addrs := listen(t, 2)
			config := Config{Addr: addrs[0], Secret: "secret", Logger: slog.New(slog.DiscardHandler)}
			member, err := Start(config)
			assert.Equal(t, nil, err)
			t.Cleanup(func() { member.Close() })
			first := &dying{asked: make(chan struct{})}
			first.Transport, err = link.New(link.Config{
				ID: "DYING", Addr: addrs[0], Name: member.config.Cluster, Window: consensus.DefaultWindow, Cluster: func() string { return member.Status().Cluster }, Secret: "secret", Logger: config.Logger,
			}, first)
			assert.Equal(t, nil, err)
			go acceptPeers(listeners[0], first)
			attach := addrs[:1]
			if listed {
				attach = addrs
			}
			n := startAt(t, listeners[1], attach, io.Discard)
			<-first.asked
			listeners[0].Close()
			first.Close()
			again, err := net.Listen("tcp", addrs[0])
			assert.Equal(t, nil, err)
			t.Cleanup(func() { again.Close() })
			go acceptPeers(again, member)
			select {
			case <-n.Joined():
			case <-n.Done():
				t.Fatal(n.Close())
			case <-time.After(time.Minute):
				t.Fatal("it does not join")
			}
		})
	}
}

// A cluster is about to be founded by three. While nothing is written yet, two of them end: at the one's address comes
// another process, at the other's nobody.
func TestFounderThatIsLeftAloneEnds(t *testing.T) {
	listeners, addrs := listen(t, 4)
	n := startAt(t, listeners[0], addrs[:3], io.Discard)
	n.order(func() {
		n.enter(n.foundCluster(Founding{Cluster: "NEW", Voters: []Voter{{n.ID(), addrs[0]}, {"B", addrs[1]}, {"C", addrs[2]}}, Slots: 3}))
	})
	startAt(t, listeners[1], addrs[:3], io.Discard)
	listeners[2].Close()
	<-n.Done()
	assert.Equal(t, ErrUnfounded, n.Close())
}

// The others of a founding, of which they never learned, are members of another cluster now.
func TestFounderWhoseOthersAreElsewhereEnds(t *testing.T) {
	listeners, addrs := listen(t, 3)
	n := startAt(t, listeners[0], addrs, io.Discard)
	ends := make(chan error, 1)
	n.order(func() {
		n.enter(n.foundCluster(Founding{Cluster: "NEW", Voters: []Voter{{n.ID(), addrs[0]}, {"B", addrs[1]}, {"C", addrs[2]}}, Slots: 3}))
		n.stage.met(addrs[1], link.Remote{ID: "B", Cluster: "OTHER"})
		n.stage.met(addrs[2], link.Remote{ID: "C", Cluster: "OTHER"})
		ends <- n.err
	})
	assert.Equal(t, ErrUnfounded, <-ends)
}

// BenchmarkCluster measures three voters in one process, on real sockets, with writers at all of them that wait
// for each answer.
func BenchmarkCluster(b *testing.B) {
	for _, writers := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(writers, "-writers"), func(b *testing.B) {
			nodes := startCluster(b, 3)
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for w := range writers {
				all.Go(func() { writeEach(nodes[w%len(nodes)], w, b.N/writers+1) })
			}
			all.Wait()
		})
	}
}

func writeEach(n *Node, writer, times int) {
	answer := make(chan struct{}, 1)
	done := func(store.Event, error) { answer <- struct{}{} }
	for range times {
		if n.Propose(context.Background(), setting(fmt.Sprint("/w/", writer), "a body of some length"), done) != nil {
			return
		}
		<-answer
	}
}

// Whoever speaks to a process that assembles is forgotten after a while, however many come.
func TestStrangersOfAnAssemblyAreForgotten(t *testing.T) {
	listeners, addrs := listen(t, 3)
	n := startAt(t, listeners[0], addrs, io.Discard)
	known := make(chan int)
	come := func(first int) {
		n.order(func() {
			for k := range 2 * maxStrangers {
				n.stage.receive(link.Remote{ID: fmt.Sprint("X", first+k), Addr: "127.0.0.1:1"}, Received{})
			}
			n.tick()
			known <- len(n.mail.addrs)
		})
	}
	go come(0)
	assert.Equal(t, maxStrangers+1, <-known) // and itself
	n.order(func() {
		for id := range n.mail.heard {
			n.mail.heard[id] = time.Now().Add(-2 * strangerFor)
		}
		n.stage.receive(link.Remote{ID: "Y", Addr: "127.0.0.1:1"}, Received{})
		n.tick()
	})
	go n.order(func() { known <- len(n.mail.addrs) })
	assert.Equal(t, 2, <-known) // itself and Y
}

// A node that only attaches is at an address of the list that others found a cluster by: it keeps them waiting
// no longer than it takes to say so.
func TestWhoOnlyAttachesHoldsUpNoFounding(t *testing.T) {
	listeners, addrs := listen(t, 3)
	nodes := []*Node{startAt(t, listeners[0], addrs, io.Discard), startAt(t, listeners[1], addrs, io.Discard), startAt(t, listeners[2], addrs[:2], io.Discard)}
	for _, n := range nodes {
		select {
		case <-n.Joined():
		case <-time.After(DefaultPatience / 2):
			t.Fatal("no cluster")
		}
	}
}
