package main

import (
	"context"

	"github.com/ha/doozerd/client"
)

func nopCommand() command {
	return command{
		name:    "nop",
		summary: "agree on nothing: check that the cluster takes writes",
		help: `Has the cluster agree on something that changes nothing, and returns when all
that was agreed on before has reached the server. That it returns shows that
writes are possible; it consumes no rev.`,
		example: `$ doozer nop && echo the cluster takes writes
the cluster takes writes`,
		run: func(ctx context.Context, c *call) error {
			return c.withClient(ctx, func(ctx context.Context, cl *client.Client) error {
				return cl.Nop(ctx)
			})
		},
	}
}
