package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// A signalError is the cause of a context that a signal ended.
type signalError struct{ signal syscall.Signal }

func (e signalError) Error() string { return fmt.Sprintf("ended by signal: %v", e.signal) }

// status is what a shell reports for a program that the signal ended.
func (e signalError) status() int { return 128 + int(e.signal) }

// untilSignal returns a context that the first SIGINT, SIGTERM or SIGHUP ends,
// with a signalError as its cause, so that waits are cancelled and children
// ended; the second one ends the process as if nobody had listened.
//
// SIGPIPE is caught, not ignored (children would inherit that), so that a
// reader that went away is an error of a write like any other.
func untilSignal(parent context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		s := <-ended
		signal.Stop(ended)
		cancel(signalError{s.(syscall.Signal)})
	}()
	return ctx
}
