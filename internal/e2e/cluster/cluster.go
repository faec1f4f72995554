// Package cluster runs whole clusters of real doozerds, each on a host of its
// own with its own address, and does to them what happens to hosts.
//
// Hosts are network namespaces (see [EnterYard]). What is done to them, from
// starting a node to cutting a wire, is said in the words of doc/firedrill.sh,
// the same that a person types in a drill; this package adds only what a shell
// is no good at: clients that work all the while ([Work]), the judgement of
// what they saw, and a wire that loses and delays where the kernel has none.
//
// It must not know how doozerd works: everything is seen from outside, by
// clients, log lines and processes. Nothing here sleeps to wait for something.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/e2e"
)

// Options say what a cluster is made of.
type Options struct {
	Hosts    int    // that can be started
	Founders int    // of these, the hosts 1 to Founders are in everybody's list of addresses; 0 is all
	Flags    string // of every doozerd, instead of the words' own
	Env      []string
	Rough    bool // the wires can be made rough: see the words rough and smooth
}

// Cluster is some hosts, and the nodes that run on them. Hosts are counted
// from 1.
type Cluster struct {
	Options
	bins  e2e.Binaries
	words string
	net   string
	yard  string
	dir   string
	wire  *wire        // nil if the kernel's own is used
	works atomic.Int32 // that were begun
}

// made counts the clusters of this process, so that each has its own names.
var made atomic.Int32

// maxClusters is how many clusters a process may make: each has a network of
// its own.
const maxClusters = 250

// New makes hosts. No node runs yet.
func New(bins e2e.Binaries, o Options) (*Cluster, error) {
	k := made.Add(1)
	if k > maxClusters {
		return nil, errors.New("too many clusters in one process")
	}
	if o.Founders == 0 {
		o.Founders = o.Hosts
	}
	c := &Cluster{Options: o, bins: bins, net: fmt.Sprintf("10.77.%d", k), yard: fmt.Sprintf("y%d-", k)}
	if !HaveHosts() {
		c.net, c.yard = fmt.Sprintf("127.77.%d", k), ""
	}
	var err error
	if c.words, err = wordsFile(); err != nil {
		return nil, err
	}
	if c.dir, err = os.MkdirTemp("", "doozer-cluster-"); err != nil {
		return nil, err
	}
	if o.Rough && !kernelIsRough() {
		c.wire, err = newWire(c)
	} else {
		_, err = c.Sh(fmt.Sprintf("hosts %d", o.Hosts))
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// mustNot matches lines of a script that say what must fail.
var mustNot = regexp.MustCompile(`(?m)^\s*! .*$`)

// shPatience is how long a whole script may take, whose words have a patience of their own each.
const shPatience = 10 * e2e.Patience

// Sh runs a script of the words, and returns what it has printed. It fails with
// the first command that does, or that succeeds behind a "!" at the beginning of
// a line: the shell itself would go on then.
func (c *Cluster) Sh(script string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), shPatience)
	defer cancel()
	words := ". " + c.words + "\n"
	if c.wire != nil {
		words += c.wire.words()
	}
	cmd := exec.CommandContext(ctx, "bash", "-c", "set -euo pipefail\n"+words+mustNot.ReplaceAllString(script, "$0 || false"))
	cmd.Dir = c.dir
	cmd.Env = append(append(e2e.Environ(), c.Env...),
		"net="+c.net, "yard="+c.yard, "dir="+c.dir, fmt.Sprint("founders=", c.Founders),
		"GORACE=atexit_sleep_ms=0",
		"PATH="+filepath.Dir(c.bins.Doozerd)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	if c.Flags != "" {
		cmd.Env = append(cmd.Env, "flags="+c.Flags)
	}
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.WaitDelay = time.Second // nodes in the background have files of their own
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%w of\n%s\n%s", err, script, said.String())
	}
	return out.String(), err
}

func (c *Cluster) file(kind string, n int) string {
	return filepath.Join(c.dir, fmt.Sprintf("%s.%d", kind, n))
}

// Addr returns the address of the node on host n.
func (c *Cluster) Addr(n int) string { return fmt.Sprintf("%s.%d:8046", c.net, n) }

// Addrs returns the addresses of hosts 1 to n.
func (c *Cluster) Addrs(n int) (addrs []string) {
	for k := 1; k <= n; k++ {
		addrs = append(addrs, c.Addr(k))
	}
	return addrs
}

// Dial connects to host n, and to no other.
func (c *Cluster) Dial(ctx context.Context, n int) (*client.Client, error) {
	return client.DialConfig(ctx, client.Config{Addrs: []string{c.Addr(n)}})
}

// PID returns the process on host n, 0 if there was none or it has ended.
func (c *Cluster) PID(n int) int {
	text, err := os.ReadFile(c.file("pid", n))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || strings.Contains(string(stat), ") Z ") {
		return 0
	}
	return pid
}

// Running returns the hosts on which a node runs.
func (c *Cluster) Running() (hosts []int) {
	for n := 1; n <= c.Hosts; n++ {
		if c.PID(n) != 0 {
			hosts = append(hosts, n)
		}
	}
	return hosts
}

// ended returns an error for each process that has ended otherwise than by being asked to, or being killed.
func (c *Cluster) ended() error {
	const killed = "137" // 128 and the number of the signal
	var errs []error
	for n := 1; n <= c.Hosts; n++ {
		text, err := os.ReadFile(c.file("status", n))
		switch status := strings.TrimSpace(string(text)); {
		case err != nil:
			errs = append(errs, err)
		case status == "" && c.PID(n) != 0, status == "0", status == killed:
		default:
			errs = append(errs, fmt.Errorf("the process on host %d ended with status %q", n, status))
		}
	}
	return errors.Join(errs...)
}

// Log returns what the nodes on host n have logged.
func (c *Cluster) Log(n int) string {
	text, err := os.ReadFile(c.file("log", n))
	if err != nil {
		return ""
	}
	return string(text)
}

// Logs returns the ends of the logs of all nodes.
func (c *Cluster) Logs() string {
	const most = 60 // lines of each
	var all strings.Builder
	for n := 1; n <= c.Hosts; n++ {
		lines := strings.SplitAfter(c.Log(n), "\n")
		fmt.Fprintf(&all, "--- host %d, %s\n%s", n, c.Addr(n), strings.Join(lines[max(0, len(lines)-most):], ""))
	}
	return all.String()
}

// Complaints returns the signs in the logs that a program broke.
func (c *Cluster) Complaints() error {
	var errs []error
	for n := 1; n <= c.Hosts; n++ {
		for _, sign := range []string{"panic:", "fatal error:", "DATA RACE", "[running]:"} {
			if log := c.Log(n); strings.Contains(log, sign) {
				errs = append(errs, fmt.Errorf("%q in the log of host %d:\n%s", sign, n, log[strings.Index(log, sign):]))
			}
		}
	}
	return errors.Join(errs...)
}

// Close kills the nodes and takes the hosts away.
func (c *Cluster) Close() {
	for _, n := range c.Running() {
		if p, err := os.FindProcess(c.PID(n)); err == nil {
			_ = p.Kill() // a stopped one, too; it may have ended meanwhile
		}
	}
	if c.wire != nil {
		c.wire.close()
	}
	if c.yard != "" {
		_, _ = c.Sh(fmt.Sprintf("nohosts %d", c.Hosts)) // the yard ends with this process anyway
	}
	os.RemoveAll(c.dir)
}
