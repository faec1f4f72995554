package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/e2e"
)

// connect connects to host n alone, for the length of a test.
func (c *Cluster) connect(t *testing.T, n int) *client.Client {
	t.Helper()
	cl, err := c.Dial(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cl.Close() })
	return cl
}

// patient is a context of things that must happen.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), e2e.Patience)
	t.Cleanup(cancel)
	return ctx
}

func TestTwentyNodesAtOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, Options{Hosts: 20, Founders: 5, Flags: testFlags})
	c.sh(t, `
		launch $(seq 20)
		serving $(seq 20)
		for n in 1 2 3 4 5; do eventually voter $n; done
		for n in $(seq 20); do eventually member $n; done
		voters 5`)
	w := c.work(t, 20)
	w.progress(t)
	w.end(t, upTo(5)...)
}

// Two clusters of one name. A node of the one turns up at an address of the other: it is not let in, and neither learns
// anything of the other.
func TestCrossedClusters(t *testing.T) {
	t.Parallel()
	c := newCluster(t, Options{Hosts: 6, Founders: 3, Flags: testFlags})
	c.sh(t, `
		start 1 2 3
		for n in 4 5 6; do run $n -a $(addr 4) -a $(addr 5) -a $(addr 6); done
		serving 4 5 6
		ask 1 set /who -1 <<<one
		ask 4 set /who -1 <<<other`)
	w := c.work(t, 3)
	c.sh(t, `
		kill -9 $(pid 3)
		ended 3
		run 3 -a $(addr 4)
		serving 3
		from 4 eventually member 3
		from 1 eventually voters 2
		! from 1 member 3
		[ "$(ask 1 get /who)" = one ]
		[ "$(ask 3 get /who)" = other ]`)
	assert.Equal(t, nil, w.sameAt(1, 2))
	c.sh(t, `
		kill $(pid 3)
		ended 3
		from 4 eventually voters 3
		run 3 -c strange -a $(addr 1)
		ended 3
		grep "a node of another cluster answers at $(addr 1)" $dir/log.3
		start 3
		from 1 eventually voter 3
		[ "$(ask 3 get /who)" = one ]
		[ "$(ask 4 get /who)" = other ]
		kill -9 $(pid 4) $(pid 5) $(pid 6)`)
	w.progress(t)
	w.end(t, 1, 2, 3)
}

// All voters die at once, and are started again with the list that they had. An observer that is not in it has
// the data, and they find out: no empty cluster is founded beside it. Once it has escaped, they are its voters
// when they are told where it is.
func TestAnObserverKeepsWhatAllVotersLost(t *testing.T) {
	t.Parallel()
	c := newCluster(t, Options{Hosts: 4, Founders: 3, Flags: testFlags})
	c.sh(t, `
		start 1 2 3
		run 4 -a $(addr 1) -a $(addr 2) -a $(addr 3)
		serving 4
		from 4 eventually member 4
		has() { [ "$(ask $1 get /kept)" = kept ]; }
		ask 1 set /kept -1 <<<kept
		from 4 eventually has 4
		kill -9 $(pid 1) $(pid 2) $(pid 3)
		ended 1 2 3
		start 1 2 3
		for n in 1 2 3; do has $n; done
		eventually ask 4 escape $(id 4)
		kill -9 $(pid 1) $(pid 2) $(pid 3)
		ended 1 2 3
		for n in 1 2 3; do run $n -a $(addr 4); done
		serving 1 2 3
		from 4 eventually voters 3
		for n in 1 2 3 4; do has $n; done
		ask 4 set /kept -1 <<<still`)
}

// Load balancers are told by whom clients are served well: by nobody without a majority, although an observer
// still hears a voter.
func TestNobodyIsReadyWithoutAMajority(t *testing.T) {
	t.Parallel()
	c := newCluster(t, Options{Hosts: 4, Founders: 3, Flags: testFlags + " -w true"})
	c.sh(t, `
		ready() {
			local code
			exec 9<>"/dev/tcp/$net.$1/8000"
			printf 'GET /readyz HTTP/1.0\r\n\r\n' >&9
			read -r _ code _ <&9
			[ "$code" = 200 ] || { [ "$code" = 503 ] && return 1; }
		}
		start 1 2 3
		run 4 -a $(addr 1) -a $(addr 2) -a $(addr 3)
		serving 4
		from 4 eventually member 4
		for n in 1 2 3 4; do ready $n; done
		kill -STOP $(pid 2) $(pid 3)
		for n in 1 4; do
			not() { ! ready $n; }
			from $n eventually not
		done
		kill -CONT $(pid 2) $(pid 3)
		from 1 eventually ready 1
		from 4 eventually ready 4`)
}

func TestValuesOfEverySizeThroughEveryNode(t *testing.T) {
	t.Parallel()
	c := newCluster(t, Options{Hosts: 3, Flags: testFlags + " -hist 2000"})
	c.sh(t, "start 1 2 3")
	w := c.work(t, 3)
	const limit = 1 << 20
	var all []*client.Client
	for n := 1; n <= 3; n++ {
		all = append(all, c.connect(t, n))
	}
	var group sync.WaitGroup
	for k, cl := range all {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(k)))
			for _, size := range []int{0, 1, 127, 128, 2989, 2990, 1 << 16, limit - 1, limit} {
				if err := everywhere(patient(t), all, cl, fmt.Sprintf("/values/%d/%d", k, size), noise(random, size)); err != nil {
					t.Errorf("%d bytes through host %d: %v", size, k+1, err)
				}
			}
			_, err := cl.Set(patient(t), "/values/toolarge", client.Clobber, make([]byte, limit+1))
			var refused *client.Error
			if !errors.As(err, &refused) || refused.Code != client.Other {
				t.Errorf("more than the limit, through host %d: %v", k+1, err)
			}
		})
	}
	group.Wait()
	w.progress(t)
	w.end(t, 1, 2, 3)
}

func noise(random *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for k := range b {
		b[k] = byte(random.Uint32())
	}
	return b
}

// everywhere writes a file through one node and reads it at all of them.
func everywhere(ctx context.Context, all []*client.Client, through *client.Client, path string, body []byte) error {
	rev, err := through.Set(ctx, path, client.Missing, body)
	if err != nil {
		return err
	}
	for k, cl := range all {
		got, at, err := cl.Get(ctx, path, rev)
		if err != nil || at != rev || !bytes.Equal(got, body) {
			return fmt.Errorf("host %d has %d bytes of rev %d, not of %d (%w)", k+1, len(got), at, rev, err)
		}
	}
	return nil
}

func TestJoiningAHundredThousandFilesUnderLoad(t *testing.T) {
	t.Parallel()
	const files = 100_000
	c := newCluster(t, Options{Hosts: 4, Founders: 3, Flags: testFlags + " -hist 20000"})
	c.sh(t, "start 1 2 3")
	assert.Equal(t, nil, c.Fill(patient(t), "/many", files))
	w := c.work(t, 3)
	began := time.Now()
	c.sh(t, "run 4 -a $(addr 1); serving 4")
	t.Logf("joined %d files in %v", files, time.Since(began))
	c.sh(t, "doozer set /ctl/cal/3 0 </dev/null; from 4 eventually voter 4")
	for n := 1; n <= 4; n++ {
		_, entries, err := c.connect(t, n).Stat(patient(t), "/many", client.Now)
		assert.Equal(t, nil, err)
		assert.Equal(t, files, entries)
	}
	w.progress(t)
	w.end(t, 1, 2, 3, 4)
}
