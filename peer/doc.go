// Package peer is one node of a cluster: it owns the loop that joins consensus
// and the store.
//
// One goroutine owns the consensus engine and the store's write side. Proposals
// reach it through a bounded queue; all that wait at one turn of the loop share
// a batch. Readers take immutable snapshots from the store and never wait for
// the loop. What the loop does lives in core, which knows no clock and no
// goroutine, so that a test or a simulation can drive it by hand.
//
// What members say to each other goes in frames: an [Encoder] makes those of a
// [Link], and [Decode] takes in what came over it and is of it.
//
// The invariant it keeps: the store changes by decided batches only, in the
// order of their instances, and every proposal that was taken is answered
// exactly once, after it has been applied or when the node closes.
//
// A node must not write outside of /ctl, nor look at a mutation that a client
// proposed.
package peer
