package peer

import (
	"fmt"

	"github.com/ha/doozerd/store"
)

// foundAlone writes the /ctl files of a new cluster of one. Each must be there before the next is proposed, so
// that they get the revs that clients expect.
func (c *Core) foundAlone() error {
	for _, f := range foundingFiles(c.config) {
		if err := c.make(f); err != nil {
			return err
		}
	}
	rev := c.store.Snapshot().Rev()
	if err := c.make(file{appliedPath(c.config.ID), string(appliedBody(rev))}); err != nil {
		return err
	}
	c.tellFounded(c.engine.Voters())
	return nil
}

// make sets a file that must be missing and waits for it to be applied.
func (c *Core) make(f file) error {
	err := fmt.Errorf("%w: no decision", ErrOutcomeUnknown)
	m := f.create()
	c.enter(proposal{mutation: m.Append(nil), done: func(e store.Event, failure error) {
		err = failure
		if err == nil {
			err = e.Err
		}
	}})
	c.Ready() // there is nobody to send to
	if err != nil {
		return fmt.Errorf("found a cluster: %s: %w", f.path, err)
	}
	return nil
}
