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
	out := bufio.NewWriter(c.stdout)
	err = c.printTree(ctx, out, &tree{client: cl, rev: rev})
	if flushed := out.Flush(); err == nil {
		err = asOutputError(flushed)
	}
	return err
}

func (c *call) printTree(ctx context.Context, out io.Writer, t *tree) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // what was asked ahead
	t.add(c.args[0])
	for n := t.next(ctx); n != nil; n = t.next(ctx) {
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
// small directories take no more round trips than a large one.
type tree struct {
	client *client.Client
	rev    int64
	nodes  list.List // of *node
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

func (t *tree) add(path string) { t.nodes.PushBack(&node{path: path}) }

// next takes the first path out of the tree, once all about it is known. It
// returns nil if there is none.
func (t *tree) next(ctx context.Context) *node {
	front := t.nodes.Front()
	if front == nil {
		return nil
	}
	n := front.Value.(*node)
	if !n.isKnown() {
		t.ask(ctx)
		<-n.known
	}
	t.expand(front)
	t.nodes.Remove(front)
	return n
}

// ask expands what is known among the first paths, and asks about the others.
func (t *tree) ask(ctx context.Context) {
	e := t.nodes.Front()
	for i := 0; i < findWindow && e != nil; i++ {
		n := e.Value.(*node)
		switch {
		case n.known == nil:
			n.known = make(chan struct{})
			go n.learn(ctx, t.client, t.rev)
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

// learn asks the server about n. Listing is also what finds that it is missing.
func (n *node) learn(ctx context.Context, cl *client.Client, rev int64) {
	defer close(n.known)
	n.rev, n.n, n.err = cl.Stat(ctx, n.path, rev)
	if n.err != nil || n.rev > client.Missing {
		return
	}
	for name, err := range cl.Getdir(ctx, n.path, rev) {
		if err != nil {
			n.err = err
			return
		}
		n.names = append(n.names, name)
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
