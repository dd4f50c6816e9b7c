package console

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/netip"
	"time"

	"remit/internal/vault"
	"remit/store"
)

// Limits of sessions and of the door to them, of real time.
const (
	sessionIdleMax = 30 * time.Minute
	sessionAgeMax  = 12 * time.Hour
	sessionTouch   = time.Minute // how much of its idle time may have gone before a session is written anew
	sessionCookie  = "remit_session"
	hashesAtOnce   = 2 // passwords that are compared side by side: each takes a core for a while
)

// session is one operator who has logged in, as its slip keeps it.
type session struct {
	Name     string    `json:"name"`
	Password string    `json:"password"` // a digest of the line of the users file: who gets another one logs in again
	Begun    time.Time `json:"begun"`
	Used     time.Time `json:"used"`
}

// expires is when nobody is known by the session any more.
func (s session) expires() time.Time {
	idle, age := s.Used.Add(sessionIdleMax), s.Begun.Add(sessionAgeMax)
	if age.Before(idle) {
		return age
	}
	return idle
}

// door lets operators in. Sessions are slips in the store, so that any process
// knows them, under a digest, so that who reads the store cannot use them.
type door struct {
	users Users
	store store.Store
	vault *vault.Vault
	real  func() time.Time

	hashing  chan struct{}
	failures *failures
}

func newDoor(users Users, s store.Store, v *vault.Vault, real func() time.Time) *door {
	return &door{users: users, store: s, vault: v, real: real, hashing: make(chan struct{}, hashesAtOnce), failures: newFailures(real)}
}

// slip is the slip of a session.
func (d *door) slip(id string, s session) (store.Slip, error) {
	text, err := json.Marshal(s)
	return store.Slip{Name: "session/" + d.vault.Digest("session", id), Text: string(text), Expires: s.expires()}, err
}

// line is a digest of what the users file says of a name; "" if nothing.
func (d *door) line(name string) string {
	k, ok := d.users[name]
	if !ok {
		return ""
	}
	return d.vault.Digest("operator", name, string(k.salt), string(k.hash))
}

// who is the operator whose request this is; "" if nobody is known by it.
func (d *door) who(r *http.Request) (name, id string, err error) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return "", "", nil // there is none
	}
	now := d.real()
	slip, err := d.slip(c.Value, session{})
	if err != nil {
		return "", "", err
	}
	slip, ok, err := d.store.Slip(r.Context(), now, slip.Name)
	if err != nil || !ok {
		return "", "", err
	}
	var s session
	if err := json.Unmarshal([]byte(slip.Text), &s); err != nil {
		return "", "", err
	}
	if line := d.line(s.Name); line == "" || line != s.Password {
		return "", "", nil
	}
	if now.Sub(s.Used) >= sessionTouch {
		s.Used = now
		if slip, err = d.slip(c.Value, s); err == nil {
			_, err = d.store.SetSlip(r.Context(), slip)
		}
	}
	return s.Name, c.Value, err
}

// enter compares a password, unless too many were wrong of late. An id of ""
// is of nobody; wait is how long no other password is listened to.
func (d *door) enter(r *http.Request, from netip.Addr, name, password string) (id string, wait time.Duration, err error) {
	keys := d.counted(r, from, name)
	if wait := d.failures.barred(keys); wait > 0 {
		return "", wait, nil
	}
	select {
	case d.hashing <- struct{}{}:
	default:
		return "", time.Second, nil
	}
	ok := len(password) <= passwordBytesMax && d.users.Match(name, password)
	<-d.hashing
	if wait = d.failures.judged(ok, keys); !ok {
		return "", wait, nil
	}
	id = rand.Text()
	slip, err := d.slip(id, session{name, d.line(name), d.real(), d.real()})
	if err == nil {
		_, err = d.store.AddSlip(r.Context(), d.real(), slip)
	}
	return id, 0, err
}

// leave ends a session, in every process.
func (d *door) leave(ctx context.Context, id string) error {
	slip, err := d.slip(id, session{})
	if err != nil {
		return err
	}
	return d.store.DropSlip(ctx, slip.Name)
}
