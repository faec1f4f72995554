package store

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

const benchHistory = 2000

// fileName is the name of file i of a directory of the benchmarks.
func fileName(i int) string { return fmt.Sprintf("file-%07d", i) }

// fill returns a store with the given number of files in /d, set in random
// order.
func fill(tb testing.TB, files, bodySize int) *Store {
	tb.Helper()
	s := New(benchHistory)
	fillInto(tb, s, files, bodySize)
	return s
}

func fillInto(tb testing.TB, s *Store, files, bodySize int) {
	tb.Helper()
	body := make([]byte, bodySize)
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(files) {
		if e := s.Apply(Mutation{Op: Set, Path: "/d/" + fileName(i), Guard: Clobber, Body: body}.Append(nil)); e.Err != nil {
			tb.Fatal(e.Err)
		}
	}
}

// randomSets returns encoded sets of random files of the files in /d.
func randomSets(files int) [][]byte {
	random := rand.New(rand.NewPCG(3, 4))
	sets := make([][]byte, 1<<16)
	for i := range sets {
		sets[i] = Mutation{Op: Set, Path: "/d/" + fileName(random.IntN(files)), Guard: Clobber, Body: make([]byte, 16)}.Append(nil)
	}
	return sets
}

// BenchmarkApply sets random files of a directory, of which there are few or
// many.
func BenchmarkApply(b *testing.B) {
	for _, files := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) {
			s, sets := fill(b, files, 16), randomSets(files)
			runtime.GC()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.Apply(sets[i%len(sets)])
			}
		})
	}
}

// BenchmarkDelSet deletes and sets again random files of a directory: two revs.
func BenchmarkDelSet(b *testing.B) {
	for _, files := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) {
			s, sets := fill(b, files, 16), randomSets(files)
			dels := make([][]byte, len(sets))
			for i := range sets {
				m, _ := DecodeMutation(sets[i])
				dels[i] = Mutation{Op: Del, Path: m.Path, Guard: Clobber}.Append(nil)
			}
			runtime.GC()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.Apply(dels[i%len(sets)])
				s.Apply(sets[i%len(sets)])
			}
		})
	}
}

// BenchmarkBuild makes a store anew from the list of its files, which takes one
// goroutine's time in pieces: those of a part, and the end.
func BenchmarkBuild(b *testing.B) {
	for _, files := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) {
			from := fill(b, files, 128).Snapshot()
			list := slices.Collect(from.Files(0))
			b.ReportAllocs()
			for b.Loop() {
				build := NewBuilder(from.Rev())
				for _, e := range list {
					if err := build.Add(e); err != nil {
						b.Fatal(err)
					}
				}
				begin := time.Now()
				if err := New(1).Install(build); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(time.Since(begin).Microseconds()), "µs/install")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*files), "ns/file")
		})
	}
}

// BenchmarkFiles lists a tree in parts of 100 files.
func BenchmarkFiles(b *testing.B) {
	const files, part = 100_000, 100
	s := fill(b, files, 16).Snapshot()
	for b.Loop() {
		for first := 0; first < files; first += part {
			left := part
			for range s.Files(first) {
				if left--; left == 0 {
					break
				}
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*files), "ns/file")
}

// BenchmarkApplyWithWaits makes one event while others wait, each for another
// file elsewhere.
func BenchmarkApplyWithWaits(b *testing.B) {
	for _, waits := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("waits=%d", waits), func(b *testing.B) {
			s, sets := fill(b, 10_000, 16), randomSets(10_000)
			for i := range waits {
				g, _ := ParseGlob(fmt.Sprintf("/elsewhere/%d/*", i))
				if _, err := s.Wait(g, s.Snapshot().Rev()+1, func(Event, error) { b.Error("fired") }); err != nil {
					b.Fatal(err)
				}
			}
			runtime.GC()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.Apply(sets[i%len(sets)])
			}
		})
	}
}

// BenchmarkWait registers a wait and cancels it, while many others wait.
func BenchmarkWait(b *testing.B) {
	for _, waits := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("waits=%d", waits), func(b *testing.B) {
			s := New(1)
			globs := make([]*Glob, waits+1)
			for i := range globs {
				globs[i], _ = ParseGlob(fmt.Sprintf("/elsewhere/%d/*", i))
				if i > 0 {
					s.Wait(globs[i], 1, func(Event, error) {})
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				w, _ := s.Wait(globs[0], 1, func(Event, error) {})
				w.Cancel()
			}
		})
	}
}

// BenchmarkEntry lists a whole directory by offset.
func BenchmarkEntry(b *testing.B) {
	for _, files := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("n=%d", files), func(b *testing.B) {
			s := fill(b, files, 16).Snapshot()
			for b.Loop() {
				for i := range files {
					if _, err := s.Entry("/d", i); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*files), "ns/entry")
		})
	}
}

// BenchmarkWalk walks a whole tree by offset, as clients do: with a glob whose
// matches can be counted, and with one for which a Walker must remember.
func BenchmarkWalk(b *testing.B) {
	for _, glob := range []string{"/d/**", "/*/file*"} {
		for _, files := range []int{10_000, 100_000} {
			b.Run(fmt.Sprintf("glob=%s/n=%d", strings.ReplaceAll(glob[1:], "/", "-"), files), func(b *testing.B) {
				s := fill(b, files, 16).Snapshot()
				g, _ := ParseGlob(glob)
				for b.Loop() {
					var w Walker
					for i := range files {
						if _, err := w.Walk(s, g, i); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*files), "ns/file")
			})
		}
	}
}

// BenchmarkMemory reports the heap that 100,000 files of 128 bytes in one
// directory take, and each rev of the history of setting them again.
func BenchmarkMemory(b *testing.B) {
	const files, bodySize = 100_000, 128
	for b.Loop() {
		empty := heapInUse()
		s := New(1)
		fillInto(b, s, files, bodySize)
		full := heapInUse()
		runtime.KeepAlive(s)
		b.ReportMetric(float64(full-empty)/files, "B/file")

		s = New(benchHistory)
		fillInto(b, s, files, bodySize)
		b.ReportMetric(float64(heapInUse()-full)/benchHistory, "B/rev")
		runtime.KeepAlive(s)
	}
}

// heapInUse returns the bytes of what is reachable.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkMatch matches the usual and the worst that a glob can be.
func BenchmarkMatch(b *testing.B) {
	hostile := "/" + strings.Repeat("*a", MaxPath/2-1)
	for _, bench := range []struct{ name, glob, path string }{
		{"literal", "/ctl/cal/0", "/ctl/cal/0"},
		{"star", "/ctl/node/*/addr", "/ctl/node/ABCDEFGHIJKLMNOP/addr"},
		{"all", "/d/**", "/d/file-0000001"},
		{"other", "/ctl/node/*/addr", "/d/file-0000001"},
		{"hostile", hostile + "b", "/" + strings.Repeat("a", MaxPath-1)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			g, err := ParseGlob(bench.glob)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				g.Match(bench.path)
			}
		})
	}
}
