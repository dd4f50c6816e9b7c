// Package directory knows who is who: which merchant a principal belongs to,
// what its secrets and public keys are, and the keys with which we sign
// ourselves. Secrets are kept as keyed digests, keys sealed.
package directory

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/vault"
	"remit/store"
)

// freshFor is how long what another process may have changed is taken as it
// was read, of real time. What this process changes it sees at once.
const freshFor = time.Second

// cacheMax bounds each cache, in entries; a full one is emptied.
const cacheMax = 10_000

// Directory is safe for concurrent use.
type Directory struct {
	store    store.Store
	vault    *vault.Vault
	dialects map[string]dialect.Dialect
	rand     io.Reader
	now      func() time.Time // of the business clock: when credentials were made
	real     func() time.Time

	mu        sync.Mutex
	callers   map[named]cached[known] // by dialect and principal
	merchants map[remit.MerchantID]cached[remit.Settings]
	keys      map[version]crypto.Signer
	newest    map[string]int64
	changes   int64 // grows whenever something is forgotten: what was read before is not kept
}

type (
	named   struct{ dialect, name string }
	version struct {
		dialect string
		n       int64
	}
	cached[T any] struct {
		value T
		at    time.Time
	}
	// known is what a credential says, parsed.
	known struct {
		merchant remit.MerchantID
		digests  map[string]string
		shared   map[string]string
		public   map[string]crypto.PublicKey
	}
	// kept is what is sealed of a credential.
	kept struct {
		Digests map[string]string `json:"digests"`          // of secrets, by name
		Shared  map[string]string `json:"shared,omitempty"` // secrets that both sides compute with, by name
		Public  map[string]string `json:"public"`           // PEM, by name
		Ended   bool              `json:"ended,omitempty"`  // it is nobody's any more
	}
)

// New makes a directory over a store.
func New(s store.Store, v *vault.Vault, dialects map[string]dialect.Dialect, rand io.Reader, now, real func() time.Time) *Directory {
	return &Directory{
		store: s, vault: v, dialects: dialects, rand: rand, now: now, real: real,
		callers: map[named]cached[known]{}, merchants: map[remit.MerchantID]cached[remit.Settings]{},
		keys: map[version]crypto.Signer{}, newest: map[string]int64{},
	}
}

// get looks into a cache, and fills it.
func get[K comparable, V any](d *Directory, cache map[K]cached[V], k K, fill func() (V, error)) (V, error) {
	now := d.real()
	d.mu.Lock()
	c, ok := cache[k]
	changes := d.changes
	d.mu.Unlock()
	if ok && now.Sub(c.at) < freshFor {
		return c.value, nil
	}
	v, err := fill()
	if err != nil {
		return v, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changes != changes {
		return v, nil
	}
	if len(cache) >= cacheMax {
		clear(cache)
	}
	cache[k] = cached[V]{v, now}
	return v, nil
}

// Changed forgets what is cached of a merchant's settings.
func (d *Directory) Changed(m remit.MerchantID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	delete(d.merchants, m)
}

// ErrUnknown means that a principal is nobody's.
var ErrUnknown = errors.New("directory: nobody of that name")

// Caller is what is known of a principal. One whom nobody knows is answered
// with the zero Caller, and no error.
func (d *Directory) Caller(ctx context.Context, in string, p dialect.Principal) (dialect.Caller, error) {
	k, err := get(d, d.callers, named{in, string(p)}, func() (known, error) { return d.read(ctx, in, string(p)) })
	if errors.Is(err, ErrUnknown) {
		return dialect.Caller{}, nil
	}
	if err != nil {
		return dialect.Caller{}, err
	}
	return d.caller(ctx, in, k)
}

// Merchant is what a dialect knows of one of our merchants; the zero Caller if
// it has no credentials there.
func (d *Directory) Merchant(ctx context.Context, in string, m remit.MerchantID) (dialect.Caller, error) {
	k, err := get(d, d.callers, named{in, "merchant " + string(m)}, func() (known, error) {
		all, err := d.store.Credentials(ctx, m)
		if err != nil {
			return known{}, err
		}
		for _, c := range all {
			if c.Dialect != in {
				continue
			}
			if k, err := d.parse(c); !errors.Is(err, ErrUnknown) {
				return k, err
			}
		}
		return known{}, ErrUnknown
	})
	if errors.Is(err, ErrUnknown) {
		return dialect.Caller{}, nil
	}
	if err != nil {
		return dialect.Caller{}, err
	}
	return d.caller(ctx, in, k)
}

func (d *Directory) caller(ctx context.Context, in string, k known) (dialect.Caller, error) {
	settings, err := get(d, d.merchants, k.merchant, func() (remit.Settings, error) {
		have, err := d.store.Read(ctx, store.Wants{Merchants: []remit.MerchantID{k.merchant}})
		if err != nil {
			return remit.Settings{}, err
		}
		m, ok := have.Merchants[k.merchant]
		if !ok {
			return remit.Settings{}, fmt.Errorf("credentials name merchant %s, which is not there", k.merchant)
		}
		return m.Settings, nil
	})
	if err != nil {
		return dialect.Caller{}, err
	}
	c := dialect.Caller{Known: true, Merchant: k.merchant, Settings: settings, Shared: k.shared, PublicKeys: k.public}
	if settings.KeysWithdrawn[in] {
		c.PublicKeys = nil
	}
	c.Secret = func(name, candidate string) bool {
		return vault.SameSecret(k.digests[name], d.digest(in, k.merchant, name, candidate))
	}
	return c, nil
}

func (d *Directory) digest(in string, m remit.MerchantID, name, secret string) string {
	return d.vault.SecretDigest(in, string(m), name, secret)
}

func binding(in, principal string) string { return "credential/" + in + "/" + principal }

func (d *Directory) read(ctx context.Context, in, principal string) (known, error) {
	c, ok, err := d.store.Credential(ctx, in, principal)
	if err != nil {
		return known{}, err
	}
	if !ok {
		return known{}, ErrUnknown
	}
	return d.parse(c)
}

func (d *Directory) parse(c store.Credential) (known, error) {
	raw, err := d.vault.Open(c.Sealed, binding(c.Dialect, c.Principal))
	if err != nil {
		return known{}, err
	}
	var k kept
	if err := json.Unmarshal([]byte(raw), &k); err != nil {
		return known{}, err
	}
	if k.Ended {
		return known{}, ErrUnknown
	}
	out := known{merchant: c.Merchant, digests: k.Digests, shared: k.Shared, public: map[string]crypto.PublicKey{}}
	for name, text := range k.Public {
		if out.public[name], err = ParsePublicKey(text); err != nil {
			return known{}, fmt.Errorf("public key %q of %s: %w", name, c.Merchant, err)
		}
	}
	return out, nil
}

// Issue makes a merchant's credentials for a dialect. They hold its secrets and
// private keys: this is the only time that anybody sees them.
func (d *Directory) Issue(ctx context.Context, m remit.MerchantID, in string) (dialect.Credentials, error) {
	speaks, ok := d.dialects[in]
	if !ok {
		return dialect.Credentials{}, fmt.Errorf("there is no dialect %q", in)
	}
	c, err := speaks.Issue(d.rand, m)
	if err != nil {
		return dialect.Credentials{}, err
	}
	return c, d.Put(ctx, m, in, c)
}

// ErrTaken means that a principal is another merchant's.
var ErrTaken = errors.New("directory: the name is another merchant's")

// Put keeps a merchant's credentials: digests of the secrets, and the public
// keys, under each of their names. What the merchant had there before has
// ended.
func (d *Directory) Put(ctx context.Context, m remit.MerchantID, in string, c dialect.Credentials) error {
	k := kept{Digests: map[string]string{}, Shared: c.Shared, Public: c.Public}
	for name, secret := range c.Secrets {
		k.Digests[name] = d.digest(in, m, name, secret)
	}
	raw, err := json.Marshal(k)
	if err != nil {
		return err
	}
	names := append([]dialect.Principal{c.Principal}, c.Also...)
	for _, p := range names {
		if err := d.put(ctx, m, in, string(p), string(raw)); err != nil {
			return err
		}
	}
	had, err := d.store.Credentials(ctx, m)
	if err != nil {
		return err
	}
	for _, old := range had {
		if old.Dialect != in || slices.Contains(names, dialect.Principal(old.Principal)) {
			continue
		}
		if err := d.put(ctx, m, in, old.Principal, ended); err != nil {
			return err
		}
	}
	return nil
}

// ended is what is kept of a credential that is nobody's any more: its name
// stays the merchant's.
const ended = `{"ended":true}`

func (d *Directory) put(ctx context.Context, m remit.MerchantID, in, principal, raw string) error {
	have, ok, err := d.store.Credential(ctx, in, principal)
	if err != nil {
		return err
	}
	if ok && have.Merchant != m {
		return ErrTaken
	}
	sealed, err := d.vault.Seal(raw, binding(in, principal))
	if err != nil {
		return err
	}
	err = d.store.PutCredential(ctx, store.Credential{
		Dialect: in, Principal: principal, Merchant: m, Sealed: sealed, Created: d.now().UTC().Truncate(time.Microsecond),
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	delete(d.callers, named{in, principal})
	delete(d.callers, named{in, "merchant " + string(m)})
	return err
}

// SetPublicKey replaces one of a merchant's public keys; the rest of its
// credentials stays. It says whether the merchant has any in that dialect.
func (d *Directory) SetPublicKey(ctx context.Context, m remit.MerchantID, in, name, text string) (bool, error) {
	if _, err := ParsePublicKey(text); err != nil {
		return false, err
	}
	all, err := d.store.Credentials(ctx, m)
	if err != nil {
		return false, err
	}
	found := false
	for _, c := range all {
		if c.Dialect != in {
			continue
		}
		raw, err := d.vault.Open(c.Sealed, binding(in, c.Principal))
		if err != nil {
			return false, err
		}
		var k kept
		if err := json.Unmarshal([]byte(raw), &k); err != nil {
			return false, err
		}
		if k.Ended {
			continue
		}
		found = true
		if k.Public == nil {
			k.Public = map[string]string{}
		}
		k.Public[name] = text
		changed, err := json.Marshal(k)
		if err != nil {
			return false, err
		}
		if c.Sealed, err = d.vault.Seal(string(changed), binding(in, c.Principal)); err != nil {
			return false, err
		}
		err = d.store.PutCredential(ctx, c)
		d.mu.Lock()
		d.changes++
		clear(d.callers)
		d.mu.Unlock()
		if err != nil {
			return true, err
		}
	}
	return found, nil
}

// ErrPEM means that a text is not a key in PEM.
var ErrPEM = errors.New("directory: not a key in PEM")

// ParsePublicKey reads a public key in PEM: PKIX, PKCS #1, or of a certificate.
func ParsePublicKey(text string) (crypto.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, ErrPEM
	}
	if k, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
		return k, nil
	}
	if k, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil {
		return k, nil
	}
	if c, err := x509.ParseCertificate(block.Bytes); err == nil {
		return c.PublicKey, nil
	}
	return nil, ErrPEM
}

// ParsePrivateKey reads a private key in PEM: PKCS #8, PKCS #1 or SEC 1.
func ParsePrivateKey(text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, ErrPEM
	}
	if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		if s, ok := k.(crypto.Signer); ok {
			return s, nil
		}
		return nil, ErrPEM
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	if k, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	return nil, ErrPEM
}
