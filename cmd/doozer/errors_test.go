package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
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
		{&client.Error{Code: client.Other, Detail: "outcome unknown: because"}, 2, "Error: OTHER: outcome unknown: because\n"},
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
		{
			fmt.Errorf("%w: %w", client.ErrUnknownOutcome, context.DeadlineExceeded), 2,
			"Error: the write may or may not have been applied: no answer in time\n" +
				"See with get or stat what has become of it.\n",
		},
		{
			dialError{&client.ConnError{Addr: "host:1", Err: fmt.Errorf("no answer in time: %w", os.ErrDeadlineExceeded)}}, 2,
			"Error: host:1: no answer in time\n" +
				"Is that doozerd's client port (8046, if it was not told otherwise)? A firewall may also be in between.\n",
		},
	} {
		var stderr bytes.Buffer
		status := report(context.Background(), env{stderr: &stderr}, c.err)
		assert.Equal(t, c.status, status, c.err)
		assert.Equal(t, c.stderr, stderr.String())
	}
}

// A person at a terminal gets a second line where scripts, which compare the
// first, do not.
func TestReportAtTerminal(t *testing.T) {
	for _, c := range []struct {
		err    error
		stderr string
	}{
		{client.ErrInvalidURI, "Error: invalid uri\nA URI is doozer:\\?ca=HOST:PORT.\n"},
		{&client.Error{Code: client.Other, Detail: "permission denied"}, "Error: OTHER: permission denied\nGive the secret .* sk=SECRET .*\n"},
		{&client.Error{Code: client.Other, Detail: "invalid glob pattern: x"}, "Error: OTHER: invalid glob pattern: x\nA glob is a path .*\n"},
		{&client.Error{Code: client.Other, Detail: "outcome unknown: x"}, "Error: OTHER: outcome unknown: x\nSee with get .*\n"},
		{&client.Error{Code: client.BadPath}, "Error: BAD_PATH\nA path is / or .*\n"},
		{&client.Error{Code: client.TooLate}, "Error: TOO_LATE\n.* take a later one\\.\n"},
		{&client.Error{Code: client.ReadOnly}, "Error: READONLY\nOnly observers .*\n"},
		{&client.Error{Code: client.IsDir}, "Error: ISDIR\n"},
		{&client.Error{Code: client.RevMismatch}, "Error: REV_MISMATCH\n"},
	} {
		var stderr bytes.Buffer
		report(context.Background(), env{stderr: &stderr, terminal: true}, c.err)
		assert.T(t, regexp.MustCompile(`\A(?:`+c.stderr+`)\z`).MatchString(stderr.String()), c.err, stderr.String())
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
