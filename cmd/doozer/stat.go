package main

import (
	"context"
	"fmt"

	"github.com/ha/doozerd/client"
)

func statCommand() command {
	return command{
		name:    "stat",
		args:    []string{"PATH"},
		summary: "print the rev and length of a file, the size of a directory",
		help: `Prints for a file its rev and its length in bytes, for a directory the letter d
and the number of its entries. If there is neither, the exit status is 2.`,
		example: `$ doozer stat /message
9 13
$ doozer stat /ctl
d 4`,
		options: []string{"r", "json"},
		run:     func(ctx context.Context, c *call) error { return c.withClient(ctx, c.stat) },
	}
}

func (c *call) stat(ctx context.Context, cl *client.Client) error {
	path := c.args[0]
	rev, n, err := cl.Stat(ctx, path, c.rev)
	switch {
	case err != nil:
		return err
	case rev == client.Missing:
		return noFileError{path}
	case rev == client.Dir:
		return c.print(fmt.Appendln(nil, "d", n), dirObject{path, true, n})
	}
	return c.print(fmt.Appendln(nil, rev, n), fileObject{path, rev, n})
}
