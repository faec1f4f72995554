package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ha/doozerd/internal/sim"
)

// row is one figure, and whether it is as good as was promised.
type row struct {
	what   string
	goal   string // "" is for orientation only
	figure string
	met    bool
}

type table struct {
	title string
	rows  []row
}

type document struct {
	busy   string // the load average of the last minute, before
	tables []table
}

// atMost is a row whose figure must not be above the goal.
func atMost(what string, goal, figure float64, format, detail string) row {
	return row{what, "≤ " + fmt.Sprintf(format, goal), fmt.Sprintf(format, figure) + detail, figure <= goal}
}

// atLeast is a row whose figure must not be below the goal.
func atLeast(what string, goal, figure float64, format, detail string) row {
	return row{what, "≥ " + fmt.Sprintf(format, goal), fmt.Sprintf(format, figure) + detail, figure >= goal}
}

// forOrientation is a row without a goal.
func forOrientation(what, figure string) row { return row{what: what, figure: figure} }

func (r row) markdown() string {
	verdict := ""
	if r.goal != "" {
		verdict = "NOT MET"
		if r.met {
			verdict = "ok"
		}
	}
	return fmt.Sprintf("| %s | %s | %s | %s |", r.what, r.goal, r.figure, verdict)
}

func (d document) writeTables(w io.Writer) error {
	for _, t := range d.tables {
		if _, err := fmt.Fprintf(w, "\n## %s\n\n| what | goal | figure | |\n|---|---|---|---|\n", t.title); err != nil {
			return err
		}
		for _, r := range t.rows {
			if _, err := fmt.Fprintln(w, r.markdown()); err != nil {
				return err
			}
		}
	}
	return nil
}

const preface = `# Performance

What doozerd promises about speed and size, and what was found. Made by

	make bench BENCHOUT=doc/performance.md

on %s; Go %s, %s/%s, %d processors that the server, the load and the echo server share. The load average before
was %s: well below 1 is a quiet machine, above it others took part of its time, and cold memory costs more than it should.

Figures that matter are ratios within one run: what is compared is measured in turns, several rounds of each, and the
figure is the median of the rounds' ratios. Absolute figures are for orientation, they are this machine's. A row without a
goal is such a one.
`

const simulated = `
## Clusters, in round trips

What a write costs whole nodes in a simulation (` + "`go run ./internal/sim/figures`" + `), where every message takes the time in the first column and nothing else takes
any. A round trip is twice that. One goal is 1.00; another, that the gap when a voter dies is the fill delay (100 ms, or twice the round
trip) and two round trips, once; the loop looks every 20 ms. Messages are those that have to do with the load.

` + "```\n"

const afterword = `
## What the rows mean

- *Set into a directory*: a file that exists, picked at random, gets a new body of 128 bytes. At the store by itself the cost
  is processor time, the collector's included, of a process of its own. A set copies one path of a tree: at 1,000,000 files that
  is twice the memory of 100, which the row with *always the same 100* shows. What random ones among 1,000,000 cost beyond that
  is memory that is in no cache. With one client that waits for each answer the
  round trip hides most of that: such a row says what a user notices, and little about the tree.
- *One event with waits elsewhere*: a set that nobody waits for, while others wait for other paths, half of
  them for a literal path, half for a glob.
- *Echo*: a process with a goroutine per connection that reads a frame and writes a canned one, the same that doozerd
  answered with, without looking at what it read. One that collects answers writes when no further request is in its buffer,
  as doozerd does. The same generator loads all of them, from one process, with the same frames. "n clients" have one request outstanding each; "pipelined" is one connection with up to %d.
- *Beside an echo that collects answers*: the hardest comparison there is, since such an echo does nothing for a frame but
  copy it, a dozen system calls for a thousand of them. A GET is decoded, looked up and encoded. Of the server's time in this
  shape, decoding the request takes about 15 %%, finding the file and queueing the answer 25 %%, encoding the answer 20 %%
  and system calls 20 %%; ` + "`go run ./internal/e2e/bench -profile DIR`" + ` makes the profiles that say so.
- *A change to the page*: from before the request is sent to the change being in the document, by one clock. The browser runs on the same processors. Between
  two frames of changes there are 50 ms at least, which is what the slower ones waited for.
- *Pages open*: streams that are read and thrown away by another process. Above 20 frames per second more changes make larger frames, not more of them.
- *Resident*: VmRSS of the real daemon, all included: the program, its garbage, what it keeps in reserve.
`

// write writes the whole document.
func (d document) write(w io.Writer) error {
	_, err := fmt.Fprintf(w, preface, time.Now().Format(time.DateOnly), strings.TrimPrefix(runtime.Version(), "go"),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), d.busy)
	if err != nil {
		return err
	}
	if err := d.writeTables(w); err != nil {
		return err
	}
	if err := writeSimulated(w); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, afterword, pipelineWindow)
	return err
}

// writeSimulated writes what does not depend on the machine: the same every time, as long as the protocol is.
func writeSimulated(w io.Writer) error {
	if _, err := fmt.Fprint(w, simulated); err != nil {
		return err
	}
	sim.Figures(w)
	_, err := fmt.Fprintln(w, "```")
	return err
}

// interleave takes each measurement once per round, in turns, so that what
// disturbs the machine disturbs all of them.
func interleave(rounds int, measurements ...func() (float64, error)) ([][]float64, error) {
	series := make([][]float64, len(measurements))
	for range rounds {
		for i, measure := range measurements {
			figure, err := measure()
			if err != nil {
				return nil, err
			}
			series[i] = append(series[i], figure)
		}
	}
	return series, nil
}

// loadAverage is that of the last minute, where the system tells it.
func loadAverage() string {
	loads, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	last, _, _ := strings.Cut(string(loads), " ")
	return last
}

func median(figures []float64) float64 {
	s := slices.Sorted(slices.Values(figures))
	return s[len(s)/2]
}

// ratio is the median of a round's figure in a over the same round's in b.
func ratio(a, b []float64) float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	return median(ratios)
}
