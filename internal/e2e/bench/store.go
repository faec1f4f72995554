package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
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
func applyCost(s *store.Store, k kept) func() (float64, error) {
	random := rand.New(rand.NewPCG(1, uint64(k.files)))
	mutations := make([][]byte, distinct)
	for i := range mutations {
		mutations[i] = setOf(filePath(random.IntN(k.hot) * (k.files / k.hot)))
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

// kept is what is in a store: files in one directory, and waits for others. Of
// the files, only those that are hot are ever set.
type kept struct {
	files, hot, waits int
}

// serveStore is a store in a process of its own, so that the garbage collector
// works for it alone. For each line of its standard input it measures once.
func serveStore(k kept) error {
	s := filled(2000, k.files)
	for i := range k.waits {
		g, err := store.ParseGlob(elsewhere(i))
		if err != nil {
			return err
		}
		if _, err := s.Wait(g, s.Snapshot().Rev()+1, func(store.Event, error) {}); err != nil {
			return err
		}
	}
	cost := applyCost(s, k)
	runtime.GC()
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		figure, err := cost()
		if err != nil {
			return err
		}
		fmt.Println(figure)
	}
	return nil
}

// costsOf measures stores in turns.
func costsOf(stores ...kept) ([][]float64, error) {
	const rounds = 15
	var measurements []func() (float64, error)
	for _, k := range stores {
		p, err := startRole("-role", "store", "-files", strconv.Itoa(k.files), "-hot", strconv.Itoa(k.hot), "-waits", strconv.Itoa(k.waits))
		if err != nil {
			return nil, err
		}
		defer p.stop()
		measurements = append(measurements, func() (figure float64, err error) {
			if _, err := fmt.Fprintln(p.stdin); err != nil {
				return 0, err
			}
			_, err = fmt.Fscanln(p.stdout, &figure)
			return figure, err
		})
	}
	return interleave(rounds, measurements...)
}

func measureStore(b *bench) error {
	costs, err := costsOf(
		kept{files: 100, hot: 100},
		kept{files: 10_000, hot: 10_000},
		kept{files: 1_000_000, hot: 1_000_000},
		kept{files: 1_000_000, hot: 100},
		kept{files: 10_000, hot: 10_000, waits: 100_000},
	)
	if err != nil {
		return err
	}
	small, middle, large, hot, watched := costs[0], costs[1], costs[2], costs[3], costs[4]
	b.add(forOrientation("set into a directory of 100 / 10,000 / 1,000,000 files",
		fmt.Sprintf("%.0f / %.0f / %.0f ns", mean(small), mean(middle), mean(large))))
	b.add(forOrientation("the same, 1,000,000 to 100", fmt.Sprintf("%.2f", mean(large)/mean(small))))
	b.add(forOrientation("the same, always the same 100 of the 1,000,000",
		fmt.Sprintf("%.2f (%.0f ns)", mean(hot)/mean(small), mean(hot))))
	b.add(atMost("one event, 100,000 waits elsewhere to none", 1.5, mean(watched)/mean(middle), "%.2f",
		fmt.Sprintf(" (%.0f to %.0f ns, in a directory of 10,000)", mean(watched), mean(middle))))
	return nil
}

// mean is taken, and no median, where the collector counts: with a million files it comes once in several
// rounds, and the median would be of a round without it.
func mean(figures []float64) float64 {
	sum := 0.0
	for _, f := range figures {
		sum += f
	}
	return sum / float64(len(figures))
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
