package client

import (
	"context"

	"github.com/ha/doozerd/internal/wire"
)

// call is one request on one connection. conn.mu guards its fields until done
// is closed; after that they do not change.
type call struct {
	cn    *conn
	tag   int32
	frame []byte // nil once it is on its way
	waits bool   // the server may hold it for long: worth a CANCEL
	asOf  int64  // the rev that it reads the tree at, if it says

	sent      bool // bytes of it may have left this process
	abandoned bool // nobody waits for its answer; its tag stays taken until then

	done chan struct{} // closed when the call is settled
	resp *wire.Response
	err  error // the connection's end
}

// wait returns the answer, or why there will be none: the connection's error
// or that of ctx. An answer that came counts, even if ctx has ended as well.
func (cl *call) wait(ctx context.Context) (*wire.Response, error) {
	select {
	case <-cl.done:
	case <-ctx.Done():
		if cl.cn.abandon(cl) {
			return nil, ctx.Err()
		}
		<-cl.done
	}
	return cl.resp, cl.err
}

// settle hands the outcome to whoever waits for the call.
func (cl *call) settle(resp *wire.Response, err error) {
	cl.resp, cl.err = resp, err
	close(cl.done)
}
