package main

import (
	"context"

	"github.com/ha/doozerd/client"
)

func revCommand() command {
	return command{
		name:    "rev",
		summary: "print the current rev",
		help:    `Prints the rev of the newest change, of any file, that the server knows of.`,
		example: `$ doozer rev
10`,
		options: []string{"json"},
		run:     func(ctx context.Context, c *call) error { return c.withClient(ctx, c.currentRev) },
	}
}

func (c *call) currentRev(ctx context.Context, cl *client.Client) error {
	rev, err := cl.Rev(ctx)
	if err != nil {
		return err
	}
	return c.printRev(rev)
}
