// Command soak runs three nodes under load for long, with a fault every 20
// seconds, and sees that they take no more of their machine in the end than in
// the beginning.
//
//	go run ./internal/e2e/cluster/soak               for 30 minutes
//	go run ./internal/e2e/cluster/soak -for 5m       shorter
//
// What clients saw is judged after each fault: their history must be
// linearizable, and a watch must have seen every event once. The process on host
// 1 is never ended, so its memory, threads and descriptors are what is
// compared. It fails with status 1.
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
	c, err := cluster.New(bins, cluster.Options{Hosts: 3, Flags: "-w false -timeout 3 -hist 8000"})
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
	fmt.Println("| after | fault | longest time without a write | host 1: memory | threads | descriptors | processor |\n|---|---|---|---|---|---|---|")
	var usages []cluster.Usage
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
		u, err := c.Usage(1)
		if err != nil {
			return err
		}
		usages = append(usages, u)
		fmt.Printf("| %v | %s | %v | %.1f MB | %d | %d | %v |\n", time.Since(began).Round(time.Second), f.name, gap.Round(time.Millisecond),
			float64(u.Resident)/(1<<20), u.Threads, u.Files, u.Processor.Round(time.Millisecond))
	}
	return flat(usages)
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

// growth is how much more the last third may take than the first: memory comes and goes with the collector.
const growth = 1.25

// flat compares the largest figures of the last third with those of the first.
func flat(all []cluster.Usage) error {
	third := len(all) / 3
	if third == 0 {
		return errors.New("too short to say whether anything grows")
	}
	first, last := all[:third], all[len(all)-third:]
	var errs []error
	for _, f := range []struct {
		what   string
		figure func(cluster.Usage) float64
		slack  float64
	}{
		{"memory in MB", func(u cluster.Usage) float64 { return float64(u.Resident) / (1 << 20) }, 8},
		{"threads", func(u cluster.Usage) float64 { return float64(u.Threads) }, 4},
		{"descriptors", func(u cluster.Usage) float64 { return float64(u.Files) }, 8},
	} {
		before, after := largest(first, f.figure), largest(last, f.figure)
		fmt.Printf("%s of host 1: at most %.1f in the first third, %.1f in the last\n", f.what, before, after)
		if after > before*growth+f.slack {
			errs = append(errs, fmt.Errorf("%s grew from %.1f to %.1f", f.what, before, after))
		}
	}
	return errors.Join(errs...)
}

func largest(all []cluster.Usage, figure func(cluster.Usage) float64) float64 {
	var figures []float64
	for _, u := range all {
		figures = append(figures, figure(u))
	}
	return slices.Max(figures)
}
