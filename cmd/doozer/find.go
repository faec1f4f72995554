package main

import (
	"bufio"
	"container/list"
	"context"
	"fmt"
	"io"

	"github.com/ha/doozerd/client"
)

// findWindow is how many paths find asks about at once: enough that round trips
// do not add up, far fewer than a connection allows.
const findWindow = 256

func findCommand() command {
	return command{
		name:    "find",
		args:    []string{"PATH"},
		summary: "print the paths of a directory and of all below it",
		help: `Prints PATH and, if it is a directory, the paths of all directories and files
below it, one per line: each directory before what is in it, names in byte
order, everything as it was at one rev.`,
		example: `$ doozer find /ctl/cal
/ctl/cal
/ctl/cal/0`,
		options: []string{"r", "json"},
		run:     func(ctx context.Context, c *call) error { return c.withClient(ctx, c.find) },
	}
}

func (c *call) find(ctx context.Context, cl *client.Client) error {
	rev, err := c.revOrCurrent(ctx, cl)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // what was asked ahead, if an error ends it
	t := newTree(ctx, cl, rev, c.args[0])
	defer t.close()
	out := bufio.NewWriter(c.stdout)
	err = c.printTree(out, t)
	if flushed := out.Flush(); err == nil {
		err = asOutputError(flushed)
	}
	return err
}

func (c *call) printTree(out io.Writer, t *tree) error {
	for n := t.next(); n != nil; n = t.next() {
		if n.err != nil {
			return n.err
		}
		if err := c.printTo(out, fmt.Appendln(nil, n.path), n.object()); err != nil {
			return err
		}
	}
	return nil
}

// A tree yields the paths of a tree in order: parents first, names in byte
// order. It holds the paths that are known and not yet yielded in that order,
// and asks the server about the first findWindow of them side by side; a
// directory's entries go in behind it as soon as they are known, so that many
// small directories take hardly more round trips than a large one.
type tree struct {
	client *client.Client
	rev    int64
	nodes  list.List // of *node
	asked  chan *node
	ahead  int // of the first, how many were asked about
}

// A node is a file or a directory that is to be yielded.
type node struct {
	path     string
	known    chan struct{} // nil: not asked about; closed: the rest is filled in
	expanded bool          // its entries are in the tree
	rev      int64
	n        int
	names    []string // of its entries, if it is a directory
	err      error
}

// newTree returns the tree below path, as of rev. It must be closed.
func newTree(ctx context.Context, cl *client.Client, rev int64, path string) *tree {
	t := &tree{client: cl, rev: rev, asked: make(chan *node, findWindow)}
	t.nodes.PushBack(&node{path: path})
	for range findWindow {
		go t.learn(ctx)
	}
	return t
}

// close ends the goroutines that ask, once their answers are there.
func (t *tree) close() { close(t.asked) }

// next takes the first path out of the tree, once all about it is known. It
// returns nil if there is none.
func (t *tree) next() *node {
	front := t.nodes.Front()
	if front == nil {
		return nil
	}
	n := front.Value.(*node)
	if t.ahead--; t.ahead < findWindow/2 || !n.isKnown() {
		t.ask()
	}
	<-n.known
	t.expand(front)
	t.nodes.Remove(front)
	return n
}

// ask expands what is known among the first paths, and asks about the others.
func (t *tree) ask() {
	t.ahead = findWindow
	e := t.nodes.Front()
	for i := 0; i < findWindow && e != nil; i++ {
		n := e.Value.(*node)
		switch {
		case n.known == nil:
			n.known = make(chan struct{})
			t.asked <- n
		case n.isKnown():
			t.expand(e)
		}
		e = e.Next()
	}
}

// expand puts the entries of a known directory behind it.
func (t *tree) expand(e *list.Element) {
	n := e.Value.(*node)
	if n.expanded {
		return
	}
	n.expanded = true
	for _, name := range n.names {
		e = t.nodes.InsertAfter(&node{path: join(n.path, name)}, e)
	}
	n.names = nil
}

// learn asks the server about what was asked, until the tree is closed.
func (t *tree) learn(ctx context.Context) {
	for n := range t.asked {
		n.rev, n.n, n.err = t.client.Stat(ctx, n.path, t.rev)
		if n.err == nil && n.rev <= client.Missing {
			n.err = t.list(ctx, n)
		}
		close(n.known)
	}
}

// list fills in the names of a directory's entries. For what is missing it is
// the server that says so.
func (t *tree) list(ctx context.Context, n *node) error {
	if n.n == 1 { // no need to ask ahead for an end that is known
		name, err := t.client.GetdirAt(ctx, n.path, 0, t.rev)
		n.names = []string{name}
		return err
	}
	for name, err := range t.client.Getdir(ctx, n.path, t.rev) {
		if err != nil {
			return err
		}
		n.names = append(n.names, name)
	}
	return nil
}

func (n *node) isKnown() bool {
	if n.known == nil {
		return false
	}
	select {
	case <-n.known:
		return true
	default:
		return false
	}
}

// object is n for -json.
func (n *node) object() any {
	if n.rev == client.Dir {
		return dirObject{n.path, true, n.n}
	}
	return fileObject{n.path, n.rev, n.n}
}

// join is the path of an entry of a directory.
func join(dir, name string) string {
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}
