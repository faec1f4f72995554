// Command simulate runs seeds of the cluster simulation.
//
//	simulate -seeds 500 [-first 1]   run that many, print the failures and one closing line
//	simulate -seed 42                run one, with a trace
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/ha/doozerd/internal/sim"
)

func main() {
	seeds := flag.Uint64("seeds", 100, "how many seeds to run")
	first := flag.Uint64("first", 1, "the first of them")
	seed := flag.Uint64("seed", 0, "run only this one, with a trace")
	workers := flag.Int("workers", runtime.NumCPU(), "how many to run at a time")
	all := flag.Bool("v", false, "print a line for each seed")
	until := flag.Bool("until", false, "stop at the first failure")
	flag.Parse()
	if *seed != 0 {
		r := sim.Run(*seed, os.Stdout)
		report(r)
		finish(1, r.Err)
	}
	begun := time.Now()
	ran, failures := run(*first, *seeds, *workers, *until, *all)
	fmt.Printf("%d seeds, %d failures\n", ran, failures)
	fmt.Fprintf(os.Stderr, "seeds %d to %d in %v\n", *first, *first+ran-1, time.Since(begun).Round(time.Millisecond))
	if failures > 0 {
		os.Exit(1)
	}
}

// run runs the seeds from first on, and returns how many it ran and how many failed.
func run(first, seeds uint64, workers int, until, all bool) (ran, failures uint64) {
	var mu sync.Mutex
	var working sync.WaitGroup
	for range max(1, workers) {
		working.Go(func() {
			for {
				mu.Lock()
				seed := first + ran
				if ran == seeds || until && failures > 0 {
					mu.Unlock()
					return
				}
				ran++
				mu.Unlock()
				r := sim.Run(seed, nil)
				mu.Lock()
				if r.Err != nil {
					failures++
				}
				if r.Err != nil || all {
					report(r)
				}
				mu.Unlock()
			}
		})
	}
	working.Wait()
	return ran, failures
}

func report(r sim.Result) {
	verdict := "ok"
	if r.Err != nil {
		verdict = "FAILED: " + r.Err.Error()
	}
	fmt.Printf("seed %d %s: %s (%d instances, %d revs, %d operations ended, %d unknown, mean %v, longest %v, %d messages, %d refused, %v simulated, %+v)\n",
		r.Seed, r.Kind, verdict, r.Decided, r.Revs, r.Ended, r.Unknown, r.Mean.Round(time.Millisecond), r.Longest.Round(time.Millisecond), r.Messages, r.Refused, r.Simulated.Round(time.Millisecond), r.Counters)
}

func finish(ran int, err error) {
	failures := 0
	if err != nil {
		failures = 1
	}
	fmt.Printf("%d seeds, %d failures\n", ran, failures)
	os.Exit(failures)
}
