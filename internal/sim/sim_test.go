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

func TestSeeds(t *testing.T) {
	for seed := uint64(firstSeed); seed < firstSeed+someSeeds; seed++ {
		r := Run(seed, nil)
		if r.Err != nil {
			t.Errorf("seed %d: %v", seed, r.Err)
		}
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
