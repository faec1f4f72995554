package peer

import (
	"crypto/rand"
	"encoding/base32"
)

// idBytes makes ids that two processes will not share: 80 random bits, which
// are 16 characters of A–Z and 2–7.
const idBytes = 10

// NewID returns an id for a process that has none yet. A restarted process draws
// a new one, because it has forgotten what it promised under the old.
func NewID() string {
	var b [idBytes]byte
	rand.Read(b[:]) // never fails: it ends the program rather than return an error
	return base32.StdEncoding.EncodeToString(b[:])
}
