package cluster

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/ha/doozerd/client"
)

// linearTimeout bounds the search for an order of the operations on one file, which is over in a moment if
// there is one that is easily found.
const linearTimeout = 5 * time.Minute

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

// files is what clients may expect of each file: a read behind a barrier gives what was written last; revs
// ascend; a guard lets a write pass exactly if the file is not newer.
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

// judge says what is wrong with a history: the operations of all clients, and the events that the watches have
// seen. Writes that were acknowledged with a rev up to last must be among those.
func judge(history []*operation, events []seen, last int64) error {
	happened, err := judgeWatch(history, events, last)
	if err != nil {
		return err
	}
	if err := judgeReads(history, happened, last); err != nil {
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

// judgeWatch holds the events to what clients were told: each write that was acknowledged, with a rev up to
// last, is there, at its rev and once, in order, and nothing else. It returns the event of each body.
func judgeWatch(history []*operation, events []seen, last int64) (map[string]seen, error) {
	happened := map[string]seen{}
	rev := int64(0)
	for _, e := range events {
		if e.Rev <= rev {
			return nil, fmt.Errorf("the watch saw rev %d after %d", e.Rev, rev)
		}
		rev = e.Rev
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
		case o.refused, !ok && o.rev > last:
		case !ok || e.Rev != o.rev || e.Path != o.path:
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

// judgeReads holds what was read to what happened, and adds what a read beyond last shows to have happened, too.
func judgeReads(history []*operation, happened map[string]seen, last int64) error {
	wrote := map[string]*operation{}
	for _, o := range history {
		if !o.read {
			wrote[o.body] = o
		}
	}
	for _, o := range history {
		if !o.read || o.unknown || o.rev == client.Missing && o.body == "" {
			continue
		}
		e, ok := happened[o.body]
		switch by := wrote[o.body]; {
		case by == nil:
			return fmt.Errorf("what was read nobody wrote: %v", o)
		case ok && (e.Rev != o.rev || e.Path != o.path):
			return fmt.Errorf("what was read happened elsewhere, at rev %d of %s: %v", e.Rev, e.Path, o)
		case !ok && o.rev <= last:
			return fmt.Errorf("what was read was not seen by the watch: %v", o)
		case !ok:
			happened[o.body] = seen{client.Event{Rev: o.rev, Path: o.path, Body: []byte(o.body)}, o.returned}
		}
	}
	return nil
}

// agree returns what the watches saw together. One may have ended before another, but up to there they must
// have seen the same. An event was seen when the first of them saw it.
func agree(watches [][]seen) (all []seen, err error) {
	for _, events := range watches {
		if len(events) > len(all) {
			all = events
		}
	}
	all = slices.Clone(all)
	for _, events := range watches {
		for k, e := range events {
			if !sameEvent(e.Event, all[k].Event) {
				return nil, fmt.Errorf("a watch saw rev %d, %s %q, and another then rev %d, %s %q", e.Rev, e.Path, e.Body, all[k].Rev, all[k].Path, all[k].Body)
			}
			if e.at.Before(all[k].at) {
				all[k].at = e.at
			}
		}
	}
	return all, nil
}

// shown is the files that a node had at a rev.
type shown struct {
	rev   int64
	files []client.Event
}

// newest is the rev of the file that was written last.
func (s shown) newest() (rev int64) {
	for _, f := range s.files {
		rev = max(rev, f.Rev)
	}
	return rev
}

// holds returns an error unless the files are what the events made of them.
func (s shown) holds(events []seen) error {
	newest := map[string]client.Event{}
	for _, e := range events {
		if e.Rev <= s.rev {
			newest[e.Path] = e.Event
		}
	}
	for _, f := range s.files {
		if e := newest[f.Path]; !sameEvent(e, f) {
			return fmt.Errorf("a node has rev %d of %s, %q, where watches saw rev %d, %q", f.Rev, f.Path, f.Body, e.Rev, e.Body)
		}
	}
	if len(s.files) != len(newest) {
		return fmt.Errorf("a node has %d files, where watches saw %d", len(s.files), len(newest))
	}
	return nil
}

func sameEvent(a, b client.Event) bool {
	return a.Rev == b.Rev && a.Path == b.Path && string(a.Body) == string(b.Body)
}
