package sandbox

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	randv2 "math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"

	"remit"
)

// rand is where randomness for a purpose comes from: with a seed, always the
// same.
func (h *home) rand(purpose ...string) io.Reader {
	if h.state.Seed == nil {
		return rand.Reader
	}
	var seed [32]byte
	copy(seed[:], derive(*h.state.Seed, purpose...))
	return randv2.NewChaCha8(seed)
}

func derive(seed int64, purpose ...string) []byte {
	k, err := hkdf.Key(sha256.New, []byte(strconv.FormatInt(seed, 10)), nil, fmt.Sprintf("remit sandbox %q", purpose), sha256.Size)
	if err != nil {
		panic("sandbox: " + err.Error()) // only for a length that HKDF cannot make
	}
	return k
}

// idDigits is the length of an id, in digits of base 36.
const idDigits = 19

// newID mints ids. With a seed they come from the seed, the merchant, and how
// many there were before since this start; a second start of the same folder
// makes others, so that none comes twice.
func (h *home) newID(free func(remit.MerchantID) string) func(remit.MerchantID) string {
	if !h.frozen() {
		return free
	}
	var mu sync.Mutex
	count := map[remit.MerchantID]int{}
	return func(m remit.MerchantID) string {
		mu.Lock()
		defer mu.Unlock()
		count[m]++
		return fmt.Sprintf("%019s", new(big.Int).SetBytes(h.derive("id", string(m), count[m])).Text(36))[:idDigits]
	}
}

// traceBytes is the length of a request's name, in bytes before they are
// written in hexadecimal.
const traceBytes = 8

// newTrace names requests, where there is a seed, as newID does.
func (h *home) newTrace() func() string {
	if !h.frozen() {
		return nil
	}
	var count atomic.Int64
	return func() string { return hex.EncodeToString(h.derive("trace", "", int(count.Add(1)))[:traceBytes]) }
}

// derive makes the n-th of what a merchant has of a kind since this start.
func (h *home) derive(kind, merchant string, n int) []byte {
	return derive(*h.state.Seed, kind, merchant, strconv.Itoa(h.state.Starts), strconv.Itoa(n))
}
