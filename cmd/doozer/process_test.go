package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// A process runs in the background of a script.
type process struct {
	cmd    *exec.Cmd
	output *os.File      // its standard output and error
	lines  *bufio.Reader // of output
}

// startCommand starts a program. What it writes waits to be read by lineCommand.
func startCommand(ts *testscript.TestScript, args []string) {
	name, program := args[0], args[1]
	cmd := exec.Command(program, args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = os.Environ()
	for _, variable := range []string{"PATH", "HOME", "WORK", "GORACE", uriVariable, bootVariable} {
		cmd.Env = append(cmd.Env, variable+"="+ts.Getenv(variable))
	}
	read, write, err := os.Pipe()
	ts.Check(err)
	cmd.Stdout, cmd.Stderr = write, write
	ts.Check(cmd.Start())
	write.Close()
	benchOf(ts).processes[name] = &process{cmd, read, bufio.NewReader(read)}
	ts.Defer(func() {
		_ = cmd.Process.Kill() // it may have ended long ago
		_ = cmd.Wait()
		read.Close()
	})
}

func processOf(ts *testscript.TestScript, name string) *process {
	p := benchOf(ts).processes[name]
	if p == nil {
		ts.Fatalf("no process %s was started", name)
	}
	return p
}

// lineCommand waits for the next line of a process.
func lineCommand(ts *testscript.TestScript, args []string) {
	line, err := processOf(ts, args[0]).lines.ReadString('\n')
	ts.Check(err)
	line = strings.TrimSuffix(line, "\n")
	if !regexp.MustCompile(args[1]).MatchString(line) {
		ts.Fatalf("%s wrote %q, which does not match %q", args[0], line, args[1])
	}
}

// hangupCommand ends the reading of what a process writes. The process does not
// notice before it writes again.
func hangupCommand(ts *testscript.TestScript, args []string) {
	p := processOf(ts, args[0])
	ts.Check(p.output.Close())
	p.lines.Reset(strings.NewReader(""))
}

// signalCommand sends a process a signal, and goes on as endedCommand.
func signalCommand(ts *testscript.TestScript, args []string) {
	tellCommand(ts, args)
	endedCommand(ts, []string{args[0], args[2]})
}

// tellCommand sends a process a signal.
func tellCommand(ts *testscript.TestScript, args []string) {
	signals := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}
	s, ok := signals[args[1]]
	if !ok {
		ts.Fatalf("unknown signal %s", args[1])
	}
	ts.Check(processOf(ts, args[0]).cmd.Process.Signal(s))
}

// endedCommand waits for the end of a process, and of all that it has started
// and that can write where it does. It must have written no more than was read.
func endedCommand(ts *testscript.TestScript, args []string) {
	p := processOf(ts, args[0])
	rest, err := io.ReadAll(p.lines)
	ts.Check(err)
	checkStatus(ts, args[1], p.cmd.Wait())
	if len(rest) > 0 {
		ts.Fatalf("%s wrote more: %q", args[0], rest)
	}
}
