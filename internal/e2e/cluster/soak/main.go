// Command soak runs three nodes under load for long, with a fault every 20
// seconds, and sees that they take no more of their machine in the end than in
// the beginning.
//
//	go run ./internal/e2e/cluster/soak               for 30 minutes
//	go run ./internal/e2e/cluster/soak -for 5m       shorter
//
// What clients saw is judged after each fault: their history must be
// linearizable, and a watch must have seen every event once. Memory, heap,
// threads, descriptors and goroutines are compared within the life of each process: of
// that on host 1, which is never ended, for the whole time, and of the others
// from one restart to the next. It fails with status 1.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/ha/doozerd/internal/e2e"
	"github.com/ha/doozerd/internal/e2e/cluster"
)

// every is how often there is a fault.
const every = 20 * time.Second

// faults take turns. Each leaves three voters behind.
var faults = []struct {
	name, script string
	wires        bool
}{
	{"host 2 dies and is started again", "kill -9 $(pid 2); ended 2; start 2; from 1 eventually voter 2", false},
	{"host 1 stands still for a second", "kill -STOP $(pid 1); sleep 1; kill -CONT $(pid 1)", false},
	{"host 3 is restarted", "kill $(pid 3); ended 3; start 3; from 1 eventually voter 3", false},
	{"host 1 is cut off for longer than the timeout", "cut 1; from 2 eventually voters 2; heal 1; from 2 eventually voter 1", true},
	{"host 3 stands still for longer than the timeout", "kill -STOP $(pid 3); from 1 eventually voters 2; kill -CONT $(pid 3); from 1 eventually voter 3", false},
	{"host 1 hears nothing for a second", "deaf 1; sleep 1; heal 1; from 2 eventually voter 1", true},
	{"hosts 2 and 3 do not hear each other", "cut 2 3; sleep 5; heal 2; from 1 eventually voters 3", true},
}

func main() {
	length := flag.Duration("for", 30*time.Minute, "how long; at least two minutes")
	flag.Parse()
	err := cluster.EnterYard()
	if err == nil {
		err = run(*length)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(length time.Duration) error {
	dir, err := os.MkdirTemp("", "doozer-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bins, err := e2e.Build(dir, false)
	if err != nil {
		return err
	}
	c, err := cluster.New(bins, cluster.Options{Hosts: 3, Flags: "-w true -timeout 3 -hist 8000"})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := soak(c, length); err != nil {
		return fmt.Errorf("%w\n%s", err, c.Logs())
	}
	return c.Complaints()
}

func soak(c *cluster.Cluster, length time.Duration) error {
	if _, err := c.Sh("start 1 2 3"); err != nil {
		return err
	}
	fmt.Println("| after | fault | longest time without a write | memory in MB, of hosts 1, 2, 3 | heap | threads | descriptors | goroutines | processor, host 1 |\n|---|---|---|---|---|---|---|---|---|")
	var lives lives
	began := time.Now()
	for k := 0; time.Since(began) < length; k++ {
		f := faults[k%len(faults)]
		if f.wires && !cluster.HaveHosts() {
			continue
		}
		gap, err := suffer(c, f.script)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		now, err := takes(c)
		if err != nil {
			return err
		}
		lives.add(now)
		fmt.Printf("| %v | %s | %v |", time.Since(began).Round(time.Second), f.name, gap.Round(time.Millisecond))
		for _, f := range figures {
			fmt.Printf(" %.0f, %.0f, %.0f |", f.of(now[0]), f.of(now[1]), f.of(now[2]))
		}
		fmt.Printf(" %v |\n", now[0].Processor.Round(time.Millisecond))
	}
	return lives.flat()
}

// suffer does one fault while clients work, and judges what they saw.
func suffer(c *cluster.Cluster, script string) (gap time.Duration, err error) {
	over := time.After(every)
	w, err := c.Work(3)
	if err != nil {
		return 0, err
	}
	defer w.Close()
	if _, err := c.Sh(script); err != nil {
		return 0, err
	}
	<-over // the load goes on meanwhile
	gap = w.Gap()
	return gap, w.End(1, 2, 3)
}

// A taking is what a process took of its machine at one time.
type taking struct {
	host, pid int
	cluster.Usage
	cluster.Runtime
}

// takes returns what each host takes now.
func takes(c *cluster.Cluster) (all []taking, err error) {
	for n := 1; n <= 3; n++ {
		t := taking{host: n, pid: c.PID(n)}
		if t.Usage, err = c.Usage(n); err != nil {
			return nil, err
		}
		if t.Runtime, err = c.Runtime(n); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// lives are the processes that there were, the oldest first, and what each took as time went by.
type lives [][]taking

func (l *lives) add(now []taking) {
	for _, t := range now {
		k := slices.IndexFunc(*l, func(life []taking) bool { return life[0].pid == t.pid })
		if k < 0 {
			*l, k = append(*l, nil), len(*l)
		}
		(*l)[k] = append((*l)[k], t)
	}
}

const (
	growth = 1.25 // how much more the last third of a life may take than the first: memory comes and goes with the collector
	short  = 6    // a life of fewer faults says nothing
)

// figures are what may not grow, and how much more than that does not count.
var figures = []struct {
	what  string
	of    func(taking) float64
	slack float64
}{
	{"memory in MB", func(t taking) float64 { return float64(t.Resident) / (1 << 20) }, 8},
	{"heap in MB", func(t taking) float64 { return float64(t.Heap) / (1 << 20) }, 4},
	{"threads", func(t taking) float64 { return float64(t.Threads) }, 4},
	{"descriptors", func(t taking) float64 { return float64(t.Files) }, 8},
	{"goroutines", func(t taking) float64 { return float64(t.Goroutines) }, 8},
}

// flat compares the largest figures of the last third of each life with those of the first.
func (l lives) flat() error {
	var errs []error
	judged := 0
	for _, life := range l {
		if len(life) < short {
			continue
		}
		judged++
		third := len(life) / 3
		fmt.Printf("host %d, process %d, at most in the first third of %d faults and in the last:", life[0].host, life[0].pid, len(life))
		for _, f := range figures {
			before, after := largest(life[:third], f.of), largest(life[len(life)-third:], f.of)
			fmt.Printf(" %s %.1f, %.1f;", f.what, before, after)
			if after > before*growth+f.slack {
				errs = append(errs, fmt.Errorf("%s of host %d grew from %.1f to %.1f", f.what, life[0].host, before, after))
			}
		}
		fmt.Println()
	}
	if judged == 0 {
		return errors.New("too short to say whether anything grows")
	}
	return errors.Join(errs...)
}

func largest(all []taking, figure func(taking) float64) float64 {
	var figures []float64
	for _, t := range all {
		figures = append(figures, figure(t))
	}
	return slices.Max(figures)
}
