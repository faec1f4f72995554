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

// Goroutines returns how many the node on host n has. It must have its WebView where that is by default.
func (c *Cluster) Goroutines(n int) (int, error) {
	host, _, err := net.SplitHostPort(c.Addr(n))
	if err != nil {
		return 0, err
	}
	answer, err := webClient.Get("http://" + host + ":8000/metrics")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if count, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			return strconv.Atoi(count)
		}
	}
	return 0, fmt.Errorf("no goroutines in the metrics of host %d: %s", n, answer.Status)
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
