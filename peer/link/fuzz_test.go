package link

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/ha/doozerd/internal/wire"
)

// A script is a connection whose other side says what it will, whatever it hears.
type script struct {
	net.Conn // of nothing
	in       io.Reader
	heard    bytes.Buffer
}

func (c *script) Read(b []byte) (int, error)       { return c.in.Read(b) }
func (c *script) Write(b []byte) (int, error)      { return c.heard.Write(b) }
func (c *script) Close() error                     { return nil }
func (c *script) SetDeadline(time.Time) error      { return nil }
func (c *script) SetReadDeadline(time.Time) error  { return nil }
func (c *script) SetWriteDeadline(time.Time) error { return nil }
func (c *script) RemoteAddr() net.Addr             { return new(net.TCPAddr) }

// frames counts what is received, and nothing else.
type frames struct{ count, bytes int }

func (f *frames) Receive(_ Remote, body []byte) { f.count, f.bytes = f.count+1, f.bytes+len(body) }
func (f *frames) Met(string, Remote)            {}
func (f *frames) Hailed(Remote)                 {}
func (f *frames) Lost(string)                   {}
func (f *frames) Unreachable(string, error)     {}

// said returns what a dialer says that wins its way to the first frame of a
// process without a secret.
func said(f *testing.F, frames ...[]byte) []byte {
	c := testConfig("A", "a:1")
	conn := &script{}
	h := newHandshake(&c, conn, conn)
	for _, m := range []*wire.PeerHandshake{{Hello: h.hello(Peer{})}, {}, {}} {
		if err := h.send(m); err != nil {
			f.Fatal(err)
		}
	}
	b := conn.heard.Bytes()
	for _, frame := range frames {
		b = appendFrame(b, wire.PeerData, frame, 0)
	}
	return b
}

// FuzzAccepted accepts connections over which anything may come: nothing panics,
// nobody gets in who has no secret where one is needed, and no more is received
// than was sent.
func FuzzAccepted(f *testing.F) {
	f.Add(said(f, []byte("frame"), nil))
	f.Add(said(f)[:20])
	f.Add(append(said(f), 0, 0, 0, 1, wire.PeerHeartbeat, 0, 0, 0, 1, wire.PeerFarewell))
	f.Add(append(said(f), 0x80, 0, 0, 0))
	f.Add([]byte{0, 0, 0, 2, 10, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, secret := range []string{"", "s"} {
			c := testConfig("B", "b:1")
			c.Logger, c.Secret = slog.New(slog.DiscardHandler), secret
			var got frames
			tr, err := New(c, &got)
			if err != nil {
				t.Fatal(err)
			}
			tr.ServePeer(&script{in: bytes.NewReader(in)}, []byte(wire.PeerPreface))
			tr.Close()
			if got.bytes > len(in) || secret != "" && got.count > 0 {
				t.Fatalf("received %v of %d bytes", got, len(in))
			}
		}
	})
}

// FuzzDialed dials a process that may say anything: nothing panics, and where
// there is a secret the handshake fails.
func FuzzDialed(f *testing.F) {
	f.Add(said(f))
	f.Add([]byte{0, 0, 0, 2, 0x18, 3})
	f.Add([]byte{0, 0, 255, 255})
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, secret := range []string{"", "s"} {
			c := testConfig("B", "b:1")
			c.Secret = secret
			conn := &script{in: bytes.NewReader(in)}
			if s, err := newHandshake(&c, conn, conn).dial(Peer{}); err == nil && (s.other.ID == "" || secret != "") {
				t.Fatalf("met %v", s.other)
			}
		}
	})
}
