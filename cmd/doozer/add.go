package main

import (
	"context"

	"github.com/ha/doozerd/client"
)

func addCommand() command {
	return command{
		name:    "add",
		args:    []string{"PATH"},
		summary: "create a file from standard input",
		help: `Creates the file PATH, and the directories above it, with what is read from
standard input to its end, and prints its rev. If there is such a file already,
nothing is changed and the exit status is 1.`,
		example: `$ echo "hello, world" | doozer add /message
9`,
		options: []string{"json"},
		run: func(ctx context.Context, c *call) error {
			return c.write(ctx, c.args[0], client.Missing)
		},
	}
}

// write sets path to what standard input holds and prints the new rev.
func (c *call) write(ctx context.Context, path string, guard int64) error {
	body, err := c.readBody(ctx)
	if err != nil {
		return err
	}
	return c.withClient(ctx, func(ctx context.Context, cl *client.Client) error {
		rev, err := cl.Set(ctx, path, guard, body)
		if err != nil {
			return err
		}
		return c.printRev(rev)
	})
}
