package cluster

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ha/doozerd/internal/e2e"
)

// Usage is what a process takes of its machine.
type Usage struct {
	Resident  int64 // bytes
	Threads   int
	Files     int // descriptors, sockets included
	Processor time.Duration
}

// Usage returns what the node on host n takes.
func (c *Cluster) Usage(n int) (u Usage, err error) {
	proc := fmt.Sprintf("/proc/%d/", c.PID(n))
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		amount, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			u.Resident = amount << 10
		case "Threads":
			u.Threads = int(amount)
		}
	}
	files, err := os.ReadDir(proc + "fd")
	if err != nil {
		return u, err
	}
	u.Files = len(files)
	u.Processor, err = processor(proc)
	return u, err
}

// Runtime is what the Go runtime of a process keeps.
type Runtime struct {
	Goroutines int
	Heap       int64 // bytes after which garbage is collected next: a fixed part more than what was in use after the last time
}

// Runtime returns what that of the node on host n keeps. The node must have its WebView where that is by default.
func (c *Cluster) Runtime(n int) (r Runtime, err error) {
	host, _, err := net.SplitHostPort(c.Addr(n))
	if err != nil {
		return r, err
	}
	answer, err := webClient.Get("http://" + host + ":8000/metrics")
	if err != nil {
		return r, err
	}
	defer answer.Body.Close()
	said := map[string]float64{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok {
			said[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	r = Runtime{int(said["go_goroutines"]), int64(said["go_memstats_next_gc_bytes"])}
	if r.Goroutines == 0 || r.Heap == 0 {
		return r, fmt.Errorf("goroutines and heap are not in the metrics of host %d: %s", n, answer.Status)
	}
	return r, nil
}

// webClient keeps no connections: they would count among what a node takes.
var webClient = http.Client{Timeout: e2e.Patience, Transport: &http.Transport{DisableKeepAlives: true}}

// processor returns the processor time of a process to the nanosecond: the sum over its threads.
func processor(proc string) (sum time.Duration, err error) {
	threads, err := os.ReadDir(proc + "task")
	if err != nil {
		return 0, err
	}
	for _, t := range threads {
		text, err := os.ReadFile(proc + "task/" + t.Name() + "/schedstat")
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(text))
		if len(fields) == 0 {
			return 0, errors.New("empty schedstat")
		}
		ns, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}
