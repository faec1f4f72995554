// Command simulate runs seeds of the cluster simulation.
//
//	simulate -seeds 500 [-first 1] [-only "lan surge"]   run that many, print the failures and one closing line
//	simulate -seed 42                                    run one, with a trace
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ha/doozerd/internal/sim"
)

func main() {
	seeds := flag.Uint64("seeds", 100, "how many seeds to run")
	first := flag.Uint64("first", 1, "the first of them; 0 draws one from the clock")
	one := flag.String("seed", "", "run only this one, with a trace")
	workers := flag.Int("workers", runtime.NumCPU(), "how many to run at a time")
	only := flag.String("only", "", "run only those of them whose kind contains this: a latency, a drill, or both")
	all := flag.Bool("v", false, "print a line for each seed")
	until := flag.Bool("until", false, "stop at the first failure")
	flag.Parse()
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memory)
	if *one != "" {
		trace(*one)
	}
	begun := time.Now()
	if *first == 0 {
		*first = uint64(begun.UnixNano()/1000) % freshSeeds
	}
	fmt.Fprintf(os.Stderr, "seeds %d to %d\n", *first, *first+*seeds-1)
	r := runner{next: *first, end: *first + *seeds, only: *only, until: *until, all: *all}
	r.run(*workers)
	fmt.Printf("%d seeds, %d failures\n", r.ran, r.failures)
	fmt.Fprintf(os.Stderr, "seeds %d to %d took %v\n", *first, r.next-1, time.Since(begun).Round(time.Millisecond))
	if r.failures > 0 {
		os.Exit(1)
	}
}

// memory is how much is used before the collector runs: a run is short, and leaves nothing behind.
const memory = 512 << 20

// freshSeeds is how many seeds there are to draw from: enough that nobody has run them, and short enough to be typed.
const freshSeeds = 1e9

// runner runs seeds, several at a time.
type runner struct {
	mu            sync.Mutex
	next, end     uint64 // seeds
	only          string // of this kind
	until         bool   // the first failure
	all           bool   // are reported
	ran, failures int
}

func (r *runner) run(workers int) {
	var working sync.WaitGroup
	for range max(1, workers) {
		working.Go(func() {
			for seed, ok := r.take(); ok; seed, ok = r.take() {
				r.took(sim.Run(seed, nil))
			}
		})
	}
	working.Wait()
}

// take returns the next seed to run, if there is one.
func (r *runner) take() (seed uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.next < r.end && !(r.until && r.failures > 0) {
		r.next++
		if r.only == "" || strings.Contains(sim.Kind(r.next-1), r.only) {
			r.ran++
			return r.next - 1, true
		}
	}
	return 0, false
}

func (r *runner) took(result sim.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if result.Err != nil {
		r.failures++
	}
	if result.Err != nil || r.all {
		report(result)
	}
}

func report(r sim.Result) {
	verdict := "ok"
	if r.Err != nil {
		verdict = "FAILED: " + r.Err.Error()
	}
	fmt.Printf("seed %d %s: %s (%d instances, %d revs, %d operations ended, %d unknown, %d processes, %d escapes, mean %v, longest %v, %d messages, %d refused, %v simulated, %+v)\n",
		r.Seed, r.Kind, verdict, r.Decided, r.Revs, r.Ended, r.Unknown, r.Processes, r.Escapes, r.Mean.Round(time.Millisecond), r.Longest.Round(time.Millisecond), r.Messages, r.Refused, r.Simulated.Round(time.Millisecond), r.Counters)
}

// trace runs one seed, and ends the program.
func trace(one string) {
	seed, err := strconv.ParseUint(one, 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, "simulate: -seed:", err)
		os.Exit(2)
	}
	r, failures := sim.Run(seed, os.Stdout), 0
	report(r)
	if r.Err != nil {
		failures = 1
	}
	fmt.Printf("1 seeds, %d failures\n", failures)
	os.Exit(failures)
}
