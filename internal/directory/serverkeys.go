package directory

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"remit/dialect"
	"remit/store"
)

// Signer signs as us in a dialect.
func (d *Directory) Signer(in string) dialect.Signer { return signer{d, in} }

type signer struct {
	d  *Directory
	in string
}

// Key is the private key of a version; version 0 is the newest.
func (s signer) Key(n int64) (crypto.Signer, error) {
	if n == 0 {
		n = s.d.KeyVersion(s.in)
	}
	s.d.mu.Lock()
	k, ok := s.d.keys[version{s.in, n}]
	s.d.mu.Unlock()
	if ok {
		return k, nil
	}
	ctx, stop := context.WithTimeout(context.Background(), loadTimeout)
	defer stop()
	k, _, err := s.d.load(ctx, s.in, n)
	return k, err
}

// loadTimeout is how long a key may take to be read, of real time.
const loadTimeout = 10 * time.Second

func secretName(in string) string { return "key/" + in }

// load reads one of our keys, the newest if n is 0, and keeps it at hand.
func (d *Directory) load(ctx context.Context, in string, n int64) (crypto.Signer, int64, error) {
	s, ok, err := d.store.Secret(ctx, secretName(in), n)
	if err != nil {
		return nil, 0, err
	}
	if !ok {
		return nil, 0, fmt.Errorf("there is no key of version %d for %s", n, in)
	}
	text, err := d.vault.Open(s.Sealed, secretName(in))
	if err != nil {
		return nil, 0, err
	}
	k, err := ParsePrivateKey(text)
	if err != nil {
		return nil, 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys[version{in, s.Version}] = k
	return k, s.Version, nil
}

// KeyVersion is the version of the key with which a dialect signs now, as this
// process last saw it; 0 where the provider signs nothing.
func (d *Directory) KeyVersion(in string) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.newest[in]
}

// Prepare makes the keys that our dialects sign with and do not have yet, and
// reads the newest of each. It is called at the start, and now and then, since
// another process may have made a newer one.
func (d *Directory) Prepare(ctx context.Context) error {
	for in, speaks := range d.dialects {
		_, ok, err := d.store.Secret(ctx, secretName(in), 0)
		if err != nil {
			return err
		}
		if !ok {
			if signs, err := d.newKey(ctx, in, speaks, 1); err != nil {
				return err
			} else if !signs {
				continue
			}
		}
		_, n, err := d.load(ctx, in, 0)
		if err != nil {
			return err
		}
		d.mu.Lock()
		d.newest[in] = n
		d.mu.Unlock()
	}
	return nil
}

// Rotate makes a newer key for a dialect. Answers that were signed with an
// older one can still be made again.
func (d *Directory) Rotate(ctx context.Context, in string) error {
	speaks, ok := d.dialects[in]
	if !ok {
		return fmt.Errorf("there is no dialect %q", in)
	}
	if _, err := d.newKey(ctx, in, speaks, d.KeyVersion(in)+1); err != nil {
		return err
	}
	return d.Prepare(ctx)
}

// newKey makes a key of version n, unless there is one already. False means
// that the provider signs nothing.
func (d *Directory) newKey(ctx context.Context, in string, speaks dialect.Dialect, n int64) (signs bool, err error) {
	text, err := speaks.NewServerKey(d.rand)
	if err != nil || text == "" {
		return false, err
	}
	sealed, err := d.vault.Seal(text, secretName(in))
	if err != nil {
		return false, err
	}
	_, err = d.store.AddSecret(ctx, store.Secret{
		Name: secretName(in), Version: n, Sealed: sealed, Created: d.now().UTC().Truncate(time.Microsecond),
	})
	return true, err
}

// PublicKeyPEM is the public half of the key with which a dialect signs now:
// what a merchant's library checks us by.
func (d *Directory) PublicKeyPEM(in string) (string, error) {
	k, err := d.Signer(in).Key(0)
	if err != nil {
		return "", err
	}
	raw, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: raw})), nil
}
