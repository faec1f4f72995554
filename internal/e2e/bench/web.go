package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/ha/doozerd/internal/e2e"
	"github.com/ha/doozerd/internal/e2e/browser"
	"github.com/ha/doozerd/internal/e2e/raw"
	"github.com/ha/doozerd/internal/e2e/report"
)

const (
	webLoads   = 7    // first loads of which the median is taken
	webChanges = 60   // changes that are timed on their way to the page
	webPages   = 1000 // that follow one node
	webFiles   = 100000

	// What was promised.
	webBytesGoal = 60.0  // kB
	webDelayGoal = 100.0 // ms
)

// measureWeb measures what the WebView costs its reader, and its node.
func measureWeb(b *bench) error {
	if err := b.build(); err != nil {
		return err
	}
	browsers, err := browser.Start()
	if err != nil {
		return err
	}
	defer browsers.Close()
	for _, measure := range []func(*browser.Browser) error{b.firstLoad, b.changeDelay} {
		if err := measure(browsers); err != nil {
			return err
		}
	}
	return b.openPages()
}

// A webNode is a node with a WebView and a client.
type webNode struct {
	*e2e.Node
	conn *raw.Conn
}

func (b *bench) startWeb(files int) (*webNode, error) {
	n, err := b.bins.Start(e2e.Options{Flags: []string{"-w", "127.0.0.1:0"}})
	if err != nil {
		return nil, err
	}
	c, err := raw.Dial(n.Addr, e2e.Patience)
	if err != nil {
		n.Kill()
		return nil, err
	}
	w := &webNode{n, c}
	return w, w.fill(files)
}

func (w *webNode) stop() {
	w.conn.Close()
	w.Kill()
}

// fill makes files in /many.
func (w *webNode) fill(files int) error {
	received := make(chan error, 1)
	go func() {
		for range files {
			if _, err := w.conn.Recv(); err != nil {
				received <- err
				return
			}
		}
		received <- nil
	}()
	for i := range files {
		if err := w.conn.Send(fmt.Sprintf("SET path=/many/%06d rev=-1 value=%d", i, i)); err != nil {
			return err
		}
	}
	return <-received
}

// A pageLoad is what one first load of a page took.
type pageLoad struct {
	paint, heap float64 // milliseconds, bytes
	bytes       int64
	requests    int
}

func loadPage(browsers *browser.Browser, w *webNode, path, until string) (l pageLoad, err error) {
	p, err := browsers.Open(w.Web, browser.Options{})
	if err != nil {
		return l, err
	}
	defer p.Close()
	if err := p.Go(path); err != nil {
		return l, err
	}
	if err := p.WaitFor(`document.querySelector("#state.live") && performance.getEntriesByName("first-contentful-paint").length && ` + until); err != nil {
		return l, err
	}
	if l.paint, err = browser.Eval[float64](p, `performance.getEntriesByName("first-contentful-paint")[0].startTime`); err != nil {
		return l, err
	}
	if l.heap, err = browser.Eval[float64](p, `performance.memory.usedJSHeapSize`); err != nil {
		return l, err
	}
	for _, r := range p.Requests() {
		l.bytes += r.Bytes
		l.requests++
	}
	return l, nil
}

// firstLoad loads a page with few files and one with many, in turns.
func (b *bench) firstLoad(browsers *browser.Browser) error {
	few, err := b.startWeb(20)
	if err != nil {
		return err
	}
	defer few.stop()
	many, err := b.startWeb(webFiles)
	if err != nil {
		return err
	}
	defer many.stop()
	var small, large []pageLoad
	for range webLoads {
		for _, l := range []struct {
			node  *webNode
			loads *[]pageLoad
		}{{few, &small}, {many, &large}} {
			got, err := loadPage(browsers, l.node, "/many", `document.querySelector('.row[data-path="/many/000000"]')`)
			if err != nil {
				return err
			}
			*l.loads = append(*l.loads, got)
		}
	}
	paint := func(loads []pageLoad) float64 { return medianOf(loads, func(l pageLoad) float64 { return l.paint }) }
	kilobytes := medianOf(small, func(l pageLoad) float64 { return float64(l.bytes) / 1e3 })
	b.add(atMost("first load, compressed, headers included", webBytesGoal, kilobytes, "%.0f kB", fmt.Sprintf(" (%d requests)", small[0].requests)))
	b.add(forOrientation("first contentful paint, a directory of 20 / 100,000 files", fmt.Sprintf("%.0f / %.0f ms", paint(small), paint(large))))
	b.add(forOrientation("heap of the page, the same", fmt.Sprintf("%.1f / %.1f MB",
		medianOf(small, func(l pageLoad) float64 { return l.heap })/1e6, medianOf(large, func(l pageLoad) float64 { return l.heap })/1e6)))
	return nil
}

func medianOf[T any](all []T, figure func(T) float64) float64 {
	var figures []float64
	for _, x := range all {
		figures = append(figures, figure(x))
	}
	return report.Median(figures)
}

// changeDelay times changes from before they are sent to their being in the page,
// which looks at the same clock.
func (b *bench) changeDelay(browsers *browser.Browser) error {
	w, err := b.startWeb(20)
	if err != nil {
		return err
	}
	defer w.stop()
	p, err := browsers.Open(w.Web, browser.Options{})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.Go("/many"); err != nil {
		return err
	}
	if err := p.WaitFor(`document.querySelector("#state.live") && document.querySelector(".row[data-path='/many/000000']")`); err != nil {
		return err
	}
	const watch = `window.seen = {}; new MutationObserver(() => {
		const text = document.querySelector(".row[data-path='/many/000000'] .value").textContent;
		window.seen[text] ??= performance.timeOrigin + performance.now();
	}).observe(document.querySelector(".sizer"), {subtree: true, childList: true, characterData: true}); true`
	if _, err := browser.Eval[bool](p, watch); err != nil {
		return err
	}
	var delays []float64
	for i := range webChanges {
		value := fmt.Sprintf("change%d", i)
		sent := time.Now()
		if _, err := w.conn.Callf("SET path=/many/000000 rev=-1 value=%s", value); err != nil {
			return err
		}
		if err := p.WaitFor(fmt.Sprintf("window.seen[%q]", value)); err != nil {
			return err
		}
		at, err := browser.Eval[float64](p, fmt.Sprintf("window.seen[%q]", value))
		if err != nil {
			return err
		}
		delays = append(delays, at-float64(sent.UnixMicro())/1e3)
		time.Sleep(time.Duration(rand.IntN(120)) * time.Millisecond) // so that changes meet every phase of the pace
	}
	slices.Sort(delays)
	b.add(atMost("a change, from its request to the page, 95 of 100", webDelayGoal, delays[len(delays)*95/100], "%.0f ms",
		fmt.Sprintf(" (half: %.0f ms, all: %.0f ms)", delays[len(delays)/2], delays[len(delays)-1])))
	return nil
}

// openPages measures what many pages cost their node.
func (b *bench) openPages() error {
	w, err := b.startWeb(1000)
	if err != nil {
		return err
	}
	defer w.stop()
	before, err := w.RSS()
	if err != nil {
		return err
	}
	for _, pages := range []int{0, webPages} {
		for range pages {
			if err := w.follow(); err != nil {
				return err
			}
		}
		if pages > 0 {
			after, err := w.RSS()
			if err != nil {
				return err
			}
			b.add(forOrientation("resident per open page", fmt.Sprintf("%.0f kB (1,000 pages: %.0f MB)", float64(after-before)/1e3/float64(pages), float64(after-before)/1e6)))
		}
		for _, rate := range []int{1, 20, 1000} {
			load, err := w.busy(rate)
			if err != nil {
				return err
			}
			b.add(forOrientation(fmt.Sprintf("processor of the daemon, %d pages open, %d changes per second", pages, rate), fmt.Sprintf("%.1f %% of one", 100*load)))
		}
	}
	return nil
}

// follow opens the stream of a page and reads it to its end.
func (w *webNode) follow() error {
	answer, err := http.Get(w.Web + "_/stream")
	if err != nil {
		return err
	}
	go io.Copy(io.Discard, answer.Body)
	return nil
}

// busyFor is how long the load lasts.
const busyFor = 5 * time.Second

// busy changes files at a rate and returns the share of a processor that the
// daemon takes.
func (w *webNode) busy(rate int) (float64, error) {
	before, err := w.CPU()
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	for i := 0; time.Since(begin) < busyFor; i++ {
		if _, err := w.conn.Callf("SET path=/many/%06d rev=-1 value=%d", i%1000, i); err != nil {
			return 0, err
		}
		time.Sleep(time.Until(begin.Add(time.Duration(i+1) * time.Second / time.Duration(rate))))
	}
	after, err := w.CPU()
	return (after - before).Seconds() / time.Since(begin).Seconds(), err
}
