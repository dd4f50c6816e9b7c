package console

import (
	"crypto/rand"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"remit/internal/vault"
)

// Limits of wrong passwords, of real time.
const (
	failuresFree    = 5 // of one name, from one address, or from one browser, before they have to wait
	failureWaitMax  = 15 * time.Minute
	failuresKeptMax = 10_000
	knownCookie     = "remit_known"
	knownAgeMax     = 400 * 24 * time.Hour
	// networkBits is how much of an IPv6 address counts as one: whoever has one
	// has the rest too.
	networkBits = 64
)

// passwordBytesMax is the longest password that is listened to, in bytes.
const passwordBytesMax = 1 << 10

// failures counts wrong passwords, in this process.
type failures struct {
	real func() time.Time
	mu   sync.Mutex
	kept map[string]failure // by what they are counted under
}

// failure is how often in a row a password was wrong, and until when no other
// is listened to.
type failure struct {
	times int
	until time.Time
}

func newFailures(real func() time.Time) *failures {
	return &failures{real: real, kept: map[string]failure{}}
}

// counted is what a wrong password is counted under: the name, and the address.
// A browser from which the name has logged in is counted for itself alone, so
// that nobody else can keep an operator out.
func (d *door) counted(r *http.Request, from netip.Addr, name string) []string {
	if c, err := r.Cookie(knownCookie); err == nil {
		if id, _, _ := strings.Cut(c.Value, "."); vault.SameSecret(c.Value, d.known(id, name)) {
			return []string{"browser " + id}
		}
	}
	if len(name) > nameBytesMax {
		name = "" // of nobody
	}
	if from.Is6() {
		from = netip.PrefixFrom(from, networkBits).Masked().Addr()
	}
	return []string{"name " + name, "from " + from.String()}
}

// known is what a browser keeps from which a name has logged in, until the name
// gets another password.
func (d *door) known(id, name string) string {
	return id + "." + d.vault.Digest("known browser", id, name, d.line(name))
}

// remember lets a browser be known.
func (d *door) remember(w http.ResponseWriter, name string, secure bool) {
	http.SetCookie(w, &http.Cookie{
		Name: knownCookie, Value: d.known(rand.Text(), name), Path: Path + "/login", MaxAge: int(knownAgeMax.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure,
	})
}

// judged remembers whether a password was right.
func (f *failures) judged(ok bool, keys []string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !ok {
		return f.failed(keys)
	}
	for _, k := range keys {
		delete(f.kept, k)
	}
	return 0
}

func (f *failures) barred(keys []string) (wait time.Duration) {
	now := f.real()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range keys {
		wait = max(wait, f.kept[k].until.Sub(now))
	}
	return max(wait, 0)
}

// failed counts a wrong password. Each one behind the free ones doubles the
// wait.
func (f *failures) failed(keys []string) (wait time.Duration) {
	now := f.real()
	if len(f.kept) >= failuresKeptMax {
		maps.DeleteFunc(f.kept, func(_ string, x failure) bool { return !x.until.After(now) })
	}
	if len(f.kept) >= failuresKeptMax {
		clear(f.kept)
	}
	for _, k := range keys {
		x := f.kept[k]
		x.times++
		if over := x.times - failuresFree; over >= 0 {
			x.until = now.Add(min(time.Second<<min(over, 10), failureWaitMax))
		}
		f.kept[k] = x
		wait = max(wait, x.until.Sub(now))
	}
	return max(wait, 0)
}
