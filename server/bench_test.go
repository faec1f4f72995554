package server

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

// The same clients send the same frames and get the same frames back, once from
// a server and once from a mere echo: what is between the two is what the server
// costs.

// benchValue is the value that GET answers with.
var benchValue = strings.Repeat("v", 128)

// benchFrames returns a GET and its answer, framed.
func benchFrames(b *testing.B) (get, answer []byte) {
	get = framesOf(b, req(GET, withPath("/bench/file")))
	answer, err := wire.AppendFrame(nil, &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](1), Value: []byte(benchValue)})
	if err != nil {
		b.Fatal(err)
	}
	return get, answer
}

func BenchmarkGet(b *testing.B) {
	get, answer := benchFrames(b)
	benchClients(b, get, len(answer), func(b *testing.B) net.Listener {
		rig := newRig(b)
		rig.node.set("/bench/file", benchValue)
		return rig.listen()
	})
}

func BenchmarkSet(b *testing.B) {
	set := framesOf(b, req(SET, withPath("/bench/file"), withRev(store.Clobber), withValue(benchValue)))
	benchClients(b, set, 0, func(b *testing.B) net.Listener { return newRig(b).listen() })
}

func BenchmarkEcho(b *testing.B) {
	get, answer := benchFrames(b)
	benchClients(b, get, len(answer), func(b *testing.B) net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { l.Close() })
		go func() {
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				go echo(nc, answer)
			}
		}()
		return l
	})
}

// echo answers each frame with answer and knows nothing of what is in it.
func echo(nc net.Conn, answer []byte) {
	defer nc.Close()
	in, out := bufio.NewReader(nc), bufio.NewWriter(nc)
	var body []byte
	for {
		var head [4]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		body = append(body[:0], make([]byte, binary.BigEndian.Uint32(head[:]))...)
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		out.Write(answer)
		if in.Buffered() == 0 {
			out.Flush()
		}
	}
}

// benchClients lets clients of various kinds send request as fast as answers of
// the given size, in bytes, come; 0 means that answers vary in size.
func benchClients(b *testing.B, request []byte, size int, listen func(*testing.B) net.Listener) {
	for _, clients := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			addr := listen(b).Addr().String()
			var next atomic.Int64
			b.ReportAllocs()
			var all sync.WaitGroup
			for range clients {
				c := benchDial(b, addr, size)
				all.Go(func() {
					for next.Add(1) <= int64(b.N) {
						c.call(request)
					}
				})
			}
			all.Wait()
		})
	}
	b.Run("pipelined", func(b *testing.B) {
		c := benchDial(b, listen(b).Addr().String(), size)
		b.ReportAllocs()
		go func() {
			out := bufio.NewWriter(c.nc)
			for range b.N {
				out.Write(request)
			}
			out.Flush()
		}()
		for range b.N {
			c.receive()
		}
	})
}

// A benchClient costs as little as a client can.
type benchClient struct {
	b    *testing.B
	nc   net.Conn
	in   *bufio.Reader
	size int
}

func benchDial(b *testing.B, addr string, size int) *benchClient {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { nc.Close() })
	return &benchClient{b, nc, bufio.NewReaderSize(nc, 32<<10), size}
}

func (c *benchClient) call(request []byte) {
	if _, err := c.nc.Write(request); err != nil {
		c.b.Error(err)
	}
	c.receive()
}

func (c *benchClient) receive() {
	head, err := c.in.Peek(4)
	if err != nil {
		c.b.Error(err)
		return
	}
	n := 4 + int(binary.BigEndian.Uint32(head))
	if c.size != 0 && n != c.size {
		c.b.Errorf("answer of %d bytes, want %d", n, c.size)
	}
	c.in.Discard(n)
}

// heap returns how many bytes live, stacks included.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// BenchmarkIdle reports what a connection costs that does nothing: both ends of
// it, and what a test keeps of a client.
func BenchmarkIdle(b *testing.B) {
	rig := newRig(b)
	before := heap()
	for range b.N {
		theirs, ours := tcpPair(b)
		c := rig.connect(theirs, ours)
		c.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
	}
	b.ReportMetric(float64(heap()-before)/float64(b.N), "B/conn")
}
