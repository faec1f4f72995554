package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/internal/e2e/raw"
)

// attack is something that no decent client does. It returns once it is over
// and all its connections are closed.
type attack struct {
	name string
	run  func(t *testing.T, addr string)
}

var attacks = []attack{
	{"illegal sizes", attackIllegalSizes},
	{"sizes announced and nothing sent", attackEmptyPromises},
	{"truncated frames", attackTruncated},
	{"random bytes", attackRandomBytes},
	{"random bodies", attackRandomBodies},
	{"requests with flipped bits", attackFlippedBits},
	{"tiny frames by the million", attackTinyFrames},
	{"unknown fields and verbs", attackUnknown},
	{"connections by the thousand", attackConnections},
	{"waits by the thousand, then hung up", attackWaits},
	{"a client that never reads", attackNeverReads},
	{"a watcher that never reads", attackNeverReadsEvents},
	{"slow halves", attackSlowHalves},
	{"values too large", attackLargeValues},
	{"globs that explode", attackGlobs},
	{"reads at revs that never come", attackFutureReads},
}

// TestHostileClients lets each attack loose on a node of its own. The node
// serves a bystander all the while and everybody afterwards, stays small, and
// keeps no socket.
func TestHostileClients(t *testing.T) {
	largest := int64(400 << 20)
	if raceEnabled() {
		largest *= 5 // the detector's own memory
	}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			n := start(t)
			before := fds(t, n)
			stop := bystander(t, n.Addr)
			a.run(t, n.Addr)
			stop()
			rss, err := n.RSS()
			assert.Equal(t, nil, err)
			assert.T(t, rss < largest, fmt.Sprintf("%d MB resident", rss>>20))
			eventually(t, "no socket is left", func() bool { return fds(t, n) <= before })
			c := dial(t, n.Addr)
			assert.Equal(t, "", call(t, c, "NOP"))
		})
	}
}

// bystander writes and reads, over and over, until it is stopped. It must
// never notice anything.
func bystander(t *testing.T, addr string) (stop func()) {
	t.Helper()
	c := dial(t, addr)
	done, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		defer c.Close()
		for i := 0; ; i++ {
			select {
			case <-done:
				ended <- nil
				return
			default:
			}
			if err := writeAndRead(c, i); err != nil {
				ended <- err
				return
			}
		}
	}()
	return func() {
		t.Helper()
		close(done)
		if err := <-ended; err != nil {
			t.Errorf("a bystander noticed: %v", err)
		}
	}
}

// writeAndRead reads what it has written more than once: writes by the
// thousand would push what an attack waits for out of history.
func writeAndRead(c *raw.Conn, i int) error {
	const reads = 20
	set, err := c.Ask("SET path=/bystander rev=-1 value=%d", i)
	if err != nil || set.Err != 0 {
		return fmt.Errorf("SET: %+v %v", set, err)
	}
	for range reads {
		got, err := c.Ask("GET path=/bystander")
		if err != nil || got.Rev != set.Rev || got.Value != fmt.Sprint(i) {
			return fmt.Errorf("GET after %+v: %+v %v", set, got, err)
		}
	}
	return nil
}

// eventually waits for what no event tells.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	tooLate := time.After(Patience)
	for !holds() {
		select {
		case <-again.C:
		case <-tooLate:
			t.Fatalf("never: %s", what)
		}
	}
}

func fds(t *testing.T, n *Node) int {
	t.Helper()
	count, err := n.FDs()
	assert.Equal(t, nil, err)
	return count
}

// crowd dials so many connections, hands each to f, and closes them all.
func crowd(t *testing.T, addr string, count int, f func(i int, c *raw.Conn)) {
	t.Helper()
	conns := make([]*raw.Conn, 0, count)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for i := range count {
		c, err := raw.Dial(addr, Patience)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		f(i, c)
	}
}

func attackIllegalSizes(t *testing.T, addr string) {
	sizes := [][]byte{{0x80, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}, {0x7f, 0xff, 0xff, 0xff}, {4, 0, 0, 1}}
	crowd(t, addr, 200, func(i int, c *raw.Conn) {
		c.Write(sizes[i%len(sizes)])
		_, err := c.Recv()
		assert.Equal(t, io.EOF, err)
	})
}

// attackEmptyPromises announces 30 GB in all.
func attackEmptyPromises(t *testing.T, addr string) {
	sizes := [][]byte{{4, 0, 0, 0}, {0, 0x10, 0, 0}, {0, 0x11, 0, 0}, {1, 0, 0, 0}}
	crowd(t, addr, 1500, func(i int, c *raw.Conn) {
		c.Write(sizes[i%len(sizes)])
	})
}

func attackTruncated(t *testing.T, addr string) {
	frame := raw.Frame(raw.Request("tag=1 SET path=/truncated rev=-1 value=1000*x"))
	crowd(t, addr, 1000, func(i int, c *raw.Conn) {
		c.Write(frame[:i%len(frame)])
	})
	c := dial(t, addr)
	defer c.Close()
	assert.Equal(t, `rev=0 value=""`, call(t, c, "GET path=/truncated"))
}

// drain reads all that comes until the connection ends.
func drain(c net.Conn) (ended chan struct{}) {
	ended = make(chan struct{})
	go func() {
		io.Copy(io.Discard, c)
		close(ended)
	}()
	return ended
}

// seeded is a source of the same randomness in every run.
func seeded() *rand.Rand { return rand.New(rand.NewPCG(2011, 4)) }

func noise(random *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func attackRandomBytes(t *testing.T, addr string) {
	random := seeded()
	crowd(t, addr, 500, func(_ int, c *raw.Conn) {
		drain(c)
		b := noise(random, 1+random.IntN(4096))
		b[0] = byte(random.IntN(6)) // so that some sizes are legal
		c.Write(b)
	})
}

// attackRandomBodies frames noise correctly; about half of the short ones can
// be decoded.
func attackRandomBodies(t *testing.T, addr string) {
	random := seeded()
	crowd(t, addr, 500, func(_ int, c *raw.Conn) {
		ended := drain(c)
		for range 50 {
			c.Write(raw.Frame(noise(random, random.IntN(24))))
		}
		c.Conn.(*net.TCPConn).CloseWrite()
		<-ended
	})
}

func attackFlippedBits(t *testing.T, addr string) {
	random := seeded()
	var good [][]byte
	for request := range strings.SplitSeq("tag=1 SET path=/flip/a rev=-1 value=v;tag=2 DEL path=/flip/b rev=0;"+
		"tag=3 WAIT path=/flip/** rev=1;tag=4 WALK path=/flip/* offset=0;tag=5 GETDIR path=/flip offset=0 rev=3;"+
		"tag=6 CANCEL other=3;tag=7 STAT path=/flip rev=99;ACCESS value=secret;NOP;SELF;REV", ";") {
		good = append(good, raw.Request(request))
	}
	crowd(t, addr, 500, func(_ int, c *raw.Conn) {
		ended := drain(c)
		for range 50 {
			b := bytes.Clone(good[random.IntN(len(good))])
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
			c.Write(raw.Frame(b))
		}
		c.Conn.(*net.TCPConn).CloseWrite()
		<-ended
	})
}

func attackTinyFrames(t *testing.T, addr string) {
	const perWrite = 10_000
	frames := less(1_000_000)
	tiny := bytes.Repeat(append(raw.Frame(nil), raw.Frame(raw.Request("tag=1"))...), perWrite/2)
	crowd(t, addr, 1, func(_ int, c *raw.Conn) {
		sent := make(chan error, 1)
		go func() {
			for range frames / perWrite {
				if _, err := c.Write(tiny); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		for range frames {
			if _, err := c.RecvBytes(); err != nil {
				t.Fatal(err)
			}
		}
		assert.Equal(t, nil, <-sent)
	})
}

func attackUnknown(t *testing.T, addr string) {
	const frames = 10_000
	crowd(t, addr, 1, func(_ int, c *raw.Conn) {
		go func() {
			for i := range frames {
				c.Send(fmt.Sprintf("#3:varint=%d #%d:bytes=%d*u #300:group= tag=%d verb=%d #8:fixed64=%d", i, 1000+i, i%300, i, 200+i, i))
			}
		}()
		seen := make([]bool, frames)
		for range frames {
			a, err := c.RecvAnswer()
			assert.Equal(t, nil, err)
			assert.Equal(t, raw.Answer{Tag: a.Tag, Err: 2}, a)
			assert.T(t, !seen[a.Tag])
			seen[a.Tag] = true
		}
	})
}

// attackConnections opens very many at once, and each is served. Both ends
// may be in one process, whose limit of files is then shared.
func attackConnections(t *testing.T, addr string) {
	clients := less(min(10_000, openFiles(t)/2-200))
	var conns []*raw.Conn
	crowd(t, addr, clients, func(_ int, c *raw.Conn) {
		conns = append(conns, c)
		assert.Equal(t, nil, c.Send("SELF"))
		if len(conns) < clients {
			return
		}
		for _, c := range conns {
			a, err := c.RecvAnswer()
			assert.Equal(t, nil, err)
			assert.Equal(t, 16, len(a.Value))
		}
	})
}

// openFiles is how many files and sockets a process may have here, and this
// one and those that it starts will.
func openFiles(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	assert.Equal(t, nil, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	limit.Cur = limit.Max
	assert.Equal(t, nil, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	return int(min(limit.Max, 1<<20))
}

// less is count, or with -short a tenth of it.
func less(count int) int {
	if testing.Short() {
		return count / 10
	}
	return count
}

func attackWaits(t *testing.T, addr string) {
	crowd(t, addr, 10, func(i int, c *raw.Conn) {
		rev := ask(t, c, "REV").Rev
		requests := make([]string, 1000)
		for w := range requests {
			requests[w] = fmt.Sprintf("tag=%d WAIT path=/wait/c%d/%d** rev=%d", w, i, w, rev)
		}
		assert.Equal(t, nil, c.Send(requests...))
		assert.Equal(t, int64(0), ask(t, c, "NOP").Err)
	})
}

// sendUntilStuck writes the same again and again until the server takes no
// more of it, or has taken far more than it may keep.
func sendUntilStuck(t *testing.T, c *raw.Conn, again []byte) {
	t.Helper()
	const farMore = 64 << 20
	for sent := 0; sent < farMore; sent += len(again) {
		c.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := c.Write(again); err != nil {
			return
		}
	}
	t.Errorf("the server read %d MB from a client that reads nothing", farMore>>20)
}

func attackNeverReads(t *testing.T, addr string) {
	c := dial(t, addr)
	defer c.Close()
	assert.Equal(t, int64(0), ask(t, c, "SET path=/large rev=-1 value=%d*x", maxValue).Err)
	gets := bytes.Repeat(raw.Frame(raw.Request("tag=1 GET path=/large")), 1000)
	var stuck sync.WaitGroup
	const clients = 8
	crowd(t, addr, clients, func(i int, c *raw.Conn) {
		stuck.Go(func() { sendUntilStuck(t, c, gets) })
		if i == clients-1 {
			stuck.Wait()
		}
	})
}

// attackNeverReadsEvents makes one change wake many waits of clients that do
// not read.
func attackNeverReadsEvents(t *testing.T, addr string) {
	writer := dial(t, addr)
	defer writer.Close()
	crowd(t, addr, 4, func(_ int, c *raw.Conn) {
		rev := ask(t, c, "REV").Rev
		requests := make([]string, 1000)
		for w := range requests {
			requests[w] = fmt.Sprintf("tag=%d WAIT path=/large rev=%d", w, rev)
		}
		assert.Equal(t, nil, c.Send(requests...))
		assert.Equal(t, int64(0), ask(t, c, "NOP").Err)
		assert.Equal(t, int64(0), ask(t, writer, "SET path=/large rev=-1 value=%d*x", maxValue).Err)
		assert.Equal(t, int64(0), ask(t, writer, "DEL path=/large rev=-1").Err)
		assert.Equal(t, int64(0), ask(t, writer, "NOP").Err)
	})
}

// attackSlowHalves sends a byte here and a byte there of requests on a
// thousand connections.
func attackSlowHalves(t *testing.T, addr string) {
	frame := raw.Frame(raw.Request("tag=1 GET path=/ctl/name"))
	const clients = 1000
	var slow []*raw.Conn
	crowd(t, addr, clients, func(_ int, c *raw.Conn) {
		slow = append(slow, c)
		if len(slow) < clients {
			return
		}
		for at := range len(frame) - 1 {
			for _, c := range slow {
				c.Write(frame[at : at+1])
			}
		}
		first := slow[0]
		first.Write(frame[len(frame)-1:])
		got, err := first.Recv()
		assert.Equal(t, nil, err)
		assert.Equal(t, `tag=1 rev=1 value="local"`, got)
	})
}

func attackLargeValues(t *testing.T, addr string) {
	for _, size := range []int{maxValue + 1, 30 << 20, maxFrame - 100} {
		frame := raw.Frame(raw.Request(fmt.Sprintf("tag=7 SET path=/large rev=-1 value=%d*x", size)))
		c := dial(t, addr)
		for range 2 {
			_, err := c.Write(frame)
			assert.Equal(t, nil, err)
			got, err := c.Recv()
			assert.Equal(t, nil, err)
			assert.Equal(t, nil, raw.Match(fmt.Sprintf(`tag=7 err=OTHER detail~"%d"`, maxValue), got))
		}
		c.Close()
	}
	c := dial(t, addr)
	defer c.Close()
	c.Send(fmt.Sprintf("SET path=/large rev=-1 value=%d*x", 65<<20))
	_, err := c.Recv()
	assert.T(t, errors.Is(err, io.EOF), err)
}

// attackGlobs matches long paths against globs that make a backtracking
// matcher take for ever.
func attackGlobs(t *testing.T, addr string) {
	c := dial(t, addr)
	defer c.Close()
	long := "/g" + strings.Repeat("a", 4000)
	assert.Equal(t, int64(0), ask(t, c, "SET path=%s rev=-1", long).Err)
	globs := []string{
		"/" + strings.Repeat("*a", 1000) + "b",
		"/g" + strings.Repeat("**a", 1000) + "b",
		"/" + strings.Repeat("**/*", 1000) + "b",
		"/" + strings.Repeat("*", 4000) + "b",
		"/" + strings.Repeat("?*", 2000) + "b",
	}
	for i, glob := range globs {
		assert.Equal(t, codeRange, ask(t, c, "WALK path=%s offset=0", glob).Err)
		rev := ask(t, c, "REV").Rev
		assert.Equal(t, nil, c.Send(fmt.Sprintf("tag=%d WAIT path=%s rev=%d", 100+i, glob, rev)))
	}
	assert.Equal(t, int64(0), ask(t, c, "SET path=%s rev=-1", long).Err)
}

func attackFutureReads(t *testing.T, addr string) {
	crowd(t, addr, 10, func(_ int, c *raw.Conn) {
		var requests []string
		for i := range 250 {
			rev := int64(1)<<62 + int64(i)
			requests = append(requests,
				fmt.Sprintf("tag=1 GET path=/a rev=%d", rev), fmt.Sprintf("tag=2 STAT path=/a rev=%d", rev),
				fmt.Sprintf("tag=3 GETDIR path=/a offset=0 rev=%d", rev), fmt.Sprintf("tag=4 WALK path=/** offset=0 rev=%d", rev))
		}
		assert.Equal(t, nil, c.Send(requests...))
		assert.Equal(t, int64(0), ask(t, c, "NOP").Err)
	})
}
