package client

import (
	"context"
	"time"

	"github.com/ha/doozerd/internal/wire"
)

// A WAIT that is sent again goes on from the rev that it asked for. By then that
// rev may have left every history, though nothing that matches has happened: a
// cluster changes all the time, if only by its own pulse. So the client asks
// from time to time how far a WAIT has come.
const (
	// firstProgress is how long a WAIT is under way when it is first asked how
	// far it has come. The pause doubles from then on, up to maxProgress.
	firstProgress = time.Second

	// maxProgress is so short that history holds what happens in the meantime, by
	// far, unless a cluster changes all the time; and so long that a thousand
	// watches are no load.
	maxProgress = 15 * time.Second
)

// await is call.wait. Meanwhile it follows how far a WAIT has come.
func (x *exchange) await(ctx context.Context) (*wire.Response, error) {
	if x.req.GetVerb() != wire.Request_WAIT {
		return x.call.wait(ctx)
	}
	pause := time.NewTimer(firstProgress)
	defer pause.Stop()
	for next := firstProgress; ; {
		select {
		case <-pause.C:
			x.progress(ctx)
			next = min(2*next, maxProgress)
			pause.Reset(next)
		case <-x.call.done:
			return x.call.wait(ctx)
		case <-ctx.Done():
			return x.call.wait(ctx)
		}
	}
}

// progress moves the rev from which a WAIT would be sent again past all that
// has been in vain.
//
// That the WAIT has no answer yet does not show it: the answer may be on its
// way. But a second WAIT from the same rev, sent when the server had told of a
// newer one, finds what matches up to there at once. If it is cancelled instead,
// there was nothing.
func (x *exchange) progress(ctx context.Context) {
	cn := x.call.cn
	asked, err := cn.start(plain(wire.Request_REV), false)
	if err != nil {
		return // the connection is gone, and the wait with it
	}
	newest := x.meanwhile(ctx, asked)
	if newest.GetRev() < x.req.GetRev() {
		return
	}
	looked, err := cn.look(&wire.Request{Verb: wire.Request_WAIT.Enum(), Path: x.req.Path, Rev: x.req.Rev})
	if err != nil {
		return
	}
	found := x.meanwhile(ctx, looked)
	if found.GetErrCode() == wire.Response_OTHER && found.GetErrDetail() == wire.DetailCancelled {
		next := newest.GetRev() + 1
		x.req.Rev = &next
	}
}

// meanwhile returns the answer to another request on the connection on which x
// waits, or nil if that wait is over first. An answer that came counts, even if
// the connection ended with it.
func (x *exchange) meanwhile(ctx context.Context, cl *call) *wire.Response {
	select {
	case <-cl.done:
	case <-x.call.done:
	case <-ctx.Done():
	}
	if cl.cn.abandon(cl) {
		return nil
	}
	<-cl.done
	return cl.resp
}
