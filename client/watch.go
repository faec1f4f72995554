package client

import (
	"context"
	"iter"
)

// Watch yields every event at or after rev that matches the glob, in order,
// none twice and none left out; with [Now] it begins with the present rev.
// When its server is lost it goes on from the next rev at another address, or
// from a later one up to which nothing has matched: a watch for which nothing
// happens asks its server from time to time how far that is.
//
// It ends only when the loop breaks off, which frees the server of it, or
// with an error, as the last pair: that of ctx; [ErrTooLate] if an event is
// no longer in the history of any server, because the watcher was too slow or
// away too long; or a *[ConnError] if no address answered for [Config.RetryFor].
func (c *Client) Watch(ctx context.Context, glob string, rev int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for next := rev; ; {
			ev, err := c.Wait(ctx, glob, next)
			if !yield(ev, err) || err != nil {
				return
			}
			next = ev.Rev + 1
		}
	}
}
