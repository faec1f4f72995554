package store

import "iter"

// Event is what one rev did.
type Event struct {
	Rev int64
	Op  Op
	// Path of the file that was set or deleted: for a delete exactly the path
	// that was asked for, even where nothing was.
	Path string
	Body []byte // of a Set
	// Err is why the mutation failed: one of the errors that a mutation fails
	// with. The event then is the Set of /ctl/err that says so.
	Err error
}

// Snapshot is one version of the tree. It is immutable: any number of
// goroutines may read it, for as long as they hold it. It shares nearly all
// of its memory with its neighbours in time.
//
// Paths that are not well-formed are missing.
type Snapshot struct {
	rev  int64
	root *entry
}

// Rev returns the rev of this version, 0 before the first mutation.
func (s *Snapshot) Rev() int64 { return s.rev }

// find returns the entry at an absolute path, nil if there is none.
func (s *Snapshot) find(path string) *entry {
	if path == "" || path[0] != '/' {
		return nil
	}
	return s.root.find(path[1:])
}

// Len returns how many files there are.
func (s *Snapshot) Len() int { return s.root.files() }

// Files yields the files from number first on, in directory order, each as the
// Set that made it: what a Builder takes. The first is number 0. To begin costs
// O(log n), wherever that is.
func (s *Snapshot) Files(first int) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		s.scan(nil, first, s.Len(), func(_ int, e Event) bool { return yield(e) })
	}
}

// Get returns the body of the file at path and the rev that set it: nil and
// Missing if there is none. The error is ErrIsDir. The body is shared and must
// not be modified.
func (s *Snapshot) Get(path string) (body []byte, rev int64, err error) {
	switch e := s.find(path); {
	case e == nil:
		return nil, Missing, nil
	case e.isDir():
		return nil, Missing, ErrIsDir
	default:
		return e.body, e.rev, nil
	}
}

// Stat returns the rev and the length of the body, in bytes, of the file at
// path; or Dir and the number of entries of the directory at path; or Missing
// and 0.
func (s *Snapshot) Stat(path string) (rev int64, n int) {
	switch e := s.find(path); {
	case e == nil:
		return Missing, 0
	case e.isDir():
		return Dir, e.sub.entries
	default:
		return e.rev, len(e.body)
	}
}

// Entry returns the name of the entry at the given offset, from 0, in the
// listing of a directory, which is in byte order. The error is ErrNoEnt,
// ErrNotDir or ErrRange, in this order.
func (s *Snapshot) Entry(dir string, offset int) (name string, err error) {
	switch e := s.find(dir); {
	case e == nil:
		return "", ErrNoEnt
	case !e.isDir():
		return "", ErrNotDir
	case offset < 0 || offset >= e.sub.entries:
		return "", ErrRange
	default:
		name, _ = e.sub.nth(offset)
		return name, nil
	}
}

// Walk returns the file at the given offset, from 0, among those that match g,
// as the Set that made it. They are in directory order: component by component,
// so /a/x stands before /a-b. The error is ErrRange.
//
// It looks at all that comes before, unless g ends in **; a Walker does not.
func (s *Snapshot) Walk(g *Glob, offset int) (Event, error) {
	return new(Walker).Walk(s, g, offset)
}

// All yields, in directory order, each file that matches g, as the Set that
// made it. The glob /** yields the whole tree.
func (s *Snapshot) All(g *Glob) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		from, to := s.span(g)
		s.scan(g, from, to, func(_ int, e Event) bool { return yield(e) })
	}
}
