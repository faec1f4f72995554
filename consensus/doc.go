// Package consensus agrees on a sequence of batches: multi-Paxos without a leader.
//
// The log is a row of instances, numbered from 1. Each is one Paxos decision and belongs to one voter,
// its owner, by rotation; so every voter commits its own batches in one round trip, nobody is elected,
// and any voter may die. The construction is coordinated Paxos ("Mencius: Building Efficient Replicated
// State Machines for WANs", Mao, Junqueira, Marzullo, OSDI 2008) on top of the multi-decree protocol of
// "The Part-Time Parliament" and "Paxos Made Simple" (Lamport, 1998, 2001); the window and membership
// that is itself decided in the log follow section 3.1 of the latter and "Reconfiguring a State Machine"
// (Lamport, Malkhi, Zhou, 2010).
//
// An [Engine] is a pure state machine. In go proposals ([Engine.Propose], [Engine.Barrier]), messages
// ([Engine.Step]) and time ([Engine.Tick]); out, by [Engine.Ready], come messages to send, decisions to
// apply and proposals that failed. The caller applies the decisions in order and says after each who the
// voters are ([Engine.Applied]). Mutations are opaque bytes.
//
// The package must not: read a clock, draw from a global source of randomness, log, start a goroutine,
// touch the network or a file, or look inside a mutation. An Engine is not safe for concurrent use: one
// loop owns it.
//
// The invariant it keeps: no two engines of a cluster ever hand out different batches for one instance,
// and each hands out every instance once, in order, whatever the network loses, repeats, delays or
// reorders, as long as an id is never used by two processes.
//
// Where to read: message.go names what is said, and admit.go who may say it; slot.go, acceptor.go and
// learner.go are Paxos proper, and bundle.go makes one answer of many; proposer.go, skip.go and lead.go are an
// owner's turn; status.go tells who is silent, and fill.go and stall.go what happens then; log.go, repair.go
// and follow.go bring back whoever missed something, and snapshot.go whoever missed more; membership.go moves
// the voters, and escape.go leaves them behind; engine.go ties all this together.
package consensus
