package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"

	"github.com/ha/doozerd/store"
)

const (
	bodySize = 128     // bytes of a small file
	distinct = 1 << 16 // different mutations that a measurement goes through
)

var body = make([]byte, bodySize)

func filePath(i int) string { return fmt.Sprintf("/dir/f%d", i) }

func setOf(path string) []byte {
	return store.Mutation{Op: store.Set, Path: path, Guard: store.Clobber, Body: body}.Append(nil)
}

// filled is a store with so many files in one directory.
func filled(history, files int) *store.Store {
	s := store.New(history)
	for i := range files {
		s.Apply(setOf(filePath(i)))
	}
	return s
}

// applyCost measures the processor time of one set of a random file, in
// nanoseconds: unlike the time that passes, it is no longer when other
// processes run. The garbage collector's is in it.
func applyCost(s *store.Store, files int) func() (float64, error) {
	random := rand.New(rand.NewPCG(1, uint64(files)))
	mutations := make([][]byte, distinct)
	for i := range mutations {
		mutations[i] = setOf(filePath(random.IntN(files)))
	}
	return func() (float64, error) {
		before, err := processorTime()
		if err != nil {
			return 0, err
		}
		for _, m := range mutations {
			s.Apply(m)
		}
		after, err := processorTime()
		return float64(after-before) / distinct, err
	}
}

// processorTime is what this process has used so far, in nanoseconds.
func processorTime() (int64, error) {
	var used syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return used.Utime.Nano() + used.Stime.Nano(), err
}

func measureStore(b *bench) error {
	const rounds = 15
	small, middle, large := filled(2000, 100), filled(2000, 10_000), filled(2000, 1_000_000)
	runtime.GC()
	costs, err := interleave(rounds, applyCost(small, 100), applyCost(middle, 10_000), applyCost(large, 1_000_000))
	if err != nil {
		return err
	}
	b.add(forOrientation("set into a directory of 100 / 10,000 / 1,000,000 files",
		fmt.Sprintf("%.0f / %.0f / %.0f ns", median(costs[0]), median(costs[1]), median(costs[2]))))
	b.add(atMost("the same, 1,000,000 to 100", 2, ratio(costs[2], costs[0]), "%.2f", ""))
	return measureWaits(b)
}

// measureWaits sets a file that nobody waits for.
func measureWaits(b *bench) error {
	const rounds, waits, files = 15, 100_000, 10_000
	alone, watched := filled(2000, files), filled(2000, files)
	for i := range waits {
		g, err := store.ParseGlob(elsewhere(i))
		if err != nil {
			return err
		}
		if _, err := watched.Wait(g, files+1, func(store.Event) {}); err != nil {
			return err
		}
	}
	costs, err := interleave(rounds, applyCost(alone, files), applyCost(watched, files))
	if err != nil {
		return err
	}
	b.add(atMost("one event, 100,000 waits elsewhere to none", 1.5, ratio(costs[1], costs[0]), "%.2f",
		fmt.Sprintf(" (%.0f to %.0f ns)", median(costs[1]), median(costs[0]))))
	return nil
}

// elsewhere is what the ith wait waits for, where nothing happens.
func elsewhere(i int) string {
	if i%2 == 0 {
		return fmt.Sprintf("/elsewhere/%d", i)
	}
	return fmt.Sprintf("/elsewhere/%d/**", i)
}

// heapOf is what a store keeps of the heap, in bytes.
func heapOf(build func() *store.Store) float64 {
	before := heapInUse()
	s := build()
	after := heapInUse()
	runtime.KeepAlive(s)
	return after - before
}

// heapInUse is what is left once garbage is gone.
func heapInUse() float64 {
	runtime.GC()
	runtime.GC() // what the first has finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func measureMemory(b *bench) error {
	const files, revs = 100_000, 100_000
	perFile := heapOf(func() *store.Store { return filled(1, files) }) / files
	b.add(forOrientation("heap per file of 128 bytes, its body included",
		fmt.Sprintf("%.0f bytes (%d files)", perFile, files)))
	changed := func(history int) func() *store.Store {
		return func() *store.Store {
			s := filled(history, files)
			for i := range revs {
				s.Apply(setOf(filePath(i * 7919 % files))) // in no order that helps
			}
			return s
		}
	}
	perRev := (heapOf(changed(revs)) - heapOf(changed(1))) / revs
	b.add(forOrientation("heap per rev of history, its body of 128 bytes included",
		fmt.Sprintf("%.0f bytes (%d revs in a directory of %d)", perRev, revs, files)))
	if err := measureResident(b); err != nil {
		return err
	}
	return measureIdle(b)
}
