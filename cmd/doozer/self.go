package main

import (
	"context"

	"github.com/ha/doozerd/client"
)

func selfCommand() command {
	return command{
		name:    "self",
		summary: "print the id of the server",
		help: `Prints the id of the member of the cluster that is connected to, with no line
feed added. What is known of it is in the directory /ctl/node/ID.`,
		example: `$ doozer get /ctl/node/$(doozer self)/addr
127.0.0.1:8046`,
		options: []string{"json"},
		run:     func(ctx context.Context, c *call) error { return c.withClient(ctx, c.self) },
	}
}

func (c *call) self(ctx context.Context, cl *client.Client) error {
	id, err := cl.Self(ctx)
	if err != nil {
		return err
	}
	return c.print([]byte(id), idObject{id})
}
