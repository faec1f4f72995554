package server

import (
	"crypto/sha256"
	"crypto/subtle"
)

// An access is what a connection may do: a set of bits.
type access uint8

const (
	mayRead access = 1 << iota
	mayWrite
)

// secrets are the digests of the secrets: digests are of one length, so that
// comparing them tells nothing of the secrets, not even their lengths.
type secrets struct {
	rw, ro [sha256.Size]byte
}

func newSecrets(rw, ro string) secrets {
	return secrets{rw: sha256.Sum256([]byte(rw)), ro: sha256.Sum256([]byte(ro))}
}

// grants returns the access that token gives, none if no secret matches. A
// secret that is not set is the blank one: the blank token, which every
// connection begins with, matches it.
func (s *secrets) grants(token []byte) access {
	digest := sha256.Sum256(token)
	var granted access
	if subtle.ConstantTimeCompare(digest[:], s.ro[:]) == 1 {
		granted |= mayRead
	}
	if subtle.ConstantTimeCompare(digest[:], s.rw[:]) == 1 {
		granted |= mayRead | mayWrite
	}
	return granted
}
