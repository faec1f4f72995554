package main

import (
	"context"

	"github.com/ha/doozerd/client"
)

func delCommand() command {
	return command{
		name:    "del",
		args:    []string{"PATH", "REV"},
		summary: "delete a file, if unchanged since REV",
		help: `Deletes the file PATH, and the directories above it that this leaves empty. If
the file was changed after REV, nothing is done and the exit status is 1. REV -1
deletes it in any case. It is no error if there is no such file.`,
		example: `$ doozer del /message 10`,
		run: func(ctx context.Context, c *call) error {
			rev, err := parseRev(c.args[1])
			if err != nil {
				return err
			}
			return c.withClient(ctx, func(ctx context.Context, cl *client.Client) error {
				return cl.Del(ctx, c.args[0], rev)
			})
		},
	}
}
