// Package e2e holds doozerd and doozer to what they promise, from outside:
// real binaries, real sockets, and a protocol driver (package raw) that shares
// no code with the server.
//
// What is here starts and watches processes; it knows nothing of the protocol.
// The promises themselves are the tests of this package, and the figures are
// made by its bench command. Nothing here sleeps: a node is ready when it says
// so, and gone when its process is.
package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Patience is how long a thing that must happen may take before it counts as
// never happening. It is no measure of speed: a slow machine must not fail.
const Patience = 60 * time.Second

// Binaries are the two programs, as paths.
type Binaries struct {
	Doozerd string
	Doozer  string
}

// Build compiles both programs into dir as make build does, or with the race
// detector if race is set. It must run inside the module.
func Build(dir string, race bool) (Binaries, error) {
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	if race {
		args = append(args, "-race")
	}
	const module = "github.com/ha/doozerd/"
	build := exec.Command("go", append(args, module+"cmd/doozerd", module+"cmd/doozer")...)
	if !race { // which needs cgo
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	if out, err := build.CombinedOutput(); err != nil {
		return Binaries{}, fmt.Errorf("building the binaries: %w\n%s", err, out)
	}
	return Binaries{
		Doozerd: filepath.Join(dir, "doozerd"),
		Doozer:  filepath.Join(dir, "doozer"),
	}, nil
}

// Options of a node. The zero value is a node on a free port of 127.0.0.1,
// without a WebView, that leaves its tree alone once it serves.
type Options struct {
	Flags []string // after the defaults, so that they win
	Env   []string // NAME=value; nothing named DOOZER_ is inherited
}

// Node is a running doozerd.
type Node struct {
	Addr    string // host:port of the client protocol
	Web     string // URL of the WebView, or ""
	ID      string
	Cluster string
	Version string

	cmd    *exec.Cmd
	stdout output
	stderr output
	exited chan struct{} // closed once the process is gone and err is set
	err    error
	killed bool
}

// Start runs doozerd and returns once it serves.
func (b Binaries) Start(o Options) (*Node, error) {
	flags := []string{"-l", "127.0.0.1:0", "-w", "false", "-pulse", "86400", "-log-format", "json"}
	n := &Node{
		cmd:    exec.Command(b.Doozerd, append(flags, o.Flags...)...),
		exited: make(chan struct{}),
	}
	// Built with the race detector, a program sleeps for a second at its end.
	n.cmd.Env = append(append(Environ(), "GORACE=atexit_sleep_ms=0"), o.Env...)
	n.cmd.Stdout = &n.stdout
	pipe, err := n.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	serving := make(chan servingLine, 1)
	go n.follow(pipe, serving)
	select {
	case line := <-serving:
		n.Addr, n.Web, n.ID, n.Cluster, n.Version = line.Addr, line.Web, line.ID, line.Cluster, line.Version
		return n, nil
	case <-n.exited:
		return nil, fmt.Errorf("doozerd ended before it served: %w\n%s", n.err, n.Stderr())
	case <-time.After(Patience):
		n.Kill()
		return nil, fmt.Errorf("doozerd does not say that it serves\n%s", n.Stderr())
	}
}

// Environ is the environment without any setting of doozer's.
func Environ() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "DOOZER_") {
			env = append(env, e)
		}
	}
	return env
}

// servingLine is the log record by which a node says that it serves.
type servingLine struct {
	Msg     string `json:"msg"`
	Addr    string `json:"addr"`
	Web     string `json:"web"`
	ID      string `json:"id"`
	Cluster string `json:"cluster"`
	Version string `json:"version"`
}

// follow collects stderr, passes on the serving line, and reaps the process.
func (n *Node) follow(stderr io.Reader, serving chan<- servingLine) {
	lines := bufio.NewReader(stderr)
	for {
		text, err := lines.ReadBytes('\n')
		n.stderr.Write(text)
		var line servingLine
		if json.Unmarshal(text, &line) == nil && line.Msg == "serving" {
			serving <- line
			break
		}
		if err != nil {
			break
		}
	}
	io.Copy(&n.stderr, lines)
	n.err = n.cmd.Wait()
	close(n.exited)
}

// Stderr is what the node has logged so far.
func (n *Node) Stderr() string { return n.stderr.String() }

// Stop asks the node to end by SIGTERM and reports how it did not end cleanly:
// its status, a panic or a race in its log, anything on stdout.
func (n *Node) Stop() error { return n.StopBy(syscall.SIGTERM) }

// StopBy is Stop by another signal. A node that was killed has no end but that.
func (n *Node) StopBy(sig os.Signal) error {
	if n.killed {
		return n.complaints()
	}
	signalled := n.cmd.Process.Signal(sig)
	if err := n.wait(); err != nil {
		return err
	}
	return errors.Join(signalled, n.err, n.complaints())
}

// Kill ends the node at once.
func (n *Node) Kill() error {
	n.killed = true
	n.cmd.Process.Kill()
	return n.wait()
}

func (n *Node) wait() error {
	select {
	case <-n.exited:
		return nil
	case <-time.After(Patience):
		n.cmd.Process.Kill()
		return fmt.Errorf("doozerd does not end\n%s", n.Stderr())
	}
}

// complaints are the signs of trouble in what the node wrote.
func (n *Node) complaints() error {
	var errs []error
	if out := n.stdout.String(); out != "" {
		errs = append(errs, fmt.Errorf("doozerd wrote to stdout: %q", out))
	}
	log := n.Stderr()
	for _, sign := range []string{"panic:", "fatal error:", "DATA RACE", "[running]:"} {
		if strings.Contains(log, sign) {
			errs = append(errs, fmt.Errorf("%q in the log:\n%s", sign, log))
		}
	}
	return errors.Join(errs...)
}

// RSS is the node's resident memory in bytes.
func (n *Node) RSS() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("no VmRSS in /proc/PID/status")
}

// FDs is the number of files and sockets that the node has open.
func (n *Node) FDs() (int, error) {
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.cmd.Process.Pid))
	return len(fds), err
}

// CPU is the processor time that the node has used, in clock ticks of 10 ms.
func (n *Node) CPU() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := bytes.Cut(stat, []byte(") "))
	fields := strings.Fields(string(after))
	const utime, stime = 11, 12 // counted from the state, the third field
	if len(fields) <= stime {
		return 0, errors.New("short /proc/PID/stat")
	}
	var ticks int64
	for _, f := range []string{fields[utime], fields[stime]} {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// output is a buffer that one process writes while others read.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
