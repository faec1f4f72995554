package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ha/doozerd/client"
)

// withClient connects to the cluster, has f ask it, and hangs up. All of it
// together may take as long as -timeout says.
func (c *call) withClient(ctx context.Context, f func(context.Context, *client.Client) error) error {
	return c.limited(ctx, func(ctx context.Context) error {
		cl, err := c.dial(ctx)
		if err != nil {
			return err
		}
		defer cl.Close()
		return f(ctx, cl)
	})
}

// withEvents connects, finds out from which rev on events are wanted, and has f
// follow them. It is only until then that -timeout counts.
func (c *call) withEvents(ctx context.Context, f func(cl *client.Client, from int64) error) error {
	var (
		cl   *client.Client
		from int64
	)
	err := c.limited(ctx, func(ctx context.Context) (err error) {
		if cl, err = c.dial(ctx); err != nil {
			return err
		}
		from, err = c.revOrCurrent(ctx, cl)
		return err
	})
	if cl != nil {
		defer cl.Close()
	}
	if err != nil {
		return err
	}
	return f(cl, from)
}

// revOrCurrent returns the rev of -r, or the current one if it says now.
func (c *call) revOrCurrent(ctx context.Context, cl *client.Client) (int64, error) {
	if c.rev != now {
		return c.rev, nil
	}
	return cl.Rev(ctx)
}

var errTimeout = errors.New("no answer in time")

// limited runs f for as long as -timeout allows.
func (c *call) limited(ctx context.Context, f func(context.Context) error) error {
	if c.timeout == 0 {
		return f(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	err := f(ctx)
	if err != nil && context.Cause(ctx) == errTimeout {
		return fmt.Errorf("gave up after %v: %w", c.timeout, err)
	}
	return err
}

// A dialError is why there never was a connection.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }

func (c *call) dial(ctx context.Context) (*client.Client, error) {
	config, err := c.tls.config()
	if err != nil {
		return nil, err
	}
	cl, err := client.DialURI(ctx, c.uri, c.bootURI, client.Config{TLS: config})
	if err != nil {
		return nil, dialError{err}
	}
	return cl, nil
}
