package consensus

import (
	"slices"
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
	n := len(greetings(e, delay-1))
	assert.T(t, n >= 3 && n <= 4, n)
	n = len(greetings(e, 11*delay)) // all sleep
	assert.T(t, n >= 10 && n <= 11, n)
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

// Who wakes up gives others time to be heard again, but not those who were silent all through its sleep.
func TestWhoIsSilentThroughOurSleep(t *testing.T) {
	e := lone(t)
	until := func(last int, heard ...string) {
		for e.now < time.Duration(last)*delay {
			e.Tick(e.raw + delay)
			for _, id := range heard {
				hears(e, id)
			}
			e.Ready()
		}
		assert.T(t, e.asleep())
	}
	until(5, "b", "c")
	until(8, "c")
	assert.T(t, !e.silent(e.peer("b")))
	until(20, "c")
	assert.T(t, e.silent(e.peer("b")))
	assert.T(t, !e.silent(e.peer("c")))
}

// However far voters are from each other, and however their greetings fall, nobody that lives is taken for
// silent, at rest or at work.
func TestVotersHearEachOther(t *testing.T) {
	for _, oneWay := range []time.Duration{0, delay / 10, delay / 5, delay / 4, delay / 3, delay / 2, delay} {
		for offset := time.Duration(0); offset < delay/3; offset += delay / 30 {
			hearEachOther(t, oneWay, offset)
		}
	}
}

func hearEachOther(t *testing.T, oneWay, offset time.Duration) {
	a, b := lone(t, "a", "b"), lone(t, "a", "b")
	b.id = "b"
	b.restart(Founding("a", "b"))
	engines := map[string]*Engine{"a": a, "b": b}
	onTheWay := map[time.Duration][]Message{}
	for now := time.Duration(1); now < 60*delay; now += delay / 100 {
		if now > 30*delay && now%(7*delay) < delay/100 {
			a.Tick(now)
			assert.Equal(t, nil, a.Propose(uint64(now), nil))
		}
		for _, e := range []*Engine{a, b} {
			arrived := slices.DeleteFunc(slices.Clone(onTheWay[now]), func(m Message) bool { return m.To != e.id })
			if e == b && now < offset || len(arrived) == 0 && e.raw > 0 && now < e.raw+e.NextTick() && len(e.proposer.waiting) == 0 {
				continue
			}
			e.Tick(now)
			for _, m := range arrived {
				engines[m.To].Step(m)
			}
			r := e.Ready()
			for _, d := range r.Decisions {
				e.Applied(d.Instance, nil)
			}
			due := now + max(oneWay, delay/100)/(delay/100)*(delay/100)
			onTheWay[due] = append(onTheWay[due], r.Messages...)
		}
		if p, q := a.peer("b"), b.peer("a"); now > 20*delay {
			assert.T(t, a.raw < now || !a.silent(p), oneWay, offset, now, a.now-p.echoed)
			assert.T(t, b.raw < now || !b.silent(q), oneWay, offset, now, b.now-q.echoed)
		}
	}
	assert.T(t, a.counters.Fills+b.counters.Fills == 0, oneWay, offset)
	assert.T(t, a.LastApplied() > 3)
}
