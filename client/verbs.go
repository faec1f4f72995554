package client

import (
	"context"
	"math"

	"github.com/ha/doozerd/internal/wire"
)

// Special revs.
const (
	// Clobber is the guard that always passes.
	Clobber int64 = -1

	// Missing is the guard that passes only if the file is missing, and the
	// rev that reads give for a missing file.
	Missing int64 = 0

	// Dir is the rev that Stat gives for a directory.
	Dir int64 = -2

	// Now asks reads for the present state, and waits for the present rev.
	// Other revs below 1 stand for 1.
	Now int64 = -1
)

// Flags of an [Event].
const (
	FlagSet = wire.FlagSet
	FlagDel = wire.FlagDel
)

// Event is one change of one file. Walk also gives files as events: the set
// that made each what it is.
type Event struct {
	Rev   int64
	Path  string
	Body  []byte // empty after a delete
	Flags int32  // FlagSet or FlagDel
}

// IsSet reports whether the file was set.
func (e Event) IsSet() bool { return e.Flags&FlagSet != 0 }

// IsDel reports whether the file was deleted.
func (e Event) IsDel() bool { return e.Flags&FlagDel != 0 }

// Get returns the body and rev of a file as it was at rev. A missing file has
// rev [Missing] and no body, and is no error. Get of a rev to come waits for
// it.
func (c *Client) Get(ctx context.Context, path string, rev int64) (body []byte, fileRev int64, err error) {
	p, err := c.ask(ctx, readAt(wire.Request_GET, path, rev))
	return p.GetValue(), p.GetRev(), err
}

// Set writes a file, whole, if its guard passes, and returns its new rev. The
// guard is the rev the file was read at (or any later one), [Missing] to
// create it, or [Clobber]. Directories appear as needed.
func (c *Client) Set(ctx context.Context, path string, guard int64, body []byte) (rev int64, err error) {
	p, err := c.ask(ctx, &wire.Request{
		Verb: wire.Request_SET.Enum(), Path: &path, Rev: &guard, Value: body,
	})
	return p.GetRev(), err
}

// Del deletes a file if its guard passes, see [Client.Set]. To delete a
// missing file is no error, with any guard from [Clobber] on.
func (c *Client) Del(ctx context.Context, path string, guard int64) error {
	_, err := c.ask(ctx, &wire.Request{
		Verb: wire.Request_DEL.Enum(), Path: &path, Rev: &guard,
	})
	return err
}

// Rev returns the newest rev that the server has applied.
func (c *Client) Rev(ctx context.Context) (int64, error) {
	p, err := c.ask(ctx, plain(wire.Request_REV))
	return p.GetRev(), err
}

// Wait returns the first event at or after rev that matches the glob. If
// there is none yet it waits for it; a ctx that ends frees the server of it.
func (c *Client) Wait(ctx context.Context, glob string, rev int64) (Event, error) {
	if rev == Now {
		var err error
		if rev, err = c.Rev(ctx); err != nil {
			return Event{}, err
		}
	}
	p, err := c.ask(ctx, &wire.Request{
		Verb: wire.Request_WAIT.Enum(), Path: &glob, Rev: &rev,
	})
	return eventOf(p), err
}

// Nop returns once everything decided before it is applied at the server: a
// read after it is linearizable.
func (c *Client) Nop(ctx context.Context) error {
	_, err := c.ask(ctx, plain(wire.Request_NOP))
	return err
}

// Stat returns a file's rev and its length in bytes as of rev; for a
// directory, [Dir] and the number of its entries; for what is missing,
// [Missing] and 0.
func (c *Client) Stat(ctx context.Context, path string, rev int64) (fileRev int64, n int, err error) {
	p, err := c.ask(ctx, readAt(wire.Request_STAT, path, rev))
	return p.GetRev(), int(p.GetLen()), err
}

// GetdirAt returns the name of the nth entry of a directory, counted from 0
// in byte order, as of rev. It fails with [ErrRange] beyond the last.
func (c *Client) GetdirAt(ctx context.Context, dir string, n int, rev int64) (name string, err error) {
	p, err := c.ask(ctx, entryAt(wire.Request_GETDIR, dir, n, rev))
	return p.GetPath(), err
}

// WalkAt returns the nth file that matches the glob, counted from 0 in
// directory order (/a/x before /a-b), as of rev. It fails with [ErrRange]
// beyond the last.
func (c *Client) WalkAt(ctx context.Context, glob string, n int, rev int64) (Event, error) {
	p, err := c.ask(ctx, entryAt(wire.Request_WALK, glob, n, rev))
	return eventOf(p), err
}

// Self returns the id of the server.
func (c *Client) Self(ctx context.Context) (string, error) {
	p, err := c.ask(ctx, plain(wire.Request_SELF))
	return string(p.GetValue()), err
}

func plain(verb wire.Request_Verb) *wire.Request {
	return &wire.Request{Verb: verb.Enum()}
}

// readAt leaves out a rev of Now, which is how the protocol says it.
func readAt(verb wire.Request_Verb, path string, rev int64) *wire.Request {
	r := &wire.Request{Verb: verb.Enum(), Path: &path}
	if rev != Now {
		r.Rev = &rev
	}
	return r
}

func entryAt(verb wire.Request_Verb, path string, n int, rev int64) *wire.Request {
	r := readAt(verb, path, rev)
	// No directory has as many entries as an offset can count.
	offset := int32(min(max(n, -1), math.MaxInt32))
	r.Offset = &offset
	return r
}

func eventOf(p *wire.Response) Event {
	return Event{Rev: p.GetRev(), Path: p.GetPath(), Body: p.GetValue(), Flags: p.GetFlags()}
}
