package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ha/doozerd/internal/e2e/raw"
)

// pipelineWindow is how many requests a pipelining client has outstanding at
// most, and pipelineBatch how many it sends in one write.
const (
	pipelineWindow = 512
	pipelineBatch  = 64
)

// load is what a server is given to do: the same for doozerd and the echo.
type load struct {
	frames    [][]byte // one per client, sent over and over
	pipelined bool
}

// rate measures answers per second over the given time.
func (l load) rate(addr string, span time.Duration) (float64, error) {
	conns := make([]net.Conn, len(l.frames))
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		conns[i] = c
	}
	client := askOneByOne
	if l.pipelined {
		client = askAhead
	}
	var stop atomic.Bool
	var answers atomic.Int64
	errs := make(chan error, len(conns))
	var work sync.WaitGroup
	began := time.Now()
	for i, c := range conns {
		work.Go(func() {
			count, err := client(c, l.frames[i], &stop)
			answers.Add(count)
			if err != nil {
				errs <- err
			}
		})
	}
	time.Sleep(span)
	stop.Store(true)
	work.Wait()
	elapsed := time.Since(began)
	select {
	case err := <-errs:
		return 0, err
	default:
		return float64(answers.Load()) / elapsed.Seconds(), nil
	}
}

// askOneByOne has one request outstanding at a time.
func askOneByOne(c net.Conn, frame []byte, stop *atomic.Bool) (answers int64, err error) {
	buf := make([]byte, 4096)
	for ; !stop.Load(); answers++ {
		if _, err := c.Write(frame); err != nil {
			return answers, err
		}
		if err := readFrame(c, buf); err != nil {
			return answers, err
		}
	}
	return answers, nil
}

// readFrame reads one answer that fits into buf, mostly in one read.
func readFrame(c net.Conn, buf []byte) error {
	for n := 0; ; {
		m, err := c.Read(buf[n:])
		if err != nil {
			return err
		}
		n += m
		if n >= 4 && n >= 4+int(binary.BigEndian.Uint32(buf)) {
			return nil
		}
	}
}

// askAhead keeps the window full.
func askAhead(c net.Conn, frame []byte, stop *atomic.Bool) (answers int64, err error) {
	batch := make([]byte, 0, len(frame)*pipelineBatch)
	for range pipelineBatch {
		batch = append(batch, frame...)
	}
	room := make(chan struct{}, pipelineWindow/pipelineBatch)
	failed := make(chan error, 1)
	go func() {
		defer close(room)
		for !stop.Load() {
			room <- struct{}{}
			if _, err := c.Write(batch); err != nil {
				failed <- err
				return
			}
		}
	}()
	r := bufio.NewReaderSize(c, 64<<10)
	for range room {
		for range pipelineBatch {
			if err := skipFrame(r); err != nil {
				return answers, err
			}
		}
		answers += pipelineBatch
	}
	select {
	case err := <-failed:
		return answers, err
	default:
		return answers, nil
	}
}

func skipFrame(r *bufio.Reader) error {
	size, err := r.Peek(4)
	if err != nil {
		return err
	}
	_, err = r.Discard(4 + int(binary.BigEndian.Uint32(size)))
	return err
}

// exchangeAll sends the frames, pipelined over one connection, and fails if
// one of them is answered with an error.
func exchangeAll(addr string, frames [][]byte) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	room := make(chan struct{}, pipelineWindow)
	sent := make(chan error, 1)
	go func() {
		w := bufio.NewWriterSize(c, 16<<10)
		for _, f := range frames {
			select {
			case room <- struct{}{}:
			default: // full: let the server see what it has yet to answer
				if err := w.Flush(); err != nil {
					sent <- err
					return
				}
				room <- struct{}{}
			}
			w.Write(f)
		}
		sent <- w.Flush()
	}()
	r := bufio.NewReaderSize(c, 64<<10)
	for range frames {
		if err := checkAnswer(r); err != nil {
			return err
		}
		<-room
	}
	return <-sent
}

func checkAnswer(r *bufio.Reader) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	message := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(r, message); err != nil {
		return err
	}
	a, err := raw.Parse(message)
	if err == nil && a.Err != 0 {
		err = fmt.Errorf("answered with an error: %+v", a)
	}
	return err
}
