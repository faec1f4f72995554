// Package store is the versioned tree that a cluster agrees on: files and
// directories below one root, and a number, the rev, for each version of it.
//
// One writer feeds mutations to [Store.Apply] in the order that was agreed.
// Each of them makes exactly one rev, one immutable [Snapshot] and one
// [Event], also when it fails; equal sequences of mutations make equal
// stores, event by event and byte by byte, on every node. The last revs stay
// readable as history. A store that is far behind another can be given one of
// its versions instead of all the mutations: [Snapshot.Files] lists it, in parts
// if need be, a [Builder] makes it anew, [Store.Install] goes on from there.
// Readers take snapshots without a lock and never wait
// for the writer; [Store.Wait] and [Store.AwaitRev] tell them what happens
// next.
//
// The package is pure. It must not touch the network, files, a clock or
// randomness, must not log and must not start goroutines: the writer's
// goroutine does all the work of a write, and callbacks run on it.
//
// Panics mean that the store itself is broken, or that a caller broke a
// documented condition in code; no mutation, path or glob causes one.
package store
