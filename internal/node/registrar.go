package node

import (
	"context"

	"remit"
	"remit/dialect"
	"remit/internal/directory"
	"remit/internal/engine"
)

// Registrar makes merchants, and what they are known by. Each of its acts is a
// command of the engine: an event of the merchant, in whose name it was done,
// in one transaction with what it writes. No event holds a secret.
type Registrar struct {
	Engine    *engine.Engine
	Directory *directory.Directory
}

// AddMerchant makes the merchant that the head names. Conflict means that
// there is one of that id already.
func (r Registrar) AddMerchant(ctx context.Context, h remit.Head, s remit.Settings) error {
	_, err := r.Engine.Do(ctx, remit.AddMerchant{Head: h, Settings: s})
	return err
}

// Issue makes a merchant's credentials for a dialect, and ends those that it
// had there. They hold its secrets and private keys: this is the only time
// that anybody sees them.
func (r Registrar) Issue(ctx context.Context, h remit.Head, in string) (dialect.Credentials, error) {
	c, err := r.Directory.Make(h.Merchant, in)
	if err != nil {
		return dialect.Credentials{}, err
	}
	return c, r.Keep(ctx, h, in, c)
}

// Keep keeps credentials that were made elsewhere, and ends those that the
// merchant had in that dialect.
func (r Registrar) Keep(ctx context.Context, h remit.Head, in string, c dialect.Credentials) error {
	cmd, err := r.Directory.Issuance(ctx, h, in, c)
	if err != nil {
		return err
	}
	_, err = r.Engine.Do(ctx, cmd)
	return err
}

// Revoke ends a merchant's credentials in a dialect: this process refuses them
// at once, every other within a second. NotFound means that there are none.
func (r Registrar) Revoke(ctx context.Context, h remit.Head, in string) error {
	_, err := r.Engine.Do(ctx, remit.RevokeCredentials{Head: h, Dialect: in})
	return err
}

// SetPublicKey replaces one of a merchant's public keys; the rest of its
// credentials stays. It says whether the merchant has any in that dialect.
// Conflict means that somebody else has changed them at the same moment.
func (r Registrar) SetPublicKey(ctx context.Context, h remit.Head, in, name, text string) (bool, error) {
	cmd, found, err := r.Directory.Replacement(ctx, h, in, name, text)
	if err != nil || !found {
		return found, err
	}
	_, err = r.Engine.Do(ctx, cmd)
	return true, err
}
