package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"
)

// tokenAgeMax is how long a form can be sent, of real time, and tokensMax how
// many of those sent are remembered.
const (
	tokenAgeMax = 12 * time.Hour
	tokensMax   = 100_000
)

// once sees that a form acts once, however often it is sent. Every form holds
// a token of its own, made for one session under a key that lives as long as
// this process: after a restart an old form acts no more.
type once struct {
	key  []byte
	real func() time.Time

	mu   sync.Mutex
	used map[string]*act
}

// act is what a form came to.
type act struct {
	done    chan struct{} // closed when it is known
	at      time.Time
	to      string // where to look now
	message string
	failed  bool
}

func newOnce(real func() time.Time) *once {
	return &once{key: []byte(rand.Text()), real: real, used: map[string]*act{}}
}

// The parts of a token, in bytes.
const (
	nonceBytes = 16
	tokenBytes = nonceBytes + 8 + sha256.Size
)

// token makes one for a session.
func (o *once) token(session string) string {
	raw := make([]byte, nonceBytes, tokenBytes)
	rand.Read(raw)
	raw = binary.BigEndian.AppendUint64(raw, uint64(o.real().Unix()))
	return base64.RawURLEncoding.EncodeToString(o.seal(raw, session))
}

func (o *once) seal(raw []byte, session string) []byte {
	mac := hmac.New(sha256.New, o.key)
	mac.Write(raw)
	mac.Write([]byte(session))
	return mac.Sum(raw)
}

// ours tells whether a token is one of ours, for this session, and not too
// old.
func (o *once) ours(token, session string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != tokenBytes {
		return false
	}
	body := raw[: nonceBytes+8 : nonceBytes+8]
	made := time.Unix(int64(binary.BigEndian.Uint64(body[nonceBytes:])), 0)
	return hmac.Equal(raw, o.seal(body, session)) && o.real().Sub(made) < tokenAgeMax
}

// begin takes a token. first tells whether it is this request that acts; else
// a is, or will be, what came of the one that did.
func (o *once) begin(token string) (a *act, first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if a, ok := o.used[token]; ok {
		return a, false
	}
	if len(o.used) >= tokensMax {
		for k, a := range o.used {
			if o.real().Sub(a.at) >= tokenAgeMax {
				delete(o.used, k)
			}
		}
	}
	a = &act{done: make(chan struct{}), at: o.real()}
	o.used[token] = a
	return a, true
}

// came is what came of a form that was sent; nil if it never was.
func (o *once) came(token string) *act {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.used[token]
	if a == nil {
		return nil
	}
	select {
	case <-a.done:
		return a
	default:
		return nil
	}
}
