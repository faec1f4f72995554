package client

import (
	"context"
	"errors"
	"iter"

	"github.com/ha/doozerd/internal/wire"
)

// A listing asks for several entries ahead. How many: it begins with few,
// because most directories are small, and doubles as long as there are more.
const (
	firstWindow = 8
	maxWindow   = 512

	// maxWindowBytes bounds what the answers ahead may hold, judged by the
	// largest so far, in bytes.
	maxWindowBytes = 8 << 20
)

// Walk yields every file that matches the glob, in directory order (/a/x
// before /a-b), all as of one rev: the one given, or for [Now] the newest at
// the time of the call. An error ends it, as the last pair: [ErrTooLate] if
// the rev leaves the server's history before the end.
func (c *Client) Walk(ctx context.Context, glob string, rev int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		c.list(ctx, wire.Request_WALK, glob, rev, func(p *wire.Response, err error) bool {
			return yield(eventOf(p), err)
		})
	}
}

// Getdir yields the names of a directory's entries in byte order, all as of
// one rev, see [Client.Walk]. An error ends it, as the last pair: [ErrNoEnt]
// or [ErrNotDir] if there is no such directory.
func (c *Client) Getdir(ctx context.Context, dir string, rev int64) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		c.list(ctx, wire.Request_GETDIR, dir, rev, func(p *wire.Response, err error) bool {
			return yield(p.GetPath(), err)
		})
	}
}

// list yields the entries from offset 0 until RANGE.
func (c *Client) list(ctx context.Context, verb wire.Request_Verb, path string, rev int64, yield func(*wire.Response, error) bool) {
	if rev == Now {
		var err error
		if rev, err = c.Rev(ctx); err != nil {
			yield(nil, err)
			return
		}
	}
	l := listing{c: c, verb: verb, path: path, rev: rev, window: firstWindow}
	defer l.abandon()
	for {
		resp, err := l.next(ctx)
		if errors.Is(err, ErrRange) || !yield(resp, err) || err != nil {
			return
		}
	}
}

// listing is the entries of a directory or a walk that were asked for ahead.
type listing struct {
	c    *Client
	verb wire.Request_Verb
	path string
	rev  int64

	ahead   []*exchange // in order of offset
	offset  int         // the next to ask for
	window  int         // how many to ask for ahead
	largest int         // body so far, in bytes
}

// next returns the next entry's answer, having asked for those after it.
func (l *listing) next(ctx context.Context) (*wire.Response, error) {
	for len(l.ahead) < l.window {
		x, err := l.c.begin(ctx, entryAt(l.verb, l.path, l.offset, l.rev))
		if err != nil {
			return nil, err
		}
		l.ahead = append(l.ahead, x)
		l.offset++
	}
	x := l.ahead[0]
	l.ahead = l.ahead[1:]
	resp, err := l.c.finish(ctx, x)
	l.adjust(resp)
	return resp, err
}

// adjust widens the window as far as the size of the entries allows.
func (l *listing) adjust(resp *wire.Response) {
	l.largest = max(l.largest, len(resp.GetValue()))
	l.window = min(l.window+1, maxWindow, max(1, maxWindowBytes/(l.largest+1)))
}

// abandon gives up what was asked for and is not needed.
func (l *listing) abandon() {
	for _, x := range l.ahead {
		x.call.cn.abandon(x.call)
	}
}
