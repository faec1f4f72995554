package link

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
)

// errCut is what dialling fails with where a test has cut the network.
var errCut = errors.New("no route to host")

// join makes a dial b in memory, as long as up reports true.
func join(a, b *testNode, up func() bool) {
	a.Transport.dial = func(context.Context, string) (net.Conn, error) {
		if !up() {
			return nil, errCut
		}
		ours, theirs := net.Pipe()
		b.take(theirs)
		return ours, nil
	}
}

func always() bool { return true }

// bubble runs f with its own clock.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestHandshakeTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startWithout(t, "B", "b:1")
		stranger, conn := net.Pipe()
		b.take(conn)
		stranger.Write([]byte(wire.PeerPreface))
		began := time.Now()
		awaitEnd(t, stranger)
		assert.Equal(t, DefaultHandshakeTimeout, time.Since(began))
	})
}

func TestDialedHandshakeTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := startWithout(t, "A", "a:1")
		a.Transport.dial = func(context.Context, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go io.Copy(io.Discard, theirs)
			return ours, nil
		}
		began := time.Now()
		a.Want([]Peer{{"", "b:1"}})
		a.awaitFailure(ErrTimeout)
		assert.Equal(t, DefaultHandshakeTimeout, time.Since(began))
	})
}

// A link over which nothing is sent stays up.
func TestHeartbeats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := startWithout(t, "A", "a:1", withSecret("s")), startWithout(t, "B", "b:1", withSecret("s"))
		join(a, b, always)
		a.connect(b)
		time.Sleep(time.Hour)
		synctest.Wait()
		a.Send(b.peer(), []byte("hello"))
		b.awaitGot("A/ hello")
		assert.Equal(t, 1, len(a.met))
	})
}

// A link that is silent although its other side is not gone ends.
func TestSilence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := startWithout(t, "B", "b:1")
		a := startWithout(t, "A", "a:1")
		ours, theirs := net.Pipe()
		b.take(theirs)
		_, err := newHandshake(&a.config, ours, ours).dial(b.peer())
		assert.Equal(t, nil, err)
		began := time.Now()
		awaitEnd(t, ours)
		assert.Equal(t, DefaultSilence, time.Since(began))
		synctest.Wait()
		assert.Equal(t, 0, len(b.lost))
	})
}

// Who takes nothing is cut off.
func TestWriteTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := startWithout(t, "A", "a:1"), startWithout(t, "B", "b:1")
		stop := make(chan struct{})
		b.receiving = func(Remote, []byte) { <-stop }
		join(a, b, always)
		a.connect(b)
		began := time.Now()
		a.Send(b.peer(), []byte("one"))
		a.Send(b.peer(), []byte(strings.Repeat("two", wire.MaxFrame/1000)))
		a.awaitLog("link down")
		assert.Equal(t, DefaultWriteTimeout, time.Since(began))
		assert.Equal(t, 0, len(a.lost))
		stats := a.Stats()
		close(stop)
		assert.T(t, stats.NoLink > 0 && stats.Sent+stats.NoLink == 2, stats) // the first may have gone out alone
	})
}

// Attempts become rarer, but not rarer than once in MaxBackoff; and a process
// that dials us is dialled at once.
func TestBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		up := false
		a, b := startWithout(t, "A", "a:1"), startWithout(t, "B", "b:1")
		join(a, b, func() bool { return up })
		join(b, a, always)
		a.Want([]Peer{b.peer()})
		time.Sleep(time.Minute)
		synctest.Wait()
		n := len(a.failed)
		assert.T(t, n > 60 && n < 130, n)
		a.awaitFailure(errCut)
		assert.Equal(t, 1, strings.Count(a.log.String(), "link down"))

		up = true
		began := time.Now()
		b.Want([]Peer{a.peer()})
		a.awaitMet("b:1 B/")
		assert.Equal(t, time.Duration(0), time.Since(began))
	})
}

func TestPauses(t *testing.T) {
	p := pauses{longest: time.Second}
	for range 100 {
		d := p.next()
		assert.T(t, d >= p.last/2 && d <= p.last, d)
	}
	assert.Equal(t, time.Second, p.last)
}

// A kind of refusal is logged once in a while, however often it comes.
func TestRefusalsAreLoggedRarely(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := startWithout(t, "A", "a:1", withSecret("s")), startWithout(t, "B", "b:1", withSecret("S"))
		join(a, b, always)
		a.Want([]Peer{b.peer()})
		time.Sleep(90 * time.Second)
		a.Want(nil)
		synctest.Wait()
		assert.T(t, b.Stats().Refused > 80, b.Stats())
		assert.Equal(t, 2, strings.Count(b.log.String(), "peer refused"), b.log)
		assert.Equal(t, 1, strings.Count(a.log.String(), "link down"), a.log)
	})
}
