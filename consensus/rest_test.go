package consensus

import (
	"testing"
	"time"

	"github.com/bmizerany/assert"
)

// greetings returns when e greets b from its time now on, until then, if it is ticked when it wants to be.
func greetings(e *Engine, until time.Duration) (at []time.Duration) {
	for e.raw < until {
		e.Tick(e.raw + e.NextTick())
		for _, m := range said(e, Status) {
			if m.To == "b" {
				at = append(at, e.raw)
			}
		}
	}
	return at
}

func TestWhoIsAtRestGreetsLessOften(t *testing.T) {
	e := lone(t)
	n := len(greetings(e, 3*delay))
	assert.T(t, n >= 9 && n <= 10, n)
	assert.Equal(t, nil, e.Propose(1, []byte("x"))) // nobody answers, so it is not at rest
	e.Ready()
	assert.T(t, len(greetings(e, e.raw+3*delay)) >= 11)
}

// Hosts with nothing to do need not wake up for each greeting by itself.
func TestWhoIsAtRestGreetsWithTheOthers(t *testing.T) {
	e := lone(t)
	e.Tick(1)
	assert.Equal(t, 2, len(said(e, Status)))
	e.Tick(delay / 10)
	hears(e, "b") // too soon
	assert.Equal(t, 0, len(said(e, Status)))
	e.Tick(delay / 4)
	hears(e, "b")
	assert.Equal(t, 2, len(said(e, Status)))
	hears(e, "c") // who answers that is not answered
	assert.Equal(t, 0, len(said(e, Status)))
	assert.Equal(t, delay/3, e.NextTick())
}

// Whatever the others' greetings are by ours, an echo of one is never older than FillDelay if nothing is late.
func TestVotersAtRestHearEachOther(t *testing.T) {
	for offset := time.Duration(0); offset < delay/3; offset += delay / 50 {
		a, b := lone(t, "a", "b"), lone(t, "a", "b")
		b.id = "b"
		b.restart(Founding("a", "b"))
		for now := time.Duration(1); now < 20*delay; now += delay / 100 {
			for _, e := range []*Engine{a, b} {
				if e == b && now < offset || now < e.raw+e.NextTick() && e.raw > 0 {
					continue
				}
				e.Tick(now)
			}
			for range 2 {
				for _, m := range a.Ready().Messages {
					b.Step(m)
				}
				for _, m := range b.Ready().Messages {
					a.Step(m)
				}
			}
			if now > 2*delay {
				assert.T(t, a.Silence("b") < delay && b.Silence("a") < delay, offset, now)
			}
		}
	}
}
