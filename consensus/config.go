package consensus

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Limits that are not configurable. Each bounds what a message or a peer can cost.
const (
	MaxVoters      = 9        // voters of one instance
	MaxWindow      = 1 << 16  // instances that may be undecided at once
	MaxInstance    = 1 << 62  // no cluster lives to see it; keeps arithmetic on instances from overflowing
	MaxFollowers   = 256      // observers fed by one engine
	MaxBatch       = 4096     // mutations and barriers in one batch
	MaxBatchBytes  = 32 << 20 // of mutations in one batch, unless it is a single one
	MaxLogBatches  = 1024     // batches in one Log message
	MaxMessageSize = 1 << 20  // of the batches in a Log or of the votes in a Promise (see Batch.size), unless it is a single one
	MaxReplies     = 256      // messages in answer to one
	MaxReplySize   = 16 << 20 // of all that these carry, unless it is a single batch
	MaxWaiting     = 1 << 16  // proposals and barriers waiting for their batch
)

// Defaults of a Config.
const (
	DefaultWindow      = 8192
	DefaultFillDelay   = 100 * time.Millisecond
	DefaultMaxInFlight = 8
	DefaultBatchBytes  = 1 << 20
	DefaultRetain      = 1 << 15
	DefaultRetainBytes = 64 << 20
)

// Config is what an engine is made with. A field that is zero has its default.
type Config struct {
	// ID is this process's id. It must never have been an engine's before: what an acceptor remembers is
	// its identity, and a new process remembers nothing. Required.
	ID string

	// Rand is the source of jitter. Required; the same source, seed and inputs give the same outputs.
	Rand *rand.Rand

	// Window is how many instances may be undecided at once; voters decided at i rule from i+Window. The
	// same on all engines of a cluster, for ever. Default DefaultWindow, at most MaxWindow.
	Window int

	// FillDelay is how long to wait for a silent owner, and the longest step of time that counts as
	// waiting. It is widened where round trips take longer. Default DefaultFillDelay.
	FillDelay time.Duration

	// MaxInFlight is how many batches of our own may be undecided at once; what comes meanwhile waits and
	// makes a larger batch. Default DefaultMaxInFlight.
	MaxInFlight int

	// BatchBytes is how many bytes of mutations a batch may have; a mutation that is longer makes a batch by
	// itself. Default DefaultBatchBytes, at most MaxBatchBytes.
	BatchBytes int

	// Retain and RetainBytes bound the log kept for others to catch up from, in instances and in bytes of
	// mutations; whichever is reached first. Defaults DefaultRetain and DefaultRetainBytes.
	Retain      int
	RetainBytes int
}

// Errors of a Config, a Snapshot and a proposal.
var (
	// ErrConfig is wrapped by what Config.Validate and Snapshot checks return; the text names the field.
	ErrConfig = errors.New("consensus: bad configuration")
	// ErrReadOnly: this engine is no voter (any more); the proposal was not and will not be decided.
	ErrReadOnly = errors.New("consensus: not a voter")
	// ErrBusy: MaxWaiting proposals are waiting; nothing was taken.
	ErrBusy = errors.New("consensus: too many proposals waiting")
	// ErrUnknown: the instance of the proposal was jumped over by a snapshot; it may have been decided or not.
	ErrUnknown = errors.New("consensus: outcome unknown")
)

// Validate says what is wrong with c, naming the field, or nil.
func (c Config) Validate() error {
	switch {
	case c.ID == "":
		return fmt.Errorf("%w: ID is empty", ErrConfig)
	case c.Rand == nil:
		return fmt.Errorf("%w: Rand is nil", ErrConfig)
	case c.Window < 0 || c.Window > MaxWindow:
		return fmt.Errorf("%w: Window %d is not in 1 to %d", ErrConfig, c.Window, MaxWindow)
	case c.FillDelay < 0:
		return fmt.Errorf("%w: FillDelay %v is negative", ErrConfig, c.FillDelay)
	case c.BatchBytes > MaxBatchBytes:
		return fmt.Errorf("%w: BatchBytes %d is more than %d", ErrConfig, c.BatchBytes, MaxBatchBytes)
	}
	for _, f := range []struct {
		name  string
		value int
	}{
		{"MaxInFlight", c.MaxInFlight}, {"BatchBytes", c.BatchBytes},
		{"Retain", c.Retain}, {"RetainBytes", c.RetainBytes},
	} {
		if f.value < 0 {
			return fmt.Errorf("%w: %s %d is negative", ErrConfig, f.name, f.value)
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Window = cmp.Or(c.Window, DefaultWindow)
	c.FillDelay = cmp.Or(c.FillDelay, DefaultFillDelay)
	c.MaxInFlight = cmp.Or(c.MaxInFlight, DefaultMaxInFlight)
	c.BatchBytes = cmp.Or(c.BatchBytes, DefaultBatchBytes)
	c.Retain = cmp.Or(c.Retain, DefaultRetain)
	c.RetainBytes = cmp.Or(c.RetainBytes, DefaultRetainBytes)
	return c
}
