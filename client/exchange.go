package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/ha/doozerd/internal/wire"
)

// exchange is one request and all that it takes to get it answered: see
// "What happens to requests when a connection is lost" in the package's doc.
type exchange struct {
	req        *wire.Request
	call       *call // the newest copy of the request
	write      bool  // it is a SET or a DEL
	repeatable bool  // a second copy does no harm
	doubtful   bool  // a write of which a copy may have been applied
	moves      int   // how many servers refused what others may do
}

// ask has a request answered. An error answer is an *Error.
func (c *Client) ask(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	x, err := c.begin(ctx, r)
	if err != nil {
		return nil, err
	}
	return c.finish(ctx, x)
}

// begin sends a request. It blocks only while there is no connection.
func (c *Client) begin(ctx context.Context, r *wire.Request) (*exchange, error) {
	x := &exchange{req: r, write: isWrite(r), repeatable: c.isRepeatable(r)}
	var err error
	x.call, err = c.start(ctx, r)
	return x, err
}

// finish waits for the answer, and sends the request again as often as it
// takes and is harmless.
func (c *Client) finish(ctx context.Context, x *exchange) (*wire.Response, error) {
	for {
		resp, err := x.await(ctx)
		if err == nil && x.untold(resp) {
			err = x.askRev(ctx)
		}
		if err == nil && !c.moveOn(x, resp) {
			return x.accept(resp)
		}
		if err != nil {
			x.doubtful = x.doubtful || x.write && x.call.sent
			if ctx.Err() != nil || x.doubtful && !x.repeatable {
				return nil, x.explain(err)
			}
		}
		if x.call, err = c.start(ctx, x.req); err != nil {
			return nil, x.explain(err)
		}
	}
}

// start sends a request on the connection in use, or on the next.
func (c *Client) start(ctx context.Context, r *wire.Request) (*call, error) {
	for ctx.Err() == nil {
		cn, err := c.connection(ctx)
		if err != nil {
			return nil, err
		}
		cl, err := cn.start(r, c.mayWait(r))
		if !errors.Is(err, errGone) {
			return cl, err
		}
		if c.ctx.Err() != nil {
			return nil, ErrClosed
		}
		c.replace(cn, false)
	}
	return nil, ctx.Err()
}

// accept makes a result of the final answer.
func (x *exchange) accept(resp *wire.Response) (*wire.Response, error) {
	if cn := x.call.cn; !cn.served.Load() {
		cn.served.Store(true)
	}
	if err := answerError(resp); err != nil {
		return nil, x.explain(err)
	}
	return resp, nil
}

// untold reports whether resp shows how things are now at the server, or that all
// before a NOP is applied there, without naming a rev that is as new. The next
// server must not be asked before it has applied as much.
func (x *exchange) untold(resp *wire.Response) bool {
	switch verb := x.req.GetVerb(); {
	case verb == wire.Request_NOP:
		return resp.ErrCode == nil
	case !isRead(x.req) || x.req.Rev != nil:
		return false
	case resp.ErrCode != nil:
		return showsTree(resp.GetErrCode())
	default: // of a listing, one entry says nothing of those that are gone
		return resp.GetRev() <= 0 || verb == wire.Request_WALK
	}
}

// showsTree reports whether an error says what is in the tree.
func showsTree(code wire.Response_Err) bool {
	switch code {
	case wire.Response_ISDIR, wire.Response_NOTDIR, wire.Response_NOENT, wire.Response_RANGE:
		return true
	}
	return false
}

// askRev lets the server tell its rev, on the connection on which x was answered.
func (x *exchange) askRev(ctx context.Context) error {
	cl, err := x.call.cn.start(plain(wire.Request_REV), false)
	if err == nil {
		_, err = cl.wait(ctx)
	}
	return err
}

// explain says that the outcome is unknown if it is.
func (x *exchange) explain(err error) error {
	if !x.doubtful {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
}

// moveOn reports whether the answer is a refusal of this one server and there
// are other addresses to try, and then gives up the connection.
func (c *Client) moveOn(x *exchange, resp *wire.Response) bool {
	if !x.onlyHere(resp) || x.moves >= len(c.cfg.Addrs)-1 {
		return false
	}
	x.moves++
	c.replace(x.call.cn, true)
	return true
}

// onlyHere reports whether another server may do what this one refused: an
// observer a write, before that is proposed; and one that came late to the
// cluster, or was away, a WAIT for what its history lacks.
func (x *exchange) onlyHere(resp *wire.Response) bool {
	switch resp.GetErrCode() {
	case wire.Response_READONLY:
		return true
	case wire.Response_TOO_LATE:
		return x.req.GetVerb() == wire.Request_WAIT
	}
	return false
}

// answerError returns the error that an answer is, or nil.
func answerError(resp *wire.Response) error {
	if resp.ErrCode == nil {
		return nil
	}
	return &Error{Code: Code(resp.GetErrCode()), Detail: resp.GetErrDetail()}
}

func isWrite(r *wire.Request) bool {
	return r.GetVerb() == wire.Request_SET || r.GetVerb() == wire.Request_DEL
}

// isRead reports whether r reads the tree as of its rev.
func isRead(r *wire.Request) bool {
	switch r.GetVerb() {
	case wire.Request_GET, wire.Request_STAT, wire.Request_GETDIR, wire.Request_WALK:
		return true
	}
	return false
}

// isRepeatable reports whether a second copy of r does no harm, whatever
// became of the first. A DEL's guard protects what is written after now only
// if it is no newer than now. A SET has no such guard: each passes if the file
// was deleted meanwhile.
func (c *Client) isRepeatable(r *wire.Request) bool {
	switch r.GetVerb() {
	case wire.Request_SET:
		return false
	case wire.Request_DEL:
		return r.GetRev() >= Missing && r.GetRev() <= c.seen.Load()
	}
	return true
}

// mayWait reports whether the server may hold r for long: a WAIT, and a read
// at a rev to come.
func (c *Client) mayWait(r *wire.Request) bool {
	return r.GetVerb() == wire.Request_WAIT || isRead(r) && r.GetRev() > c.seen.Load()
}
