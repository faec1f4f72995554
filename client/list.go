package client

import (
	"context"
	"iter"
)

// Walk yields every file that matches the glob, in directory order (/a/x
// before /a-b), all as of one rev: the one given, or for [Now] the newest at
// the time of the call. An error ends it, as the last pair.
func (c *Client) Walk(ctx context.Context, glob string, rev int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {}
}

// Getdir yields the names of a directory's entries in byte order, all as of
// one rev, see [Client.Walk]. An error ends it, as the last pair: [ErrNoEnt]
// or [ErrNotDir] if there is no such directory.
func (c *Client) Getdir(ctx context.Context, dir string, rev int64) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {}
}
