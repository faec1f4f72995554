// Package client talks to a doozerd cluster.
//
//	c, err := client.Dial(ctx, "127.0.0.1:8046")
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	rev, err := c.Set(ctx, "/app/master", client.Missing, []byte("host-1"))
//
// A [Client] keeps one connection, over which any number of goroutines send
// their requests side by side; it is safe for concurrent use. A connection
// that is lost is replaced by one to any of the addresses in [Config].
//
// # Revisions
//
// Each change of the tree has a number, its rev. Reads take a rev, or [Now].
// Writes take a guard: [Client.Set] and [Client.Del] are done only if the file
// has not changed since the rev given, or is missing ([Missing]), or in any
// case ([Clobber]).
//
// # What happens to requests when a connection is lost
//
// A request whose bytes never left this process goes out on the next
// connection. For one that may have arrived, it depends on what it does:
//
//   - Reads, waits, Rev, Self, Access and Nop change nothing. They are sent
//     again.
//   - Del with a guard from 0 to the newest rev that this client had seen is
//     sent again: whatever became of the first copy, a second one deletes
//     nothing that the caller did not mean. If the second copy fails, the
//     first may have done the work: that is [ErrUnknownOutcome].
//   - Set, and Del with any other guard, are not sent again and fail with
//     ErrUnknownOutcome. A guard does not make a second Set harmless: any
//     guard from 0 on passes when the file is missing, so a Set that was
//     applied and then undone by a Del would bring the file back.
//
// A server that finds no majority for a write answers that it was not written,
// or that it cannot know, which is ErrUnknownOutcome as well.
//
// After ErrUnknownOutcome the write may have been applied, may never be, or
// may be applied a little later, by a server that still holds it. Read the
// file, and write again with the rev read as the guard. A body that names
// its writer tells one's own write from another's.
//
// # Observers
//
// A server that takes no writes refuses them with [ErrReadOnly], before
// anything is done. If there are other addresses the client then leaves that
// server, once what it has asked it is answered, and tries the write at the
// next one; only when all have refused does the write fail.
//
// A WAIT that comes too late for a server's history goes on at another one in
// the same way: a server that has joined of late, or was away, lacks what
// others have.
//
// # Never the past again
//
// A new server may be behind the one that was lost. Before it is asked
// anything it must have applied the newest rev this client was told of, so a
// later read never shows an older state. Sets, events and files name their revs;
// for what does not, which is a Nop, and of reads of the present that nothing is
// there, a directory, or an entry of a listing, the client asks the server for
// its rev before it returns. A server that does not catch up within
// [Config.DialTimeout] is passed over ([ErrBehind]). A Del, and a Set that fails,
// are answered without a rev: whoever must see at the next server what they have
// shown calls Rev after them.
//
// This package prints and logs nothing, and has no state but that of its
// clients: [Client.Close] ends every goroutine that a client started.
package client
