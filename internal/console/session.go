package console

import (
	"crypto/rand"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of sessions and of the door to them, of real time.
const (
	sessionIdleMax  = 30 * time.Minute
	sessionAgeMax   = 12 * time.Hour
	sessionsMax     = 1_000
	sessionCookie   = "remit_session"
	failuresFree    = 5 // wrong passwords of one name, or from one address, before they have to wait
	failureWaitMax  = 15 * time.Minute
	failuresKeptMax = 10_000
	hashesAtOnce    = 2 // passwords that are compared side by side: each takes a core for a while
)

// session is one operator who has logged in.
type session struct {
	name       string
	begun, use time.Time
}

// door lets operators in. What it knows it keeps in memory: who restarts the
// process logs in again.
type door struct {
	users Users
	real  func() time.Time

	hashing  chan struct{}
	mu       sync.Mutex
	sessions map[string]session // by the cookie's value
	failures map[string]failure // by name, and by address
}

// failure is how often in a row a password was wrong, and until when no other
// is listened to.
type failure struct {
	times int
	until time.Time
}

func newDoor(users Users, real func() time.Time) *door {
	return &door{users: users, real: real, hashing: make(chan struct{}, hashesAtOnce), sessions: map[string]session{}, failures: map[string]failure{}}
}

// who is the operator whose request this is; false if nobody is known by it.
func (d *door) who(r *http.Request) (name, id string, ok bool) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return "", "", false
	}
	now := d.real()
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.sessions[c.Value]
	if !ok || now.Sub(s.use) > sessionIdleMax || now.Sub(s.begun) > sessionAgeMax {
		delete(d.sessions, c.Value)
		return "", "", false
	}
	s.use = now
	d.sessions[c.Value] = s
	return s.name, c.Value, true
}

// enter compares a password, unless too many were wrong of late. wait is how
// long nobody is listened to.
func (d *door) enter(r *http.Request, name, password string) (id string, wait time.Duration) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	keys := []string{"name " + name, "from " + host}
	if wait := d.barred(keys); wait > 0 {
		return "", wait
	}
	select {
	case d.hashing <- struct{}{}:
	default:
		return "", time.Second
	}
	ok := len(password) <= passwordBytesMax && d.users.Match(name, password)
	<-d.hashing
	d.mu.Lock()
	defer d.mu.Unlock()
	if !ok {
		return "", d.failed(keys)
	}
	for _, k := range keys {
		delete(d.failures, k)
	}
	if len(d.sessions) >= sessionsMax {
		clear(d.sessions)
	}
	id = rand.Text()
	d.sessions[id] = session{name, d.real(), d.real()}
	return id, 0
}

// passwordBytesMax is the longest password that is listened to, in bytes.
const passwordBytesMax = 1 << 10

func (d *door) barred(keys []string) (wait time.Duration) {
	now := d.real()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range keys {
		wait = max(wait, d.failures[k].until.Sub(now))
	}
	return max(wait, 0)
}

// failed counts a wrong password. Each one behind the free ones doubles the
// wait.
func (d *door) failed(keys []string) (wait time.Duration) {
	if len(d.failures) >= failuresKeptMax {
		clear(d.failures)
	}
	now := d.real()
	for _, k := range keys {
		f := d.failures[k]
		f.times++
		if over := f.times - failuresFree; over >= 0 {
			f.until = now.Add(min(time.Second<<min(over, 10), failureWaitMax))
		}
		d.failures[k] = f
		wait = max(wait, f.until.Sub(now))
	}
	return max(wait, 0)
}

func (d *door) leave(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sessions, id)
}
