package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/e2e"
	"github.com/ha/doozerd/internal/e2e/raw"
	"github.com/ha/doozerd/internal/e2e/report"
)

// build builds the programs, once.
func (b *bench) build() error {
	if b.bins != (e2e.Binaries{}) {
		return nil
	}
	bins, err := e2e.Build(b.dir, false)
	if err != nil {
		return err
	}
	b.bins = bins
	return nil
}

// withNode runs f beside a daemon as an operator would start it.
func (b *bench) withNode(f func(*e2e.Node) error) error {
	if err := b.build(); err != nil {
		return err
	}
	n, err := b.bins.Start(e2e.Options{})
	if err != nil {
		return err
	}
	if err := f(n); err != nil {
		n.Kill()
		return err
	}
	return n.Stop()
}

// fill sets so many files of 128 bytes in dir, pipelined.
func fill(addr, dir string, files int) error {
	frames := make([][]byte, files)
	for i := range frames {
		frames[i] = setFrame(fmt.Sprintf("%s/f%d", dir, i))
	}
	return exchangeAll(addr, frames)
}

func setFrame(path string) []byte {
	return raw.Frame(raw.Request(fmt.Sprintf("tag=1 SET path=%s rev=-1 value=%d*v", path, bodySize)))
}

func measureResident(b *bench) error {
	const files, goal = 100_000, 60
	return b.withNode(func(n *e2e.Node) error {
		empty, err := n.RSS()
		if err != nil {
			return err
		}
		if err := fill(n.Addr, "/small", files); err != nil {
			return err
		}
		full, err := n.RSS()
		if err != nil {
			return err
		}
		b.add(atMost("resident, 100,000 files of 128 bytes, at once after they were set", goal, megabytes(full), "%.0f MB",
			fmt.Sprintf(" (empty: %.0f)", megabytes(empty))))
		return nil
	})
}

// measureIdle holds connections that have asked once and ask no more.
func measureIdle(b *bench) error {
	const conns = 5000
	return b.withNode(func(n *e2e.Node) error {
		before, err := n.RSS()
		if err != nil {
			return err
		}
		for range conns {
			c, err := raw.Dial(n.Addr, e2e.Patience)
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := c.Ask("REV"); err != nil {
				return err
			}
		}
		after, err := n.RSS()
		if err != nil {
			return err
		}
		b.add(forOrientation("resident per idle connection",
			fmt.Sprintf("%.1f kB (%d connections)", float64(after-before)/conns/(1<<10), conns)))
		return nil
	})
}

func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// setCost measures the time of one set of a random file through TCP, many
// pipelined, in nanoseconds.
func setCost(addr, dir string, files int) func() (float64, error) {
	random := rand.New(rand.NewPCG(2, uint64(files)))
	frames := make([][]byte, distinct)
	for i := range frames {
		frames[i] = setFrame(fmt.Sprintf("%s/f%d", dir, random.IntN(files)))
	}
	return func() (float64, error) {
		began := time.Now()
		err := exchangeAll(addr, frames)
		return float64(time.Since(began).Nanoseconds()) / distinct, err
	}
}

// setAlone measures the same for one client that waits for each answer.
func setAlone(c *client.Client, dir string, files int) func() (float64, error) {
	const sets = 5000
	random := rand.New(rand.NewPCG(3, uint64(files)))
	body := make([]byte, bodySize)
	return func() (float64, error) {
		began := time.Now()
		for range sets {
			path := fmt.Sprintf("%s/f%d", dir, random.IntN(files))
			if _, err := c.Set(context.Background(), path, client.Clobber, body); err != nil {
				return 0, err
			}
		}
		return float64(time.Since(began).Nanoseconds()) / sets, nil
	}
}

// measureSets compares sets into directories of different sizes in one node.
func measureSets(b *bench, n *e2e.Node) error {
	c, err := client.Dial(context.Background(), n.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	var alone, pipelined []func() (float64, error)
	for _, files := range []int{100, 10_000, 1_000_000} {
		dir := fmt.Sprintf("/of%d", files)
		if err := fill(n.Addr, dir, files); err != nil {
			return err
		}
		alone = append(alone, setAlone(c, dir, files))
		pipelined = append(pipelined, setCost(n.Addr, dir, files))
	}
	if err := b.addSets("one client that waits for each answer", alone); err != nil {
		return err
	}
	return b.addSets("pipelined", pipelined)
}

func (b *bench) addSets(how string, costs []func() (float64, error)) error {
	const rounds = 7
	found, err := interleave(rounds, costs...)
	if err != nil {
		return err
	}
	b.add(forOrientation("set into a directory of 100 / 10,000 / 1,000,000 files, "+how,
		fmt.Sprintf("%.1f / %.1f / %.1f µs", report.Median(found[0])/1e3, report.Median(found[1])/1e3, report.Median(found[2])/1e3)))
	b.add(atMost("the same, 1,000,000 to 100", 2, ratio(found[2], found[0]), "%.2f", ""))
	return nil
}

func measureDaemon(b *bench) error {
	if err := b.withNode(func(n *e2e.Node) error { return measureSets(b, n) }); err != nil {
		return err
	}
	return b.withNode(func(alone *e2e.Node) error {
		return b.withNode(func(watched *e2e.Node) error { return measureWatched(b, alone, watched) })
	})
}

// measureWatched compares two daemons, at one of which others wait.
func measureWatched(b *bench, alone, watched *e2e.Node) error {
	const rounds, conns, waitsEach, files = 7, 100, 1000, 10_000
	for i := range conns {
		c, err := raw.Dial(watched.Addr, e2e.Patience)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := holdWaits(c, i*waitsEach, waitsEach); err != nil {
			return err
		}
	}
	for _, n := range []*e2e.Node{alone, watched} {
		if err := fill(n.Addr, "/of", files); err != nil {
			return err
		}
	}
	found, err := interleave(rounds, setCost(alone.Addr, "/of", files), setCost(watched.Addr, "/of", files))
	if err != nil {
		return err
	}
	b.add(atMost("one event, 100,000 waits elsewhere to none, pipelined", 1.5, ratio(found[1], found[0]), "%.2f",
		fmt.Sprintf(" (%.1f to %.1f µs)", report.Median(found[1])/1e3, report.Median(found[0])/1e3)))
	return nil
}

// holdWaits leaves waits outstanding on a connection, and sees that none was
// refused.
func holdWaits(c *raw.Conn, first, count int) error {
	requests := make([]string, count)
	for i := range requests {
		requests[i] = fmt.Sprintf("tag=%d WAIT path=%s rev=1", i, elsewhere(first+i))
	}
	if err := c.Send(requests...); err != nil {
		return err
	}
	a, err := c.Ask("tag=-1 NOP")
	if err == nil && a.Tag != -1 {
		err = fmt.Errorf("a wait was answered: %+v", a)
	}
	return err
}

func measureListings(b *bench) error {
	const rounds = 5
	return b.withNode(func(n *e2e.Node) error {
		if err := fill(n.Addr, "/of10000", 10_000); err != nil {
			return err
		}
		if err := fill(n.Addr, "/of100000", 100_000); err != nil {
			return err
		}
		ctx := context.Background()
		c, err := client.Dial(ctx, n.Addr)
		if err != nil {
			return err
		}
		defer c.Close()
		for _, kind := range []struct {
			what string
			list func(files int) func() (float64, error)
		}{
			{"listing a directory", func(files int) func() (float64, error) {
				return listingTime(files, func(yield func()) error {
					for _, err := range c.Getdir(ctx, fmt.Sprintf("/of%d", files), client.Now) {
						if err != nil {
							return err
						}
						yield()
					}
					return nil
				})
			}},
			{"walking a tree", func(files int) func() (float64, error) {
				return listingTime(files, func(yield func()) error {
					for _, err := range c.Walk(ctx, fmt.Sprintf("/of%d/**", files), client.Now) {
						if err != nil {
							return err
						}
						yield()
					}
					return nil
				})
			}},
		} {
			times, err := interleave(rounds, kind.list(10_000), kind.list(100_000))
			if err != nil {
				return err
			}
			b.add(atMost(kind.what+", 10 times the entries", 12, ratio(times[1], times[0]), "%.1f times the time", ""))
			b.add(atMost(kind.what+" of 100,000 entries", 1, report.Median(times[1]), "%.2f s", ""))
		}
		return nil
	})
}

// listingTime measures a listing in seconds, and sees that it is complete.
func listingTime(files int, list func(yield func()) error) func() (float64, error) {
	return func() (float64, error) {
		entries := 0
		began := time.Now()
		if err := list(func() { entries++ }); err != nil {
			return 0, err
		}
		if entries != files {
			return 0, fmt.Errorf("a listing of %d entries has %d", files, entries)
		}
		return time.Since(began).Seconds(), nil
	}
}
