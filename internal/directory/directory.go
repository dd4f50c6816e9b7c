// Package directory knows who is who: which merchant a principal belongs to,
// what its secrets and public keys are, and the keys with which we sign
// ourselves. Secrets are kept as keyed digests, keys sealed.
package directory

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
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
	now      func() time.Time // of the business clock: when our keys were made
	real     func() time.Time

	mu        sync.Mutex
	callers   map[named]cached[known] // by dialect and principal
	merchants map[remit.MerchantID]cached[remit.Settings]
	keys      map[version]crypto.Signer
	newest    map[string]int64
	changes   int64 // grows whenever something is forgotten: what was read before is not kept
}

type (
	named struct { // a caller by its principal, or by its merchant's id
		dialect   string
		principal dialect.Principal
		merchant  remit.MerchantID
	}
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
		issued   string // see dialect.Caller
		digests  map[string]string
		shared   map[string]string
		public   map[string]crypto.PublicKey
	}
	// kept is what is sealed of a credential.
	kept struct {
		Digests map[string]string `json:"digests"`          // of secrets, by name
		Shared  map[string]string `json:"shared,omitempty"` // secrets that both sides compute with, by name
		Public  map[string]string `json:"public"`           // PEM, by name
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

// Dialect is the dialect of a name; nil if there is none.
func (d *Directory) Dialect(in string) dialect.Dialect { return d.dialects[in] }

// Changed forgets what is cached of a merchant: who it is, and what it may do.
func (d *Directory) Changed(m remit.MerchantID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	delete(d.merchants, m)
	maps.DeleteFunc(d.callers, func(_ named, c cached[known]) bool { return c.value.merchant == m })
}

// ErrUnknown means that a principal is nobody's.
var ErrUnknown = errors.New("directory: nobody of that name")

// Caller is what is known of a principal. One whom nobody knows is answered
// with the zero Caller, and no error.
func (d *Directory) Caller(ctx context.Context, in string, p dialect.Principal) (dialect.Caller, error) {
	k, err := get(d, d.callers, named{dialect: in, principal: p}, func() (known, error) { return d.read(ctx, in, string(p)) })
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
	k, err := get(d, d.callers, named{dialect: in, merchant: m}, func() (known, error) {
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
	c := dialect.Caller{Known: true, Merchant: k.merchant, Settings: settings, Issued: k.issued, Shared: k.shared, PublicKeys: k.public}
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

func (d *Directory) parse(c remit.Credential) (known, error) {
	if !c.Live() {
		return known{}, ErrUnknown
	}
	k, err := d.open(c)
	if err != nil {
		return known{}, err
	}
	out := known{merchant: c.Merchant, issued: d.issued(c, k.Digests), digests: k.Digests, shared: k.Shared, public: map[string]crypto.PublicKey{}}
	for name, text := range k.Public {
		if out.public[name], err = ParsePublicKey(text); err != nil {
			return known{}, fmt.Errorf("public key %q of %s: %w", name, c.Merchant, err)
		}
	}
	return out, nil
}

// issuedChars is how long the name of an issue of secrets is: 96 bits.
const issuedChars = 16

// issued names the secrets of a credential, and gives none of them away.
func (d *Directory) issued(c remit.Credential, digests map[string]string) string {
	parts := []string{"issued", c.Dialect, string(c.Merchant)}
	for _, name := range slices.Sorted(maps.Keys(digests)) {
		parts = append(parts, name, digests[name])
	}
	return d.vault.Digest(parts...)[:issuedChars]
}

// Make makes a merchant's credentials for a dialect, and keeps nothing. They
// hold its secrets and private keys: this is the only time that anybody sees
// them.
func (d *Directory) Make(m remit.MerchantID, in string) (dialect.Credentials, error) {
	speaks, ok := d.dialects[in]
	if !ok {
		return dialect.Credentials{}, remit.Errorf(remit.NotFound, "", "no dialect %q is spoken here", in)
	}
	return speaks.Issue(d.rand, m)
}

// ErrTaken means that a principal is another merchant's.
var ErrTaken = remit.Errorf(remit.Conflict, "", "one of the names in these credentials is another merchant's")

// Issuance is the command that keeps a merchant's credentials: digests of the
// secrets, and the public keys, under each of their names.
func (d *Directory) Issuance(ctx context.Context, h remit.Head, in string, c dialect.Credentials) (remit.IssueCredentials, error) {
	k := kept{Digests: map[string]string{}, Shared: c.Shared, Public: c.Public}
	for name, secret := range c.Secrets {
		k.Digests[name] = d.digest(in, h.Merchant, name, secret)
	}
	cmd := remit.IssueCredentials{Head: h, Dialect: in}
	for _, p := range append([]dialect.Principal{c.Principal}, c.Also...) {
		have, ok, err := d.store.Credential(ctx, in, string(p))
		if err != nil {
			return cmd, err
		}
		if ok && have.Merchant != h.Merchant {
			return cmd, ErrTaken
		}
		x, err := d.seal(remit.Credential{Dialect: in, Principal: string(p), Merchant: h.Merchant}, k)
		if err != nil {
			return cmd, err
		}
		cmd.Credentials = append(cmd.Credentials, x)
	}
	return cmd, nil
}

// seal is a credential that keeps k.
func (d *Directory) seal(c remit.Credential, k kept) (remit.Credential, error) {
	raw, err := json.Marshal(k)
	if err != nil {
		return c, err
	}
	c.Sealed, err = d.vault.Seal(string(raw), binding(c.Dialect, c.Principal))
	return c, err
}

// open is what a credential keeps.
func (d *Directory) open(c remit.Credential) (k kept, err error) {
	raw, err := d.vault.Open(c.Sealed, binding(c.Dialect, c.Principal))
	if err != nil {
		return k, err
	}
	return k, json.Unmarshal([]byte(raw), &k)
}

// Replacement is the command that replaces one of a merchant's public keys.
// False means that the merchant has no credentials in that dialect.
func (d *Directory) Replacement(ctx context.Context, h remit.Head, in, name, text string) (cmd remit.ReplaceKey, found bool, err error) {
	key, err := ParsePublicKey(text)
	if err != nil {
		return cmd, false, err
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return cmd, false, err
	}
	all, err := d.store.Credentials(ctx, h.Merchant)
	if err != nil {
		return cmd, false, err
	}
	sum := sha256.Sum256(der)
	cmd = remit.ReplaceKey{Head: h, Dialect: in, Name: name, Fingerprint: hex.EncodeToString(sum[:])}
	for _, c := range all {
		if c.Dialect != in || !c.Live() {
			continue
		}
		k, err := d.open(c)
		if err != nil {
			return cmd, false, err
		}
		if k.Public == nil {
			k.Public = map[string]string{}
		}
		k.Public[name] = text
		next, err := d.seal(c, k)
		if err != nil {
			return cmd, false, err
		}
		cmd.Had, cmd.Have = append(cmd.Had, c), append(cmd.Have, next)
	}
	return cmd, len(cmd.Had) > 0, nil
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
