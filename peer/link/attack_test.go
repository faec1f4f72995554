package link

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
)

// dialPeer opens a connection to n and sends the preface and b.
func (n *testNode) dialPeer(b []byte) net.Conn {
	n.t.Helper()
	conn, err := net.Dial("tcp", n.addr())
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	conn.Write(append([]byte(wire.PeerPreface), b...)) // may be closed by now
	return conn
}

// awaitEnd waits until the other side closes conn.
func awaitEnd(t testing.TB, conn net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestGarbage(t *testing.T) {
	a, b := start(t, "A", withSecret("s")), start(t, "B", withSecret("s"))
	a.connect(b)
	random := make([]byte, 100_000)
	rand.Read(random)
	for _, garbage := range [][]byte{
		random,
		append([]byte{0, 0, 1, 0}, random...),
		{0xff, 0xff, 0xff, 0xff},
		{0, 0, 0, 0},
		binary.BigEndian.AppendUint32(nil, math.MaxInt32),
		append([]byte{0, 0, 0, 2}, 0x0a, 0x00), // a hello of nothing
	} {
		awaitEnd(t, b.dialPeer(garbage))
	}
	a.Send(b.peer(), []byte("still"))
	b.awaitGot("A/ still")
	assert.Equal(t, []string{"A/ still"}, b.received())
}

// Who holds handshakes open keeps nobody out, and drives nobody out who is in.
func TestHalfOpenHandshakes(t *testing.T) {
	b := start(t, "B", func(c *Config) { c.MaxHandshakes, c.HandshakeTimeout = 4, time.Hour })
	a, late := start(t, "A"), start(t, "L")
	a.connect(b)
	const strangers = 20
	ended := make(chan bool, strangers)
	for range strangers {
		conn := b.dialPeer(nil)
		go func() {
			io.Copy(io.Discard, conn)
			ended <- true
		}()
	}
	for range strangers - b.config.MaxHandshakes {
		<-ended
	}
	late.connect(b)
	late.Send(b.peer(), []byte("hello"))
	b.awaitGot("L/ hello")
	a.Send(b.peer(), []byte("still"))
	b.awaitGot("A/ still")
	assert.Equal(t, 1, len(a.met))
	assert.T(t, b.Stats().Handshakes <= 4)
}

// What was heard once proves nothing later.
func TestReplay(t *testing.T) {
	for _, secret := range []string{"", "s"} {
		a, b := start(t, "A", withSecret(secret)), start(t, "B", withSecret(secret))
		var mu sync.Mutex
		var heard []byte
		r := startRelay(t, b.addr(), func(p []byte) []byte {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, p...)
			return p
		})
		a.Want([]Peer{{"B", r.addr()}})
		a.awaitMet(r.addr() + " B/")
		a.Send(Peer{"B", r.addr()}, []byte("pay"))
		b.awaitGot("A/ pay")
		a.Want(nil)
		b.awaitLog(errFarewell.Error())

		b.forget()
		mu.Lock()
		defer mu.Unlock()
		awaitEnd(t, b.dialPeer(heard[len(wire.PeerPreface):]))
		if secret == "" {
			b.awaitGot("A/ pay") // nothing was to be proven, so anybody may say so
			continue
		}
		b.awaitLog("the secrets differ")
		assert.Equal(t, 0, len(b.received()))
	}
}

// Whatever somebody between two processes changes, nothing arrives that was not
// sent.
func TestBitFlips(t *testing.T) {
	for _, at := range []int{5, 9, 40, 70, 100, 130, 150, 170, 180, 190, 200, 205, 210, 220, 230, 250} {
		t.Run(fmt.Sprint("byte ", at), func(t *testing.T) {
			t.Parallel()
			a, b := start(t, "A", withSecret("s")), start(t, "B", withSecret("s"))
			passed, flipped := 0, false
			r := startRelay(t, b.addr(), func(p []byte) []byte {
				if i := at - passed; !flipped && i >= 0 && i < len(p) {
					p[i] ^= 1
					flipped = true
				}
				passed += len(p)
				return p
			})
			a.Want([]Peer{{"", r.addr()}})
			for len(b.received()) == 0 {
				a.Send(Peer{"", r.addr()}, []byte("sent"))
				a.await("refused or met", func() bool { return len(a.failed) > 0 || len(a.met) > 0 })
			}
			for _, got := range b.received() {
				assert.Equal(t, "A/ sent", got)
			}
		})
	}
}

// A link over which one bit was changed ends, and another one follows.
func TestForgedFrame(t *testing.T) {
	a, b := start(t, "A", withSecret("s")), start(t, "B", withSecret("s"))
	r := startRelay(t, b.addr(), func(p []byte) []byte {
		return bytes.Replace(p, []byte("good"), []byte("evil"), 1)
	})
	a.Want([]Peer{{"", r.addr()}})
	a.awaitMet(r.addr() + " B/")
	a.Send(Peer{"", r.addr()}, []byte("good"))
	b.awaitLog("a frame that it did not send")
	assert.T(t, regexp.MustCompile(`level=WARN msg="link from a peer down".* a frame that it did not send`).MatchString(b.log.String()), b.log)
	a.await("met again", func() bool { return len(a.met) > 1 })
	a.Send(Peer{"", r.addr()}, []byte("fine"))
	b.awaitGot("A/ fine")
	assert.Equal(t, []string{"A/ fine"}, b.received())
}

// A frame that was kept back is missed by the next one.
func TestSuppressedFrame(t *testing.T) {
	a, b := start(t, "A", withSecret("s")), start(t, "B", withSecret("s"))
	suppressed := make(chan bool, 1)
	r := startRelay(t, b.addr(), func(p []byte) []byte {
		if bytes.Contains(p, []byte("one")) {
			suppressed <- true
			return []byte{}
		}
		return p
	})
	a.Want([]Peer{{"", r.addr()}})
	a.awaitMet(r.addr() + " B/")
	a.Send(Peer{"", r.addr()}, []byte("zero"))
	b.awaitGot("A/ zero")
	a.Send(Peer{"", r.addr()}, []byte("one"))
	<-suppressed
	a.Send(Peer{"", r.addr()}, []byte("two"))
	b.awaitLog("a frame that it did not send")
	assert.Equal(t, []string{"A/ zero"}, b.received())
}

// A stranger can claim anything in its hello, and learns no cluster's id.
func TestStrangerLearnsNothing(t *testing.T) {
	b := start(t, "B", withSecret("s"))
	b.setCluster("KLUSTER")
	c := start(t, "A", withSecret("guess"))
	c.setCluster("KLUSTER")
	var answers bytes.Buffer
	conn := b.dialPeer(nil)
	h := newHandshake(&c.config, conn, io.TeeReader(conn, &answers))
	assert.Equal(t, nil, h.send(&wire.PeerHandshake{Hello: h.hello(Peer{ID: "B"})}))
	_, err := h.receive()
	assert.Equal(t, nil, err)
	h.out, _, err = h.sealers()
	assert.Equal(t, nil, err)
	assert.Equal(t, nil, h.send(&wire.PeerHandshake{}))
	io.Copy(&answers, conn)
	assert.Equal(t, false, bytes.Contains(answers.Bytes(), []byte("KLUSTER")))
	assert.Equal(t, 0, b.Stats().From)
}

// Who holds no secret cannot pass off what a member says as its own, to that
// member itself.
func TestReflection(t *testing.T) {
	a := start(t, "A", withSecret("s"))
	mirror := listenAt(t, "127.0.0.1:0")
	defer mirror.Close()
	go func() {
		for {
			conn, err := mirror.Accept()
			if err != nil {
				return
			}
			preface := make([]byte, len(wire.PeerPreface))
			io.ReadFull(conn, preface)
			io.Copy(conn, conn)
			conn.Close()
		}
	}()
	a.Want([]Peer{{"", mirror.Addr().String()}})
	a.awaitRefusal(ErrSelf)
}
