// Package link carries frames between the processes of a cluster, over TCP or
// TLS. It is the one place where a process proves to another that it may speak.
//
// A link leads one way: whoever wants to send to an address dials it, and after
// the handshake only writes; what it accepts it only reads. So two processes
// that talk have two links, which fail one by one, as networks do.
//
// The package must not know what a frame means, nor who should be a member: it
// is told whom to keep connected ([Transport.Want]) and tells what it met
// ([Handler]). It promises neither that a frame arrives nor that it arrives
// once: consensus survives both. The invariants it keeps: sending never blocks
// and never holds more than named limits; a frame is handed over only if the
// process that it came from has proved itself, where there is anything to prove;
// and what somebody else sends can neither panic nor allocate by its own say-so.
package link

import "errors"

// A Peer is a process at an address.
type Peer struct {
	ID   string // of the process; empty: whichever is there
	Addr string // host:port
}

// Remote is what another process said of itself in a handshake, and proved as
// far as there is a secret or TLS.
type Remote struct {
	ID      string
	Addr    string // by which others reach it, as it says
	Cluster string // the id of its cluster; empty if it had none yet
}

// Handler is told what happens. Its methods are called from many goroutines, and
// must not call Close. One that blocks holds up only the link that it was called
// for.
type Handler interface {
	// Receive takes a frame. body is valid until Receive returns. Blocking in
	// it keeps that one sender waiting.
	Receive(from Remote, body []byte)

	// Met tells who was found at an address that is wanted: the process that
	// was wanted or another one, of the same cluster or not in any. If it is a
	// wanted one, frames may be sent to it from now on.
	Met(addr string, found Remote)

	// Hailed tells that a process has connected to this one.
	Hailed(from Remote)

	// Lost tells that a connection to or from a process was closed by the
	// system it runs on: most likely the process has ended.
	Lost(id string)

	// Unreachable tells that an attempt to connect to a wanted address
	// failed. It is, or wraps, one of the errors of this package, such as
	// ErrNobody, or else is an error of the network.
	Unreachable(addr string, err error)
}

// ErrClosed is returned after Close.
var ErrClosed = errors.New("transport is closed")

// Errors of an attempt to connect.
var (
	// ErrNobody: the system at the address answered that nobody listens there.
	ErrNobody = errors.New("nobody listens")
	// ErrTimeout: no answer came in time.
	ErrTimeout = errors.New("timed out")
	// ErrGone: the other side closed the connection.
	ErrGone = errors.New("closed by the other side")
)

// Errors of a handshake, and of a link that is up. They come wrapped in a
// *Refusal if the other process was heard.
var (
	// ErrProtocol: the other side speaks something else.
	ErrProtocol = errors.New("not the protocol of peers")
	// ErrVersion: the releases are too far apart.
	ErrVersion = errors.New("no version of the protocol in common")
	// ErrName: the clusters have different names.
	ErrName = errors.New("clusters of different names")
	// ErrWindow: the engines' windows differ, so they would disagree on who
	// votes.
	ErrWindow = errors.New("windows of different sizes")
	// ErrSelf: the address is this process's own.
	ErrSelf = errors.New("this process itself")
	// ErrSecret: the secrets differ, or only one side has one; or what came
	// over a link was not what was sent.
	ErrSecret = errors.New("the secret is not proven")
	// ErrCertificate: with TLS and without a secret, a process that dials
	// must show a certificate for the host that it says it is at.
	ErrCertificate = errors.New("no certificate that proves a member")
	// ErrOther: another process than the one wanted is at the address.
	ErrOther = errors.New("another process")
	// ErrCluster: the clusters are not the same, although their names may be.
	ErrCluster = errors.New("another cluster")
	// ErrBusy: the other side has as many links as it takes.
	ErrBusy = errors.New("too many links")
)

// A Refusal is why two processes that spoke to each other have no link.
type Refusal struct {
	Err    error  // one of the errors of a handshake
	Other  Remote // what the other process said of itself, if it came so far
	Proven bool   // whether it proved that, as far as there is anything to prove
	Theirs bool   // the other process refused
	Detail string // what was said, and what was expected; may be empty
}

// Error says who refused, and why.
func (r *Refusal) Error() string {
	text := r.Err.Error()
	if r.Theirs {
		text = "refused by the other side: " + text
	}
	if r.Detail != "" {
		text += ": " + r.Detail
	}
	return text
}

// Unwrap returns r.Err.
func (r *Refusal) Unwrap() error { return r.Err }
