package client

import (
	"context"

	"github.com/ha/doozerd/internal/wire"
)

// Status returns how the server sees itself and its cluster, as JSON: see
// doc/cluster.md. The error is [ErrBadPath] from a server that is older than this.
func (c *Client) Status(ctx context.Context) ([]byte, error) {
	path := wire.StatusPath
	p, err := c.ask(ctx, &wire.Request{Verb: wire.Request_GET.Enum(), Path: &path})
	return p.GetValue(), err
}

// Escape makes the server with this id, which has lost the majority of its
// cluster for good, a cluster of one, with its data. It is for operators who know
// that the others are gone: whatever these go on to do is lost. A server with
// another id, or one that hears a majority, refuses.
func (c *Client) Escape(ctx context.Context, id string) error {
	path, guard := wire.EscapePath, Clobber
	_, err := c.ask(ctx, &wire.Request{Verb: wire.Request_SET.Enum(), Path: &path, Rev: &guard, Value: []byte(id)})
	return err
}
