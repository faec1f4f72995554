package client

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/ha/doozerd/internal/wire"
)

// FuzzAnswers sends a connection whatever it may, in two pieces: each request
// must be settled, with an answer or with the connection's end.
func FuzzAnswers(f *testing.F) {
	tag, rev, path := int32(1), int64(7), "/a"
	answer, err := wire.AppendFrame(nil, &wire.Response{Tag: &tag, Rev: &rev, Path: &path, Value: []byte("x")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, answer)
	f.Add(answer, answer)
	f.Add(answer[:5], answer[5:])
	f.Add([]byte{255, 255, 255, 255}, []byte{0})
	f.Add([]byte{0, 0, 0, 0}, []byte{0, 0, 0, 2, 8, 2})
	f.Add([]byte{3, 0, 0, 0}, []byte{8, 1})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		here, there := net.Pipe()
		cn := newConn("fuzz", here, time.Hour, func(int64) {})
		var calls []*call
		for range 2 {
			cl, err := cn.start(plain(wire.Request_REV), false)
			if err != nil {
				t.Fatal(err)
			}
			calls = append(calls, cl)
		}
		r := wire.NewReader(there, wire.MaxFrame)
		for range calls {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		}
		for _, b := range [][]byte{first, second} {
			// The connection may have been broken off: then this fails.
			_, _ = there.Write(b)
		}
		there.Close()
		for _, cl := range calls {
			resp, err := cl.wait(context.Background())
			if err == nil && resp.GetTag() != cl.tag {
				t.Errorf("request %d got answer %v", cl.tag, resp)
			}
			if (err == nil) != (resp != nil) {
				t.Errorf("answer %v and error %v", resp, err)
			}
		}
		cn.close(ErrClosed)
	})
}

// FuzzURI reads whatever somebody may give as a URI.
func FuzzURI(f *testing.F) {
	f.Add("doozer:?ca=127.0.0.1:8046&cn=x&sk=y")
	f.Add("doozer:?ca=[::1]&ca=a%20b")
	f.Add("doozer:?ca=00[")
	f.Fuzz(func(t *testing.T, uri string) {
		u, err := ParseURI(uri)
		if err != nil || len(u.Addrs) == 0 || len(u.Addrs) > MaxAddrs {
			return
		}
		if err := (Config{Addrs: u.Addrs}).Validate(); err != nil {
			t.Errorf("ParseURI takes %q, Validate does not: %v", uri, err)
		}
	})
}
