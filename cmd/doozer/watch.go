package main

import (
	"context"

	"github.com/ha/doozerd/client"
)

func watchCommand() command {
	return command{
		name:    "watch",
		args:    []string{"GLOB"},
		summary: "print every change of files that match, until ended",
		help: `Prints each change, on and after the current rev or that of -r, of a file whose
path matches GLOB, as wait does, at the moment it happens: every one of them,
once, and in order.

With -exec COMMAND, nothing is printed: COMMAND is run by sh -c for one event
after another, with the body on its standard input and in its environment
DOOZER_PATH, DOOZER_REV, DOOZER_OP (set or del), DOOZER_LEN, and DOOZER_URI and
DOOZER_BOOT_URI as doozer itself uses them. If it fails, that is said on
standard error and the watch goes on; kill $PPID in it ends the watch. Whatever
ends the watch ends a COMMAND that is running.

A watch that falls so far behind that every server has forgotten what comes next
ends with TOO_LATE. If the server dies, the watch goes on at another one that it
knows of, and gives up when none has answered for 10 seconds.`,
		example: `$ doozer watch '/ctl/cal/*'
$ doozer watch -exec 'echo "$DOOZER_PATH: $(cat)"' '/config/**'`,
		options: []string{"r", "exec", "json"},
		run:     func(ctx context.Context, c *call) error { return c.watch(ctx) },
	}
}

func (c *call) watch(ctx context.Context) error {
	handle := c.printEvent
	if c.exec != "" {
		handle = func(ev client.Event) error { return c.execute(ctx, ev) }
	}
	return c.withEvents(ctx, func(cl *client.Client, from int64) error {
		for ev, err := range cl.Watch(ctx, c.args[0], from) {
			if err != nil {
				return endOf(ctx, err)
			}
			if err := handle(ev); err != nil {
				return err
			}
		}
		return context.Cause(ctx)
	})
}
