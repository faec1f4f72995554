// Doozerd serves a small, consistent tree of files to processes that have to
// agree on something. See doc/doozerd.1, or doozerd -h.
//
// This package reads flags and environment, checks them, and connects the
// rooms that do the work: peer, server and web. It keeps one promise of its
// own: whatever can go wrong while starting is told in one line that names the
// mend, before anybody else has noticed the attempt.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/ha/doozerd/internal/version"
)

func main() {
	os.Exit(report(os.Stderr, run(os.Args[1:], os.Getenv, os.Stdout, os.Stderr)))
}

// run does what the arguments say and returns why it ended.
func run(args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	o, err := parse(args, getenv)
	if err != nil {
		return err
	}
	if o.version {
		_, err := fmt.Fprintln(stdout, "doozerd", version.Version)
		return err
	}
	if err := o.validate(); err != nil {
		return err
	}
	saveMemory()
	return serve(untilSignal(), o, o.logger(stderr))
}

// untilSignal returns a context that the first SIGINT or SIGTERM ends, which is
// its cause. From then on, a second one ends the process at once.
func untilSignal() context.Context {
	ctx, end := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-signals
		signal.Stop(signals)
		end(fmt.Errorf("signal: %v", s))
	}()
	return ctx
}

// Exit statuses.
const (
	statusDone   = 0
	statusFailed = 1
	statusUsage  = 2
)

// report tells why the process ends and returns its exit status.
func report(stderr io.Writer, err error) int {
	switch {
	case err == nil:
		return statusDone
	case errors.Is(err, errHelp):
		usage(stderr)
		return statusDone
	}
	fmt.Fprintln(stderr, "doozerd:", err)
	if errors.Is(err, errUsage) {
		usage(stderr)
		fmt.Fprintln(stderr, "\ndoozerd:", err) // again, for the usage fills a screen
		return statusUsage
	}
	return statusFailed
}
