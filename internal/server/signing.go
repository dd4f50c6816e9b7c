package server

import (
	"crypto"
	"io"

	"remit/dialect"
)

// places are for the signatures of answers that are being made: more at once
// than there are cores would only keep each other, and the commits, waiting.
type places chan struct{}

// inTurn signs as another does, but waits for a place first.
type inTurn struct {
	dialect.Signer
	places places
}

// Key is the private key of a version.
func (s inTurn) Key(version int64) (crypto.Signer, error) {
	k, err := s.Signer.Key(version)
	if err != nil {
		return nil, err
	}
	return key{k, s.places}, nil
}

type key struct {
	crypto.Signer
	places places
}

// Sign signs once there is a place.
func (k key) Sign(rand io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	k.places <- struct{}{}
	defer func() { <-k.places }()
	return k.Signer.Sign(rand, digest, o)
}
