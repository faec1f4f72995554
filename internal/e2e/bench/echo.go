package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
)

// serveEcho is the echo server: a goroutine per connection reads frames and
// answers each with the same bytes. The bare one writes each answer as it is
// due; one that collects writes when there is nothing more to read. It prints
// its address and ends with its standard input.
func serveEcho(reply string, collect bool) error {
	answer, err := hex.DecodeString(reply)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go echo(c, answer, collect)
		}
	}()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func echo(c net.Conn, answer []byte, collect bool) {
	defer c.Close()
	r, w := bufio.NewReader(c), bufio.NewWriter(c)
	var size [4]byte
	for body := make([]byte, 0, 4096); ; {
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint32(size[:]))
		if n > cap(body) {
			return
		}
		if _, err := io.ReadFull(r, body[:n]); err != nil {
			return
		}
		w.Write(answer)
		if collect && r.Buffered() > 0 {
			continue
		}
		if w.Flush() != nil {
			return
		}
	}
}

// process is this program in another role.
type process struct {
	addr   string // the first line it printed
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.Reader
}

// startRole runs this program with the arguments until stop is called. It
// returns when the process has printed its first line.
func startRole(args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, stdin: stdin, stdout: stdout}
	if _, err := fmt.Fscanln(stdout, &p.addr); err != nil {
		p.stop()
		return nil, fmt.Errorf("%v does not come up: %w", args, err)
	}
	return p, nil
}

func (p *process) stop() error {
	p.stdin.Close()
	return p.cmd.Wait()
}
