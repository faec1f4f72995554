package client

import (
	"fmt"

	"github.com/ha/doozerd/internal/wire"
)

// maxResponse bounds the body of an answer, in bytes. Memory for it is taken
// as its bytes arrive.
const maxResponse = wire.MaxFrame

// read delivers answers until the connection breaks.
func (cn *conn) read() {
	r := wire.NewReader(ear{cn}, maxResponse)
	for {
		body, err := r.Next()
		if err == nil {
			err = cn.deliver(body)
		}
		if err != nil {
			cn.fail(err)
			return
		}
	}
}

// ear reads from the connection and notes that there was something.
type ear struct{ cn *conn }

func (e ear) Read(p []byte) (int, error) {
	n, err := e.cn.nc.Read(p)
	e.cn.heard.Add(1)
	return n, err
}

// deliver hands one answer to its call.
func (cn *conn) deliver(body []byte) error {
	var resp wire.Response
	if err := wire.Decode(body, &resp); err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if resp.Tag == nil {
		return fmt.Errorf("%w: answer without a tag", ErrProtocol)
	}
	cl := cn.take(*resp.Tag)
	if cl == nil {
		return fmt.Errorf("%w: answer with tag %d, which no request has", ErrProtocol, *resp.Tag)
	}
	if cl.abandoned {
		return nil
	}
	if resp.ErrCode == nil {
		cn.saw(max(resp.GetRev(), cl.asOf))
	}
	cl.settle(&resp, nil)
	return nil
}

// take frees a tag and returns its call: nil if the tag was not sent.
func (cn *conn) take(tag int32) *call {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	cl := cn.calls[tag]
	if cl == nil || !cl.sent {
		return nil
	}
	delete(cn.calls, tag)
	if !cl.abandoned {
		cn.oneLess()
	}
	return cl
}
