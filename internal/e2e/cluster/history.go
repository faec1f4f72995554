package cluster

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// linearTimeout bounds the search for an order of the operations on one file.
const linearTimeout = 30 * time.Second

// An operation is what a client did, and what it was told.
type operation struct {
	client           int
	path             string
	read             bool
	body             string // written, or read
	guard            int64
	rev              int64 // of the file: that the write made, or that was read
	refused          bool  // by the guard
	unknown          bool  // a write that may have happened
	called, returned time.Time
}

func (o *operation) String() string {
	kind := "write"
	if o.read {
		kind = "read"
	}
	return fmt.Sprintf("client %d: %s %s %q guard %d rev %d refused %v unknown %v, %s to %s", o.client, kind, o.path, o.body, o.guard, o.rev,
		o.refused, o.unknown, o.called.Format("05.000000"), o.returned.Format("05.000000"))
}

// register is a file as clients see it.
type register struct {
	rev  int64
	body string
}

// files is what clients may expect of each file: a read behind a barrier gives what was written last; revs ascend; a guard
// lets a write pass exactly if the file is not newer.
var files = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byPath := map[string][]porcupine.Operation{}
		for _, o := range history {
			path := o.Input.(*operation).path
			byPath[path] = append(byPath[path], o)
		}
		var parts [][]porcupine.Operation
		for _, path := range slices.Sorted(maps.Keys(byPath)) {
			parts = append(parts, byPath[path])
		}
		return parts
	},
	Init: func() any { return register{} },
	Step: func(state, input, _ any) (bool, any) {
		now, o := state.(register), input.(*operation)
		passes := o.guard < 0 || o.guard >= now.rev
		switch {
		case o.read:
			return o.rev == now.rev && o.body == now.body, state
		case o.refused:
			return !passes, state
		default:
			return passes && o.rev > now.rev, register{o.rev, o.body}
		}
	},
	DescribeOperation: func(input, _ any) string { return input.(*operation).String() },
}

// judge says what is wrong with a history: the operations of all clients, and the events that a watch has seen.
func judge(history []*operation, seen []seen) error {
	happened, err := judgeWatch(history, seen)
	if err != nil {
		return err
	}
	var ops []porcupine.Operation
	for _, o := range history {
		returned := o.returned
		if o.unknown {
			at, ok := happened[o.body]
			if o.read || !ok {
				continue // nobody was told anything, and nothing came of it
			}
			o.rev, o.refused = at.Rev, false
			returned = at.at
		}
		ops = append(ops, porcupine.Operation{
			ClientId: o.client, Input: o, Output: o,
			Call: o.called.UnixNano(), Return: max(o.called.UnixNano(), returned.UnixNano()),
		})
	}
	if result, _ := porcupine.CheckOperationsVerbose(files, ops, linearTimeout); result != porcupine.Ok {
		return fmt.Errorf("the history of %d operations is not linearizable: %v\n%v", len(ops), result, suspects(ops))
	}
	return nil
}

// suspects returns the operations on the first file whose history cannot be explained.
func suspects(ops []porcupine.Operation) string {
	for _, part := range files.Partition(ops) {
		if porcupine.CheckOperationsTimeout(files, part, linearTimeout) == porcupine.Ok {
			continue
		}
		text := ""
		slices.SortFunc(part, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
		for _, o := range part {
			text += o.Input.(*operation).String() + "\n"
		}
		return text
	}
	return ""
}

// judgeWatch holds the events to what clients were told: each write that was acknowledged is there, at its rev and once, in
// order, and nothing else. It returns the event of each body.
func judgeWatch(history []*operation, events []seen) (map[string]seen, error) {
	happened := map[string]seen{}
	last := int64(0)
	for _, e := range events {
		if e.Rev <= last {
			return nil, fmt.Errorf("the watch saw rev %d after %d", e.Rev, last)
		}
		last = e.Rev
		if first, ok := happened[string(e.Body)]; ok {
			return nil, fmt.Errorf("%q happened at rev %d and at rev %d", e.Body, first.Rev, e.Rev)
		}
		happened[string(e.Body)] = e
	}
	ours := map[string]bool{}
	for _, o := range history {
		if o.read {
			continue
		}
		ours[o.body] = true
		e, ok := happened[o.body]
		switch {
		case o.unknown:
		case o.refused && ok:
			return nil, fmt.Errorf("a write that was refused happened at rev %d: %v", e.Rev, o)
		case !o.refused && (!ok || e.Rev != o.rev || e.Path != o.path):
			return nil, fmt.Errorf("a write that was acknowledged was not seen by the watch (%v, %d %s): %v", ok, e.Rev, e.Path, o)
		}
	}
	for body, e := range happened {
		if !ours[body] {
			return nil, fmt.Errorf("the watch saw what nobody wrote: rev %d, %s %q", e.Rev, e.Path, body)
		}
	}
	return happened, nil
}
