package main

import (
	"context"

	"github.com/ha/doozerd/client"
)

func getCommand() command {
	return command{
		name:    "get",
		args:    []string{"PATH"},
		summary: "print a file",
		help: `Prints the body of the file PATH as it is, with no line feed added. If there is
no such file, nothing is printed and the exit status is 0: stat tells a missing
file from an empty one.`,
		example: `$ doozer get /message
hello, world`,
		options: []string{"r", "json"},
		run:     func(ctx context.Context, c *call) error { return c.withClient(ctx, c.get) },
	}
}

func (c *call) get(ctx context.Context, cl *client.Client) error {
	path := c.args[0]
	body, rev, err := cl.Get(ctx, path, c.rev)
	if err != nil {
		return err
	}
	return c.print(body, bodyObject{fileObject{path, rev, len(body)}, contentOf(body)})
}
