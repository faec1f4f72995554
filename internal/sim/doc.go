// Package sim runs whole clusters of nodes on simulated time, network and faults.
//
// What it runs is what production runs: peer.Core, which joins consensus, the store and the membership, and
// peer.Assembly, which comes before a cluster. Only the loop around them and the sockets are the simulation's
// own.
//
// One seed decides everything: how many voters, how large the window, how long messages take and which are lost
// or doubled, who is cut off, paused, slow or dead, who joins, leaves and escapes, what clients ask for and
// when. [Run] with the same seed is the same run, event for event.
//
// In some of the seeds messages travel as bytes, by the codec of package peer, and copies are damaged on the
// way or handed to the wrong node.
//
// The checkers know nothing of Paxos. They know what users are promised: one agreed history, dense revs,
// acknowledged writes present and none applied twice, linearizable reads behind a barrier, watches without a
// gap, members that are evicted only for a reason, and, once the faults stop, a cluster that goes on. A failure
// names its seed.
//
// Some seeds are drills: one thing that happens, and nothing else, so that it shows what hides behind luck
// otherwise. Those of aimed.go and foundings.go have an adversary in the network, which reads what is said and
// does what hurts most, in a cluster and before there is one.
//
// doc/simulation.md tells what each of them does, and what has to hold.
//
// The package must not read a clock or draw from a global source of randomness, nor iterate over a map where
// the order could show.
package sim
