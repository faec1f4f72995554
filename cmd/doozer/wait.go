package main

import (
	"context"
	"errors"

	"github.com/ha/doozerd/client"
)

var errWaitTimeout = errors.New("wait timeout")

func waitCommand() command {
	return command{
		name:    "wait",
		args:    []string{"GLOB"},
		summary: "print the next change of a file that matches",
		help: `Waits for the first change, on or after the current rev or that of -r, of a
file whose path matches GLOB, and prints it as a record: a line
PATH REV set|del LEN, then the body of LEN bytes and a line feed.

In a GLOB, ? stands for one byte of a name, * for any number of them, and ** for
any number of bytes, slashes included.

If the server dies, doozer goes on waiting at another one that it knows of, and
gives up when none has answered for 10 seconds.`,
		example: `$ doozer wait -t 1m '/ctl/cal/*'
/ctl/cal/1 57 set 16
TT6N4GSNJCGJUYTE`,
		options: []string{"r", "t", "json"},
		run:     func(ctx context.Context, c *call) error { return c.wait(ctx) },
	}
}

func (c *call) wait(ctx context.Context) error {
	return c.withEvents(ctx, func(cl *client.Client, from int64) error {
		if c.waitTimeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, c.waitTimeout, errWaitTimeout)
			defer cancel()
		}
		for ev, err := range cl.Watch(ctx, c.args[0], from) {
			if err != nil {
				return endOf(ctx, err)
			}
			return c.printEvent(ev)
		}
		return context.Cause(ctx)
	})
}

// endOf returns why ctx ended, or err if it did not.
func endOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
