package client_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/ha/doozerd/client"
)

func BenchmarkGet(b *testing.B) {
	n := startNode(b, 0)
	c := dial(b, n.listen(""))
	n.set("/a", "hello")
	get := func() {
		if _, _, err := c.Get(context.Background(), "/a", client.Now); err != nil {
			b.Error(err)
		}
	}
	b.Run("sequential", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			get()
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				get()
			}
		})
	})
}

// BenchmarkListing lists 100,000 files: an op is a whole listing.
func BenchmarkListing(b *testing.B) {
	const files = 100_000
	n := startNode(b, 10)
	c := dial(b, n.listen(""))
	for i := range files {
		n.set(fmt.Sprintf("/d/%d", i), "0123456789abcdef")
	}
	check := func(b *testing.B, seen int, err error) {
		if seen != files || err != nil {
			b.Fatalf("%d files, %v", seen, err)
		}
	}
	b.Run("Walk", func(b *testing.B) {
		for b.Loop() {
			seen := 0
			for _, err := range c.Walk(context.Background(), "/d/*", client.Now) {
				seen++
				check(b, files, err)
			}
			check(b, seen, nil)
		}
	})
	b.Run("Getdir", func(b *testing.B) {
		for b.Loop() {
			seen := 0
			for _, err := range c.Getdir(context.Background(), "/d", client.Now) {
				seen++
				check(b, files, err)
			}
			check(b, seen, nil)
		}
	})
}

// BenchmarkWatch reads events from history: an op is an event.
func BenchmarkWatch(b *testing.B) {
	const history = 100_000
	n := startNode(b, history)
	c := dial(b, n.listen(""))
	first := n.set("/w", "")
	for range history - 100 {
		n.set("/w", "")
	}
	b.ResetTimer()
	for done := 0; done < b.N; {
		for _, err := range c.Watch(context.Background(), "/w", first) {
			if err != nil {
				b.Fatal(err)
			}
			if done++; done == b.N || done%(history-100) == 0 {
				break
			}
		}
	}
}
