package main

import (
	"context"

	"github.com/ha/doozerd/client"
)

func escapeCommand() command {
	return command{
		name:    "escape",
		args:    []string{"ID"},
		summary: "make a server that has lost its majority a cluster of one",
		help: `Ends the wait of a cluster that has lost the majority of its voters for good.
The server whose id is given, which must be the one that is connected to, goes on
alone, with all the data that it has; then others may attach to it. Choose the
voter that has applied most: see "instance" in status -json of each. What those that
are lost had acknowledged, and no survivor has, is lost.

Only do this when the other voters are dead and stay so, or were stopped: they are
refused from then on. A voter that still hears a majority refuses, and so does an
observer that still hears any voter.`,
		example: `$ doozer -a 'doozer:?ca=10.0.0.3:8046' escape $(doozer -a 'doozer:?ca=10.0.0.3:8046' self)`,
		run:     func(ctx context.Context, c *call) error { return c.withClient(ctx, c.escape) },
	}
}

func (c *call) escape(ctx context.Context, cl *client.Client) error { return cl.Escape(ctx, c.args[0]) }
