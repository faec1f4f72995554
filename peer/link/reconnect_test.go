package link

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
)

func TestNobodyListens(t *testing.T) {
	l := listenAlone(t)
	addr := l.Addr().String()
	l.Close()
	a := start(t, "A")
	a.Want([]Peer{{"", addr}})
	a.awaitFailure(ErrNobody)
	a.await("tried again", func() bool { return len(a.failed) >= 3 })
	assert.Equal(t, 1, strings.Count(a.log.String(), "\n"), a.log)
}

func TestRestartedProcess(t *testing.T) {
	a, b := start(t, "A"), startAt(t, "B", listenAlone(t))
	a.connect(b)
	b.stopServing()
	a.awaitLost("B")
	a.awaitFailure(ErrNobody)
	c := startAt(t, "C", listenAt(t, b.addr()))
	a.awaitMet(c.addr() + " C/")
	a.Send(b.peer(), []byte("to the dead"))
	a.Send(c.peer(), []byte("not wanted yet"))
	assert.Equal(t, uint64(2), a.Stats().NoLink)

	a.Want([]Peer{b.peer(), c.peer()}) // as long as B is not evicted
	a.await("linked to C", func() bool { return a.Stats().To == 1 })
	a.Send(b.peer(), []byte("to the dead"))
	a.Send(c.peer(), []byte("hello"))
	c.awaitGot("A/ hello")
	assert.Equal(t, []string{"A/ hello"}, c.received())
}

// A process that begins to listen later is found.
func TestLateListener(t *testing.T) {
	l := listenAlone(t)
	l.Close()
	a := start(t, "A")
	a.Want([]Peer{{"B", l.Addr().String()}})
	a.awaitFailure(ErrNobody)
	b := startAt(t, "B", listenAt(t, l.Addr().String()))
	a.awaitMet(b.addr() + " B/")
	a.Send(b.peer(), []byte("hello"))
	b.awaitGot("A/ hello")
}

// Both sides learn at once that the other process has ended.
func TestLost(t *testing.T) {
	a, b, c := start(t, "A"), start(t, "B"), start(t, "C")
	a.connect(b)
	c.connect(a)
	a.stopServing()
	b.awaitLost("A")
	c.awaitLost("A")
}

// A link that is not wanted any more ends, and nobody takes anyone for dead.
func TestUnwanted(t *testing.T) {
	a, b := start(t, "A"), start(t, "B")
	a.connect(b)
	a.Send(b.peer(), []byte("one"))
	b.awaitGot("A/ one")
	a.Want(nil)
	b.awaitLog(errFarewell.Error())
	a.Send(b.peer(), []byte("two"))
	assert.Equal(t, uint64(1), a.Stats().NoLink)
	assert.Equal(t, 0, len(b.lost))
	a.awaitLog(errUnwanted.Error())
}

// An address that is wanted under another id is left and dialled again.
func TestWantedUnderAnotherID(t *testing.T) {
	a, b := start(t, "A"), start(t, "B")
	a.connect(b)
	a.forget()
	a.Want([]Peer{{"X", b.addr()}})
	a.await("met again", func() bool { return len(a.met) > 0 })
	a.Send(Peer{"X", b.addr()}, []byte("for X"))
	a.Send(Peer{"", b.addr()}, []byte("for anybody"))
	assert.Equal(t, uint64(2), a.Stats().NoLink)
	a.Want([]Peer{{"", b.addr()}})
	a.await("linked to B", func() bool { return a.Stats().To == 1 })
	a.Send(Peer{"X", b.addr()}, []byte("for X"))
	a.Send(Peer{"", b.addr()}, []byte("for anybody"))
	b.awaitGot("A/ for anybody")
	assert.Equal(t, 1, len(b.received()))
}

func TestItselfIsNotWanted(t *testing.T) {
	a := start(t, "A")
	a.Want([]Peer{a.peer(), {"A", "elsewhere:1"}, {"", a.addr()}})
	assert.Equal(t, 0, len(*a.routes.Load()))
}

func TestWhatIsTooLongIsNotWanted(t *testing.T) {
	a := start(t, "A")
	a.Want([]Peer{
		{strings.Repeat("i", wire.MaxPeerID+1), "127.0.0.1:1"},
		{"B", strings.Repeat("a", wire.MaxPeerAddr-1) + ":1"},
	})
	assert.Equal(t, 0, len(*a.routes.Load()))
}

func TestIPv6AndHostNames(t *testing.T) {
	l6, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here:", err)
	}
	a, b, c := start(t, "A"), startAt(t, "B", l6), start(t, "C")
	_, port, _ := net.SplitHostPort(c.addr())
	byName := net.JoinHostPort("localhost", port)
	a.Want([]Peer{b.peer(), {"C", byName}})
	a.awaitMet(b.addr() + " B/")
	a.awaitMet(byName + " C/")
	a.Send(b.peer(), []byte("six"))
	a.Send(Peer{"C", byName}, []byte("name"))
	b.awaitGot("A/ six")
	c.awaitGot("A/ name")
}

func TestUnknownHost(t *testing.T) {
	a := start(t, "A")
	a.Want([]Peer{{"", "no-such-host.invalid:1"}})
	a.await("failed", func() bool { return len(a.failed) > 0 })
}

func TestNoMoreThanMaxLinks(t *testing.T) {
	a := start(t, "A", func(c *Config) { c.MaxLinks = 3 })
	var peers []Peer
	for i := range 5 {
		peers = append(peers, Peer{"", fmt.Sprintf("127.0.0.1:%d", i+1)})
	}
	a.Want(peers)
	assert.Equal(t, 3, len(*a.routes.Load()))
}

// A process that is wanted by two names of its address has a link for each, and
// neither displaces the other.
func TestTwoNamesOfOneAddress(t *testing.T) {
	a, b := start(t, "A"), start(t, "B")
	_, port, _ := net.SplitHostPort(b.addr())
	byName := Peer{"B", net.JoinHostPort("localhost", port)}
	a.Want([]Peer{b.peer(), byName})
	a.awaitMet(b.addr() + " B/")
	a.awaitMet(byName.Addr + " B/")
	for i := range 3 {
		a.Send(b.peer(), fmt.Append(nil, "one ", i))
		a.Send(byName, fmt.Append(nil, "two ", i))
		b.awaitGot(fmt.Sprint("A/ one ", i))
		b.awaitGot(fmt.Sprint("A/ two ", i))
	}
	assert.Equal(t, 2, b.Stats().From)
	assert.Equal(t, 2, len(a.met))
}

// A connection that a process has made anew takes the place of the old one, which
// nobody else had noticed to be dead.
func TestNewLinkReplacesTheOld(t *testing.T) {
	a, b := start(t, "A"), start(t, "B", func(c *Config) { c.Silence = time.Hour })
	old := b.dialPeer(nil)
	_, err := newHandshake(&a.config, old, old).greet(b.peer())
	assert.Equal(t, nil, err)
	b.awaitLog("link from a peer up")
	a.connect(b)
	awaitEnd(t, old)
	a.Send(b.peer(), []byte("hello"))
	b.awaitGot("A/ hello")
	assert.Equal(t, 1, b.Stats().From)
	assert.Equal(t, 0, len(b.lost))
}

// Of several processes that are wanted at an address none is there.
func TestNoneOfThem(t *testing.T) {
	a, b := start(t, "A"), start(t, "B")
	a.Want([]Peer{{"X", b.addr()}, {"Y", b.addr()}})
	a.await("met again", func() bool { return len(a.met) > 1 })
	a.awaitLog("another process")
	a.Send(Peer{"", b.addr()}, []byte("for anybody"))
	assert.Equal(t, uint64(1), a.Stats().NoLink)
	assert.Equal(t, 0, a.Stats().To)
}
