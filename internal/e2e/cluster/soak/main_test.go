package main

import (
	"strings"
	"testing"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/e2e/cluster"
)

// live is the life of a process, of which what it takes at each fault is made by grow.
func live(host, pid, faults int, grow func(k int, t *taking)) (l []taking) {
	for k := range faults {
		t := taking{host: host, pid: pid,
			Usage:   cluster.Usage{Resident: 40 << 20, Threads: 9, Files: 20},
			Runtime: cluster.Runtime{Goroutines: 40, Heap: 20 << 20},
		}
		grow(k, &t)
		l = append(l, t)
	}
	return l
}

// TestGrowthIsFound: in each figure, of each process that lived for long enough.
func TestGrowthIsFound(t *testing.T) {
	for what, grow := range map[string]func(int, *taking){
		"memory":      func(k int, t *taking) { t.Resident += int64(k) << 23 },
		"heap":        func(k int, t *taking) { t.Heap += int64(k) << 22 },
		"threads":     func(k int, t *taking) { t.Threads += 3 * k },
		"descriptors": func(k int, t *taking) { t.Files += 5 * k },
		"goroutines":  func(k int, t *taking) { t.Goroutines += 6 * k },
	} {
		steady := func(int, *taking) {}
		for _, long := range []int{short, 60} {
			var l lives
			first, second, third := live(1, 1, long, steady), live(2, 2, long, grow), live(2, 3, short-1, grow)
			for k := range long {
				l.add([]taking{first[k], second[k]})
			}
			for _, now := range third {
				l.add([]taking{now})
			}
			assert.Equal(t, 3, len(l))
			err := l.flat()
			assert.T(t, err != nil && strings.Contains(err.Error(), what), what, err)
			assert.Equal(t, nil, lives{first, third}.flat())
		}
	}
	assert.T(t, lives{}.flat() != nil)
}
