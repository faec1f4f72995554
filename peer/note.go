package peer

import "github.com/ha/doozerd/consensus"

// Note is what one member says to another beside consensus. Any of them may be lost, repeated or late.
type Note struct {
	Kind     NoteKind
	From, To string

	Mutations [][]byte  // Forward
	Silent    []string  // Report
	Heard     []string  // Report
	Fetch     Fetch     // FetchPart
	Part      *Part     // PartOf
	Assemble  *Assemble // Assembling
}

// NoteKind says what a note is.
type NoteKind uint8

// The kinds of notes.
const (
	// Forward: propose these for me, I am no voter. They are changes of /ctl with guards, so that it does no harm if
	// they are proposed twice.
	Forward NoteKind = iota + 1
	// Report: what a voter hears of others. Silent are the voters that gave no sign of having heard it for the eviction
	// timeout, Heard the members that follow it.
	Report
	// FetchPart: send me this part of a snapshot.
	FetchPart
	// PartOf is a part of a snapshot.
	PartOf
	// Assembling is what processes say to each other before there is a cluster.
	Assembling

	noteKinds
)

var noteNames = [noteKinds]string{"?", "Forward", "Report", "FetchPart", "PartOf", "Assembling"}

// String returns the kind's name, or "?" for a number that is none.
func (k NoteKind) String() string {
	if k >= noteKinds {
		k = 0
	}
	return noteNames[k]
}

// Fetch names a part of a snapshot.
type Fetch struct {
	Instance uint64 // of the snapshot; 0 is the newest
	Offset   int    // the first file of the part
	Above    uint64 // the instance that the asker has applied: a snapshot that is not above is of no use to it
}

// Part is a part of a snapshot: files in directory order. The snapshot as a whole is the state after its instance.
type Part struct {
	Snapshot consensus.Snapshot
	Rev      int64 // of the tree
	Files    int   // in the whole of it
	Offset   int   // of the first file of this part
	Content  []File
}

// File is a file of a snapshot.
type File struct {
	Path string
	Rev  int64
	Body []byte
}

// Assemble is a message of an [Assembly], with the Paxos of its own.
type Assemble struct {
	Kind     AssembleKind
	Addr     string // of the sender
	List     string // the sender's list of addresses; "" is none: it only attaches to others
	Ballot   uint64
	Accepted uint64    // AssemblePromise: the ballot at which Value was accepted; 0 is none
	Value    *Founding // AssembleAccept, AssemblePromise
	Cluster  string    // AssembleMember
}

// AssembleKind says what an Assemble is.
type AssembleKind uint8

// The kinds of messages of an assembly.
const (
	AssemblePrepare AssembleKind = iota + 1
	AssemblePromise
	AssembleAccept
	AssembleAccepted
	// AssembleMember: I am a member of Cluster, so there is nothing to found.
	AssembleMember
	// AssembleGreet: this is my list, what is yours?
	AssembleGreet
	// AssembleGreeted answers AssembleGreet.
	AssembleGreeted

	assembleKinds
)

var assembleNames = [assembleKinds]string{"?", "Prepare", "Promise", "Accept", "Accepted", "Member", "Greet", "Greeted"}

// String returns the kind's name, or "?" for a number that is none.
func (k AssembleKind) String() string {
	if k >= assembleKinds {
		k = 0
	}
	return assembleNames[k]
}

// Limits of notes.
const (
	MaxForward   = 16      // mutations in a Forward
	MaxPartBytes = 1 << 19 // bytes of paths and bodies in a Part, unless a single file is larger
	MaxPartFiles = 4096    // files in a Part
)
