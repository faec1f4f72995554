package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/client"
)

// Errors that a script cannot bring about at will.
func TestReport(t *testing.T) {
	mismatch := &client.Error{Code: client.RevMismatch}
	for _, c := range []struct {
		err    error
		status int
		stderr string
	}{
		{nil, 0, ""},
		{fmt.Errorf("set /x: %w", mismatch), 1, "Error: REV_MISMATCH\n"},
		{&client.Error{Code: client.Other, Detail: "because"}, 2, "Error: OTHER: because\n"},
		{fmt.Errorf("doozer:?: %w", client.ErrInvalidURI), 2, "Error: invalid uri\n"},
		{outputError{syscall.EPIPE}, 0, ""},
		{outputError{syscall.ENOSPC}, 2, "Error: no space left on device\n"},
		{&client.ConnError{Addr: "host:1", Err: syscall.EPIPE}, 2, "Error: host:1: broken pipe\n"},
		{
			fmt.Errorf("%w: %w", client.ErrUnknownOutcome, io.ErrUnexpectedEOF), 2,
			"Error: the write may or may not have been applied: unexpected EOF\n" +
				"See with get or stat what has become of it.\n",
		},
		{
			fmt.Errorf("%w: %w", client.ErrUnknownOutcome, mismatch), 2,
			"Error: the write may or may not have been applied: REV_MISMATCH\n" +
				"See with get or stat what has become of it.\n",
		},
	} {
		var stderr bytes.Buffer
		status := report(context.Background(), env{stderr: &stderr}, c.err)
		assert.Equal(t, c.status, status, c.err)
		assert.Equal(t, c.stderr, stderr.String())
	}
}

// What is cut short by a signal ends with its status and says nothing.
func TestReportSignal(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(signalError{syscall.SIGTERM})
	var stderr bytes.Buffer
	assert.Equal(t, 143, report(ctx, env{stderr: &stderr}, context.Canceled))
	assert.Equal(t, 0, report(ctx, env{stderr: &stderr}, nil))
	assert.Equal(t, "", stderr.String())
}

// Standard input that never ends does not keep doozer from ending.
func TestSignalWhileReadingBody(t *testing.T) {
	stdin, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(signalError{syscall.SIGINT})
	var stderr bytes.Buffer
	e := env{name: "doozer", args: []string{"add", "/x"}, stdin: stdin, stderr: &stderr}
	assert.Equal(t, 130, run(ctx, e))
	assert.Equal(t, "", stderr.String())
}

func TestStandardInputThatFails(t *testing.T) {
	stdin, w := io.Pipe()
	w.CloseWithError(errors.New("bad disk"))
	var stderr bytes.Buffer
	e := env{name: "doozer", args: []string{"add", "/x"}, stdin: stdin, stderr: &stderr}
	assert.Equal(t, 2, run(context.Background(), e))
	assert.Equal(t, "Error: cannot read the body from standard input: bad disk\n", stderr.String())
}
