package sim

import (
	"fmt"
	"testing"

	"github.com/bmizerany/assert"
)

// firstSeed and someSeeds are what every test run tries; many more are run by make sim.
const (
	firstSeed = 1
	someSeeds = 60
)

// onceFailed are seeds that have found something: answers to an earlier fill taken for one to the next; fills that
// raced ahead on an idle cluster; voters taken for silent because they greet others less often; a follower that
// could never catch up through a small window; an owner starved by a voter cut off from it; a node that
// left when it was cut off, and was needed; a voter that stood and took the slot of another.
var onceFailed = []uint64{29, 161, 229, 1021, 5430, 10027, 20542, 21522, 21686, 21756, 21814, 22983, 40686, 204898, 530830147, 530830415, 530830662}

func TestSeeds(t *testing.T) {
	for seed := uint64(firstSeed); seed < firstSeed+someSeeds; seed++ {
		passes(t, seed)
	}
}

func TestSeedsThatOnceFailed(t *testing.T) {
	for _, seed := range onceFailed {
		passes(t, seed)
	}
}

func passes(t *testing.T, seed uint64) {
	t.Helper()
	if r := Run(seed, nil); r.Err != nil {
		t.Errorf("seed %d: %v", seed, r.Err)
	}
}

func TestSameSeedSameRun(t *testing.T) {
	for seed := uint64(1); seed < 6; seed++ {
		assert.Equal(t, fmt.Sprint(Run(seed, nil)), fmt.Sprint(Run(seed, nil)))
	}
}

func BenchmarkSeeds(b *testing.B) {
	for k := range b.N {
		if r := Run(uint64(k)+1, nil); r.Err != nil {
			b.Fatalf("seed %d: %v", k+1, r.Err)
		}
	}
}
