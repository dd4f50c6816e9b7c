package ledger

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
)

// linkBytes is how much of each HMAC-SHA-256 a link keeps, in bytes: half, as
// RFC 2104 section 5 allows.
const linkBytes = 16

// Chain makes the links of a hash chain under a key that the database never
// sees: whoever alters a record cannot make the links that follow.
type Chain struct{ mac hash.Hash }

// NewChain makes a chain under key. It is not safe for concurrent use.
func NewChain(key []byte) *Chain { return &Chain{hmac.New(sha256.New, key)} }

// Digest is what a link holds of something that is kept beside the records.
func (c *Chain) Digest(content []byte) string { return c.Link("", string(content)) }

// Link is the link that follows prev for a record of these fields. Each field
// goes in with its length, so that no two records read the same.
func (c *Chain) Link(prev string, fields ...string) string {
	c.mac.Reset()
	var n [8]byte
	write := func(s string) {
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		c.mac.Write(n[:])
		c.mac.Write([]byte(s))
	}
	write(prev)
	for _, f := range fields {
		write(f)
	}
	var sum [sha256.Size]byte
	return base64.RawURLEncoding.EncodeToString(c.mac.Sum(sum[:0])[:linkBytes])
}
