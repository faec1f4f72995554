package store

import "fmt"

// Store is the newest version of the tree, the last versions before it, and
// whoever waits for the next. Apply and Install belong to one goroutine, the
// writer; all else may be called from any.
type Store struct {
	history *history
	waits   *waits
}

// New returns an empty store, at rev 0, that retains the last revs, history of
// them: 1 to MaxHistory, or it panics.
func New(history int) *Store {
	if history < 1 || history > MaxHistory {
		panic(fmt.Sprintf("store: a history of %d revs, which is not 1 to %d", history, MaxHistory))
	}
	return &Store{history: newHistory(history), waits: newWaits()}
}

// Apply applies an encoded mutation, which makes the next rev whatever comes of
// it, and returns its event. Then it fires the waits that this ends. It keeps
// nothing of the bytes of mutation.
func (s *Store) Apply(mutation []byte) Event {
	v := s.Snapshot().next(mutation)
	for _, w := range s.publish(v) {
		w.fire(v, nil)
	}
	return v.event
}

// Install makes the version of b the newest, if it is newer than the present
// one. Nobody knows here what happened in between, nor at its own rev: history
// begins with that version, without an event. Waits for what may have been
// passed over are told so. The error wraps ErrBadSnapshot or ErrOldSnapshot, and
// the store is as it was.
func (s *Store) Install(b *Builder) error {
	v, err := b.version()
	if err != nil {
		return err
	}
	if newest := s.Snapshot().rev; v.snapshot.rev <= newest {
		return fmt.Errorf("%w: of rev %d, at rev %d", ErrOldSnapshot, v.snapshot.rev, newest)
	}
	for _, w := range s.jump(v) {
		w.jumped(v)
	}
	return nil
}

// jump makes v the newest version without those before it, and returns the
// waits that this ends. For the lock see publish.
func (s *Store) jump(v *version) []*Waiter {
	s.waits.mu.Lock()
	defer s.waits.mu.Unlock()
	s.history.begin(v)
	return s.waits.takeUpTo(v.snapshot.rev)
}

// publish makes v the newest version and returns the waits that it ends. It
// holds the lock for both: else a wait could register in between for the next
// rev, and be ended by this.
func (s *Store) publish(v *version) []*Waiter {
	s.waits.mu.Lock()
	defer s.waits.mu.Unlock()
	s.history.add(v)
	return s.waits.take(v)
}

// next returns the version after s: with the mutation done, or with the reason
// why not in /ctl/err.
func (s *Snapshot) next(mutation []byte) *version {
	m, err := DecodeMutation(mutation)
	if err != nil {
		return s.failure(ErrBadMutation) // the same text for all of them
	}
	d := edit{Mutation: m, rev: s.rev + 1}
	root := d.apply(s.root)
	if d.err != nil {
		return s.failure(d.err)
	}
	return newVersion(d, root)
}

// failure returns the version after s in which a mutation failed.
func (s *Snapshot) failure(err error) *version {
	m := Mutation{Op: Set, Path: ctlErr, Guard: Clobber, Body: []byte(err.Error())}
	d := edit{Mutation: m, rev: s.rev + 1}
	root := d.apply(s.root)
	if d.err != nil {
		panic(fmt.Sprintf("store: broken: setting %s failed: %v", ctlErr, d.err))
	}
	v := newVersion(d, root)
	v.event.Err = err
	return v
}

// newVersion returns what d made.
func newVersion(d edit, root *entry) *version {
	return &version{
		snapshot: Snapshot{rev: d.rev, root: root},
		event:    Event{Rev: d.rev, Op: d.Op, Path: d.Path, Body: d.Body},
	}
}

// Snapshot returns the newest version.
func (s *Store) Snapshot() *Snapshot { return &s.history.newest.Load().snapshot }

// At returns the version of rev, where revs below 1 mean 1. The error is
// ErrTooLate or ErrFuture.
func (s *Store) At(rev int64) (*Snapshot, error) {
	v, err := s.history.at(rev)
	if err != nil {
		return nil, err
	}
	return &v.snapshot, nil
}

// Wait fires once, with the first event from rev on whose path matches g; revs
// below 1 mean 1. It does so before it returns if that event is in history
// already, or else when it is applied, on the goroutine of the writer: then
// fire must not block and must not call Apply or Install. It fires with
// ErrTooLate instead if Install passes over revs that it waits for. The error
// is ErrTooLate: the rev is no longer in history, and fire is never called.
func (s *Store) Wait(g *Glob, rev int64, fire func(Event, error)) (*Waiter, error) {
	return s.wait(&Waiter{rev: max(rev, 1), glob: g, fire: func(v *version, err error) {
		if err != nil {
			fire(Event{}, err)
			return
		}
		fire(v.event, nil)
	}})
}

// AwaitRev fires once, with exactly the version of rev, once it is applied; revs
// below 1 mean 1. It does so before it returns if it is applied already, or
// else on the goroutine of the writer: then fire must not block and must not
// call Apply or Install. It fires with ErrTooLate instead if Install passes over
// that rev. The error is ErrTooLate: the rev is no longer in history, and fire is
// never called.
func (s *Store) AwaitRev(rev int64, fire func(*Snapshot, error)) (*Waiter, error) {
	return s.wait(&Waiter{rev: max(rev, 1), fire: func(v *version, err error) {
		if err != nil {
			fire(nil, err)
			return
		}
		fire(&v.snapshot, nil)
	}})
}

func (s *Store) wait(w *Waiter) (*Waiter, error) {
	w.waits, w.place = s.waits, over
	v, err := s.findOrAdd(w)
	if err != nil {
		return nil, err
	}
	if v != nil {
		w.fire(v, nil)
	}
	return w, nil
}

// findOrAdd returns the version that w waits for, or if it is still to come
// registers w. The long look at history is without the lock, which would keep
// the writer waiting.
func (s *Store) findOrAdd(w *Waiter) (*version, error) {
	seen := s.Snapshot().rev
	v, err := s.history.find(w.glob, w.rev, seen)
	if v != nil || err != nil {
		return v, err
	}
	return s.findNewOrAdd(w, seen)
}

// findNewOrAdd does what findOrAdd does, knowing that nothing up to rev seen is
// what w waits for. The short look, at what was added meanwhile, is under the
// lock, so that nothing is added between it and the registration.
func (s *Store) findNewOrAdd(w *Waiter, seen int64) (*version, error) {
	s.waits.mu.Lock()
	defer s.waits.mu.Unlock()
	newest := s.Snapshot().rev
	v, err := s.history.find(w.glob, max(w.rev, seen+1), newest)
	if v == nil && err == nil {
		s.waits.add(w, newest)
	}
	return v, err
}

// Waits returns how many waits are under way.
func (s *Store) Waits() int {
	s.waits.mu.Lock()
	defer s.waits.mu.Unlock()
	return s.waits.count
}
