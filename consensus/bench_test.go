package consensus

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// wired is engines that hear each other at once.
type wired struct {
	ids     []string
	engines []*Engine
	mail    []Message
	next    []Message
	applied int
}

func wire(b *testing.B, voters int) *wired {
	w := &wired{}
	for k := range voters {
		w.ids = append(w.ids, fmt.Sprintf("v%d", k))
	}
	for _, id := range w.ids {
		e, err := New(Config{ID: id, Rand: rand.New(rand.NewPCG(1, 1))}, Founding(w.ids...))
		if err != nil {
			b.Fatal(err)
		}
		w.engines = append(w.engines, e)
	}
	return w
}

func (w *wired) drain(e *Engine) {
	for {
		r := e.Ready()
		w.next = append(w.next, r.Messages...)
		if len(r.Decisions) == 0 {
			return
		}
		for _, d := range r.Decisions {
			if !d.Batch.Noop() {
				w.applied++
			}
			e.Applied(d.Instance, nil)
		}
	}
}

// settle delivers until nothing is said any more.
func (w *wired) settle() {
	for _, e := range w.engines {
		w.drain(e)
	}
	for len(w.next) > 0 {
		w.mail, w.next = w.next, w.mail[:0]
		for _, m := range w.mail {
			for k, id := range w.ids {
				if id == m.To {
					w.engines[k].Step(m)
					w.drain(w.engines[k])
				}
			}
		}
	}
}

// BenchmarkBatch decides one batch after another, from proposal to applied at every engine.
func BenchmarkBatch(b *testing.B) {
	for _, voters := range []int{1, 3, 5} {
		for name, writers := range map[string]int{"one writes": 1, "all write": voters} {
			b.Run(fmt.Sprintf("%d voters, %s", voters, name), func(b *testing.B) {
				w := wire(b, voters)
				mutation := make([]byte, 128)
				b.ReportAllocs()
				now := time.Duration(0)
				for k := 0; k < b.N; k += writers {
					for _, e := range w.engines[:writers] {
						if err := e.Propose(uint64(k+1), mutation); err != nil {
							b.Fatal(err)
						}
					}
					if now += 10 * time.Microsecond; k%1000 < writers {
						for _, e := range w.engines {
							e.Tick(now)
						}
					}
					w.settle()
				}
				if w.applied < b.N*voters {
					b.Fatalf("%d batches applied, not %d", w.applied, b.N*voters)
				}
			})
		}
	}
}
