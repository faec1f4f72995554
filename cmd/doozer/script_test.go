package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"doozer": main, "dz": main})
}

// TestScripts runs the transcripts in testdata. Besides testscript's own
// commands they use:
//
//	status N program [arg]...       run a program; it must end with that status
//	node [option]...                serve a cluster of one, see nodeCommand
//	door NAME [nowhere]             open another address of it, see doorCommand
//	shut NAME                       shut that door, and cut who went through it
//	visitor NAME                    wait until somebody is connected through it
//	start NAME program [arg]...     run a program in the background
//	line NAME pattern               read its next line, which must match
//	hangup NAME                     read no more of it
//	tell NAME SIG                   send it INT, TERM or HUP
//	signal NAME SIG N               send it INT, TERM or HUP; it must end with that status
//	ended NAME N                    wait for its end, with that status, -1 if a signal ended it
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":  positive(exitStatusCommand, "status N program [arg]...", 2),
			"node":    positive(nodeCommand, "node [option]...", 0),
			"door":    positive(doorCommand, "door NAME [nowhere]", 1),
			"shut":    positive(shutCommand, "shut NAME", 1),
			"visitor": positive(visitorCommand, "visitor NAME", 1),
			"start":   positive(startCommand, "start NAME program [arg]...", 2),
			"line":    positive(lineCommand, "line NAME pattern", 2),
			"hangup":  positive(hangupCommand, "hangup NAME", 1),
			"tell":    positive(tellCommand, "tell NAME SIG", 2),
			"signal":  positive(signalCommand, "signal NAME SIG N", 3),
			"ended":   positive(endedCommand, "ended NAME N", 2),
		},
	})
}

// positive makes a command of f, which takes at least n arguments and no "!".
func positive(f func(*testscript.TestScript, []string), usage string, n int) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) < n {
			ts.Fatalf("usage: %s", usage)
		}
		f(ts, args)
	}
}

// A bench is what one script has running.
type bench struct {
	nodeAddr  string
	doors     map[string]*door
	processes map[string]*process
}

type benchKey struct{}

// setup also keeps the race detector, where it is on, from making every program
// linger for a second at its end.
func setup(e *testscript.Env) error {
	e.Setenv("GORACE", "atexit_sleep_ms=0")
	e.Values[benchKey{}] = &bench{doors: map[string]*door{}, processes: map[string]*process{}}
	return nil
}

func benchOf(ts *testscript.TestScript) *bench { return ts.Value(benchKey{}).(*bench) }

// exitStatusCommand runs a program and compares its exit status.
func exitStatusCommand(ts *testscript.TestScript, args []string) {
	checkStatus(ts, args[0], ts.Exec(args[1], args[2:]...))
}

// checkStatus compares the status that err tells of the end of a program.
func checkStatus(ts *testscript.TestScript, want string, err error) {
	got, err := exitStatus(err)
	ts.Check(err)
	if strconv.Itoa(got) != want {
		ts.Fatalf("exit status %d, want %s", got, want)
	}
}

// exitStatus is the status that the error of a program that ran tells, -1 if
// a signal ended it. Its own error is that it could not be run.
func exitStatus(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit):
		return exit.ExitCode(), nil
	}
	return 0, fmt.Errorf("cannot be run: %w", err)
}
