package main

import (
	"context"
	"fmt"
	"io"

	"github.com/ha/doozerd/internal/wire"
)

// maxBody is the most that is read from standard input: no request can hold
// more, whatever the server's own limit is (by default it is far lower).
const maxBody = wire.MaxFrame - wire.FrameSlack

// readBody reads a body from standard input to its end, which may be a long
// time coming: ctx ends the wait.
func (c *call) readBody(ctx context.Context) ([]byte, error) {
	type result struct {
		body []byte
		err  error
	}
	read := make(chan result, 1)
	go func() {
		body, err := io.ReadAll(io.LimitReader(c.stdin, maxBody+1))
		read <- result{body, err}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-read:
		return r.body, checkBody(r.body, r.err)
	}
}

func checkBody(body []byte, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("cannot read the body from standard input: %w", err)
	case len(body) > maxBody:
		return fmt.Errorf("the body is larger than %d bytes, the most a request can hold", maxBody)
	}
	return nil
}
