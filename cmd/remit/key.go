package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"remit"
	"remit/internal/catalog"
	"remit/internal/vault"
)

// keyCmd is what can be done about our own keys.
type keyCmd struct {
	Master keyMasterCmd `cmd:"" help:"Print a new master key. Nothing else is done with it."`
	List   keyListCmd   `cmd:"" help:"List the keys that we sign with."`
	Rotate keyRotateCmd `cmd:"" help:"Make a newer key for a dialect, and sign with it from now on."`
	Export keyExportCmd `cmd:"" help:"Print the public key by which merchants check us."`
}

type keyMasterCmd struct{}

// Run prints a master key.
func (keyMasterCmd) Run(a *app) error {
	raw := make([]byte, vault.MasterKeyBytes)
	rand.Read(raw)
	a.print("%s", base64.StdEncoding.EncodeToString(raw))
	return nil
}

type keyListCmd struct {
	JSON bool `help:"Print JSON."`
}

// ownKey is one of our keys as the list shows it.
type ownKey struct {
	Dialect     string `json:"dialect"`
	Version     int64  `json:"version"`
	Kind        string `json:"kind"`
	Fingerprint string `json:"fingerprint"` // SHA-256 of the public key in DER
	Signs       bool   `json:"signs"`
}

// Run lists the keys.
func (c keyListCmd) Run(a *app) error {
	return a.at(func(_ context.Context, d *desk) error {
		all, err := d.ownKeys()
		if err != nil {
			return err
		}
		if c.JSON {
			return a.printJSON(all)
		}
		t := a.table("dialect", "version", "kind", "fingerprint", "")
		for _, k := range all {
			use := "made older answers"
			if k.Signs {
				use = "signs"
			}
			t.AppendRow(table.Row{k.Dialect, k.Version, k.Kind, k.Fingerprint, use})
		}
		t.Render()
		return nil
	})
}

func (d *desk) ownKeys() ([]ownKey, error) {
	all := []ownKey{}
	for _, speaks := range catalog.Dialects() {
		newest := d.Directory.KeyVersion(speaks.Name())
		for n := int64(1); n <= newest; n++ {
			k, err := d.Directory.Signer(speaks.Name()).Key(n)
			if err != nil {
				return nil, err
			}
			der, err := x509.MarshalPKIXPublicKey(k.Public())
			if err != nil {
				return nil, err
			}
			sum := sha256.Sum256(der)
			all = append(all, ownKey{speaks.Name(), n, kindOf(k.Public()), hex.EncodeToString(sum[:]), n == newest})
		}
	}
	return all, nil
}

func kindOf(k crypto.PublicKey) string {
	switch k := k.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Params().Name
	}
	return fmt.Sprintf("%T", k)
}

type keyRotateCmd struct {
	Dialect string `help:"The API whose key it is." required:"" placeholder:"NAME"`
	Yes     bool   `help:"Do it. Merchants that do not have the new key will no longer believe us."`
}

// Run rotates.
func (c keyRotateCmd) Run(a *app) error {
	return a.at(func(ctx context.Context, d *desk) error {
		had := d.Directory.KeyVersion(c.Dialect)
		if had == 0 {
			return noKey(c.Dialect)
		}
		if !c.Yes {
			return hinted{remit.Errorf(remit.Invalid, "", "merchants that do not have the new key will no longer believe us: nothing was done"), "--yes does it"}
		}
		if err := d.Directory.Rotate(ctx, c.Dialect); err != nil {
			return err
		}
		a.say("%s is signed with key %d; every process does so within half a minute", c.Dialect, d.Directory.KeyVersion(c.Dialect))
		return nil
	})
}

func noKey(in string) error {
	return misuse{fmt.Errorf("there is no key of ours for a dialect %q: remit key list shows those that are there", in)}
}

type keyExportCmd struct {
	Dialect string `help:"The API whose key it is." required:"" placeholder:"NAME"`
	For     string `help:"The host, or HOST:PORT, at which a merchant reaches us: the key is written to HOST.public.pem or HOST:PORT.public.pem, as Trustly's PHP and Python libraries look for it." placeholder:"HOST"`
	Dir     string `help:"The folder to write it to, with --for." default:"." placeholder:"DIR"`
}

// publicMode are the permissions of a public key's file.
const publicMode = 0o644

// Run prints or writes the key.
func (c keyExportCmd) Run(a *app) error {
	return a.at(func(_ context.Context, d *desk) error {
		if d.Directory.KeyVersion(c.Dialect) == 0 {
			return noKey(c.Dialect)
		}
		text, err := d.Directory.PublicKeyPEM(c.Dialect)
		if err != nil {
			return err
		}
		if c.For == "" {
			fmt.Fprint(a.stdout, text)
			return nil
		}
		if strings.ContainsAny(c.For, `/\`) {
			return misuse{fmt.Errorf("--for is HOST or HOST:PORT, and %q is not", c.For)}
		}
		path := filepath.Join(c.Dir, c.For+".public.pem")
		if err := os.WriteFile(path, []byte(text), publicMode); err != nil {
			return err
		}
		a.print("%s", path)
		return nil
	})
}
