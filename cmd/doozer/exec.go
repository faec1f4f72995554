package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"github.com/ha/doozerd/client"
)

// execGrace is how long a command of -exec that was told to end may take.
const execGrace = 5 * time.Second

// execute runs the command of -exec for one event and waits for its end. That
// the command fails is reported and is no error; that ctx ends is one, and ends
// the command.
func (c *call) execute(ctx context.Context, ev client.Event) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", c.exec)
	cmd.Env = slices.Concat(c.environ, c.eventEnv(ev))
	cmd.Stdin = bytes.NewReader(ev.Body)
	cmd.Stdout, cmd.Stderr = c.stdout, c.stderr
	cmd.WaitDelay = execGrace
	endTogether(cmd)
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		killRest(cmd)
		return context.Cause(ctx)
	case err != nil:
		fmt.Fprintf(c.stderr, "doozer: -exec for %s at rev %d: %v\n", ev.Path, ev.Rev, err)
	}
	return nil
}

// eventEnv tells a command of -exec of the event, and of the cluster that it is
// from, so that a doozer in it needs no options.
func (c *call) eventEnv(ev client.Event) []string {
	return []string{
		"DOOZER_PATH=" + ev.Path,
		fmt.Sprintf("DOOZER_REV=%d", ev.Rev),
		"DOOZER_OP=" + op(ev),
		fmt.Sprintf("DOOZER_LEN=%d", len(ev.Body)),
		uriVariable + "=" + c.uri,
		bootVariable + "=" + c.bootURI,
	}
}
