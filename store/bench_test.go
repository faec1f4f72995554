package store

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

const benchHistory = 2000

// fileName is the name of file i of a directory of the benchmarks.
func fileName(i int) string { return fmt.Sprintf("file-%07d", i) }

// fill returns a store with the given number of files in /d, set in random
// order.
func fill(tb testing.TB, files, bodySize int) *Store {
	tb.Helper()
	s := New(benchHistory)
	body := make([]byte, bodySize)
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(files) {
		if e := s.Apply(Mutation{Op: Set, Path: "/d/" + fileName(i), Guard: Clobber, Body: body}.Append(nil)); e.Err != nil {
			tb.Fatal(e.Err)
		}
	}
	return s
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

// BenchmarkInsert deletes and sets files of a directory in turns.
func BenchmarkInsert(b *testing.B) {
	for _, files := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) {
			s, sets := fill(b, files, 16), randomSets(files)
			dels := make([][]byte, len(sets))
			for i := range sets {
				m, _ := DecodeMutation(sets[i])
				m.Op, m.Body = Del, nil
				dels[i] = m.Append(nil)
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
