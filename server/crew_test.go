package server

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/bmizerany/assert"
)

// No task waits for another, however many there are; then only so many rest, and these take what comes next.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, dismiss := context.WithCancel(t.Context())
		w, c := newCrew(ctx), new(conn)
		c.srv = &Server{crew: w}
		for range 2 {
			var together, all sync.WaitGroup
			together.Add(3 * maxResting)
			all.Add(3 * maxResting)
			for range 3 * maxResting {
				c.help(func(*conn) {
					defer all.Done()
					together.Done()
					together.Wait()
				})
			}
			all.Wait()
			c.helpers.Wait()
			synctest.Wait()
			assert.Equal(t, int32(maxResting), w.resting.Load())
		}
		var meanwhile int32
		c.help(func(*conn) { meanwhile = w.resting.Load() })
		c.helpers.Wait()
		assert.Equal(t, int32(maxResting-1), meanwhile)
		dismiss()
		synctest.Wait()
		assert.Equal(t, int32(0), w.resting.Load())
	})
}
