package console

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"time"

	"remit"
	"remit/internal/vault"
	"remit/store"
)

// Limits of forms, of real time.
const (
	tokenAgeMax = 12 * time.Hour        // how long one can be sent
	actWaitMax  = 30 * time.Second      // how long who sends one again waits for what came of it
	actWaitStep = 50 * time.Millisecond // how often that is looked for
)

// once sees that a form acts once, however often it is sent and whichever
// process it is sent to. Every form holds a token of its own, made for one
// session under a key of the installation; one that was sent leaves a slip in
// the store.
type once struct {
	key   []byte
	vault *vault.Vault
	store store.Store
	real  func() time.Time
}

// came is what came of a form.
type came struct {
	To      string `json:"to"` // where to look now
	Message string `json:"message,omitempty"`
	Failed  bool   `json:"failed,omitempty"`
}

func newOnce(s store.Store, v *vault.Vault, real func() time.Time) *once {
	return &once{key: v.Derive("console/forms"), vault: v, store: s, real: real}
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

// slip is the slip of a form.
func (o *once) slip(token, text string) store.Slip {
	return store.Slip{Name: "form/" + o.vault.Digest("form", token), Text: text, Expires: o.real().Add(tokenAgeMax)}
}

// begin takes a token. True tells that it is this request that acts.
func (o *once) begin(ctx context.Context, token string) (first bool, err error) {
	return o.store.AddSlip(ctx, o.real(), o.slip(token, ""))
}

// end keeps what came of a form, whoever still waits for it.
func (o *once) end(ctx context.Context, token string, c came) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = o.store.SetSlip(context.WithoutCancel(ctx), o.slip(token, string(text)))
	return err
}

// came is what came of a form that was sent; nil if that is not known.
func (o *once) came(ctx context.Context, token string) (*came, error) {
	s, ok, err := o.store.Slip(ctx, o.real(), o.slip(token, "").Name)
	if err != nil || !ok || s.Text == "" {
		return nil, err
	}
	var c came
	return &c, json.Unmarshal([]byte(s.Text), &c)
}

// wait waits for what comes of a form that another request has taken.
func (o *once) wait(ctx context.Context, token string) (*came, error) {
	for range actWaitMax / actWaitStep {
		c, err := o.came(ctx, token)
		if c != nil || err != nil {
			return c, err
		}
		select {
		case <-time.After(actWaitStep):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, remit.Errorf(remit.Conflict, "", "This form was sent before, and nobody has said yet what came of it. Look before you act again.")
}
