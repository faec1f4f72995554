package main

import (
	"context"

	"github.com/ha/doozerd/client"
)

func touchCommand() command {
	return command{
		name:    "touch",
		args:    []string{"PATH"},
		summary: "set a file to what it is, or create it empty",
		help: `Sets the file PATH to the body it has, which gives it a new rev and wakes those
who wait for it. If there is no such file, an empty one is made. If someone else
changes it at the same moment, nothing is done and the exit status is 1.`,
		example: `$ doozer touch /lock`,
		run:     func(ctx context.Context, c *call) error { return c.withClient(ctx, c.touch) },
	}
}

func (c *call) touch(ctx context.Context, cl *client.Client) error {
	path := c.args[0]
	body, rev, err := cl.Get(ctx, path, client.Now)
	if err != nil {
		return err
	}
	_, err = cl.Set(ctx, path, rev, body)
	return err
}
