package link

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ha/doozerd/internal/wire"
)

// testPatience is how long a test waits for what must come. A slow machine must not fail.
const testPatience = time.Minute

// A testNode is a transport behind a listener, and notes what its handler hears.
type testNode struct {
	*Transport
	t       testing.TB
	l       net.Listener
	cluster atomic.Pointer[string]
	log     *logBuffer
	serving sync.WaitGroup

	receiving func(from Remote, body []byte) // before it is noted; nil for nothing
	receiver  func(from Remote, body []byte) // instead of noting it; nil if it is noted

	mu      sync.Mutex
	changed chan struct{} // closed at the next change
	got     []string      // received: "FROM/CLUSTER BODY"
	met     []string      // "ADDR ID/CLUSTER"
	hailed  []string      // the same
	lost    []string      // ids
	failed  []error       // of attempts to connect
	conns   []net.Conn    // accepted
}

// testConfig is that of a process that has listened already.
func testConfig(id, addr string) Config {
	return Config{ID: id, Addr: addr, Name: "test", Cluster: func() string { return "" }}
}

// start runs a process at a new loopback address.
func start(t testing.TB, id string, configure ...func(*Config)) *testNode {
	t.Helper()
	return startAt(t, id, listenAt(t, "127.0.0.1:0"), configure...)
}

func listenAt(t testing.TB, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// listenAlone listens at an address at which no other program is given a port: one that was given back is still
// free when it is taken again. Other systems than Linux have one such address only.
func listenAlone(t testing.TB) net.Listener {
	t.Helper()
	if runtime.GOOS == "linux" {
		return listenAt(t, "127.0.0.42:0")
	}
	return listenAt(t, "127.0.0.1:0")
}

// startAt runs a process behind l. It ends when the test does.
func startAt(t testing.TB, id string, l net.Listener, configure ...func(*Config)) *testNode {
	t.Helper()
	n := startWithout(t, id, l.Addr().String(), configure...)
	n.l = l
	n.serving.Go(n.serve)
	return n
}

// startWithout runs a process without a listener.
func startWithout(t testing.TB, id, addr string, configure ...func(*Config)) *testNode {
	t.Helper()
	n := &testNode{t: t, changed: make(chan struct{}), log: new(logBuffer)}
	n.setCluster("")
	c := testConfig(id, addr)
	c.Cluster = func() string { return *n.cluster.Load() }
	c.Logger = slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, f := range configure {
		f(&c)
	}
	var err error
	if n.Transport, err = New(c, n); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.stopServing)
	return n
}

func (n *testNode) setCluster(id string) { n.cluster.Store(&id) }
func (n *testNode) addr() string         { return n.config.Addr }
func (n *testNode) peer() Peer           { return Peer{n.config.ID, n.addr()} }

// serve accepts, and hands over what begins as it should.
func (n *testNode) serve() {
	for {
		conn, err := n.l.Accept()
		if err != nil {
			return
		}
		n.take(conn)
	}
}

// take hands over conn if it begins as it should.
func (n *testNode) take(conn net.Conn) {
	n.note(func() { n.conns = append(n.conns, conn) })
	n.serving.Go(func() {
		first := make([]byte, len(wire.PeerPreface))
		if _, err := io.ReadFull(conn, first); err != nil {
			conn.Close()
			return
		}
		n.ServePeer(conn, first)
	})
}

// stopServing ends the process as if it were killed, but waits for all of it.
func (n *testNode) stopServing() {
	if n.l != nil {
		n.l.Close()
	}
	n.Close()
	n.serving.Wait()
}

// note changes what is known.
func (n *testNode) note(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
	close(n.changed)
	n.changed = make(chan struct{})
}

// await waits until ok, called with n.mu held, reports true.
func (n *testNode) await(what string, ok func() bool) {
	n.t.Helper()
	deadline := time.After(testPatience)
	for {
		n.mu.Lock()
		done, changed := ok(), n.changed
		n.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			n.mu.Lock()
			defer n.mu.Unlock()
			n.t.Fatalf("%s: still not %s\ngot %v\nmet %v\nlost %v\nfailed %v\nlog %s",
				n.config.ID, what, n.got, n.met, n.lost, n.failed, n.log)
		}
	}
}

func (n *testNode) awaitGot(body string) {
	n.t.Helper()
	n.await("got "+body, func() bool { return slices.Contains(n.got, body) })
}

func (n *testNode) awaitMet(found string) {
	n.t.Helper()
	n.await("met "+found, func() bool { return slices.Contains(n.met, found) })
}

func (n *testNode) awaitHailed(by string) {
	n.t.Helper()
	n.await("hailed by "+by, func() bool { return slices.Contains(n.hailed, by) })
}

func (n *testNode) awaitLost(id string) {
	n.t.Helper()
	n.await("lost "+id, func() bool { return slices.Contains(n.lost, id) })
}

// awaitFailure returns the first failure that is err.
func (n *testNode) awaitFailure(err error) (found error) {
	n.t.Helper()
	n.await("failed by "+err.Error(), func() bool {
		i := slices.IndexFunc(n.failed, func(e error) bool { return errors.Is(e, err) })
		if i >= 0 {
			found = n.failed[i]
		}
		return i >= 0
	})
	return found
}

// awaitLog waits for a line in the log, which comes with no other change.
func (n *testNode) awaitLog(text string) {
	n.t.Helper()
	n.log.await(n.t, text)
}

// received is what was received so far.
func (n *testNode) received() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.got)
}

// forget forgets what was noted.
func (n *testNode) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.got, n.met, n.hailed, n.lost, n.failed = nil, nil, nil, nil, nil
}

// connect makes n want others, and waits until it has met each.
func (n *testNode) connect(others ...*testNode) {
	n.t.Helper()
	var peers []Peer
	for _, o := range others {
		peers = append(peers, o.peer())
	}
	n.Want(peers)
	for _, o := range others {
		n.awaitMet(fmt.Sprintf("%s %s/%s", o.addr(), o.config.ID, o.config.Cluster()))
	}
}

func (n *testNode) Receive(from Remote, body []byte) {
	if n.receiver != nil {
		n.receiver(from, body)
		return
	}
	if n.receiving != nil {
		n.receiving(from, body)
	}
	n.note(func() { n.got = append(n.got, from.ID+"/"+from.Cluster+" "+string(body)) })
}

func (n *testNode) Met(addr string, found Remote) {
	n.note(func() { n.met = append(n.met, addr+" "+found.ID+"/"+found.Cluster) })
}

func (n *testNode) Hailed(from Remote) {
	n.note(func() { n.hailed = append(n.hailed, from.Addr+" "+from.ID+"/"+from.Cluster) })
}

func (n *testNode) Lost(id string) {
	n.note(func() { n.lost = append(n.lost, id) })
}

func (n *testNode) Unreachable(addr string, err error) {
	n.note(func() { n.failed = append(n.failed, err) })
}

// A logBuffer keeps a log.
type logBuffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{}
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) await(t testing.TB, text string) {
	t.Helper()
	deadline := time.After(testPatience)
	for {
		l.mu.Lock()
		log := l.b.String()
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		if strings.Contains(log, text) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("not in the log: %s\n%s", text, log)
		}
	}
}

// withSecret sets the secret.
func withSecret(s string) func(*Config) { return func(c *Config) { c.Secret = s } }

// A relay stands between two processes and sees, or changes, what goes on.
type relay struct {
	t    testing.TB
	l    net.Listener
	to   string
	work sync.WaitGroup
	ctx  context.Context

	// change returns what goes on of what was read from the dialer; nil ends
	// the connection. One that is over may still have something to pass on when
	// the next has begun.
	mu     sync.Mutex
	change func(b []byte) []byte
}

func startRelay(t testing.TB, to string, change func(b []byte) []byte) *relay {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &relay{t: t, l: listenAt(t, "127.0.0.1:0"), to: to, ctx: ctx, change: change}
	r.work.Go(r.serve)
	t.Cleanup(func() {
		cancel()
		r.l.Close()
		r.work.Wait()
	})
	return r
}

func (r *relay) addr() string { return r.l.Addr().String() }

func (r *relay) serve() {
	for {
		dialer, err := r.l.Accept()
		if err != nil {
			return
		}
		answerer, err := net.Dial("tcp", r.to)
		if err != nil {
			dialer.Close()
			continue
		}
		stop := context.AfterFunc(r.ctx, func() { dialer.Close(); answerer.Close() })
		r.work.Go(func() {
			defer stop()
			defer answerer.Close()
			b := make([]byte, 64<<10)
			for {
				n, err := dialer.Read(b)
				if err != nil {
					return
				}
				r.mu.Lock()
				on := r.change(b[:n])
				r.mu.Unlock()
				if on == nil {
					return
				}
				if _, err := answerer.Write(on); err != nil {
					return
				}
			}
		})
		r.work.Go(func() {
			defer dialer.Close()
			_, _ = io.Copy(dialer, answerer)
		})
	}
}
