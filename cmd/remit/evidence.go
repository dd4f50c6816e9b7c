package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"remit/internal/evidence"
	"remit/internal/vault"
	"remit/money"
)

// evidenceCmd is what can be asked of the files that the console hands out.
type evidenceCmd struct {
	Verify evidenceVerifyCmd `cmd:"" help:"Check a file of evidence. Exits with 1 if it was altered, or is not this installation's."`
	Key    evidenceKeyCmd    `cmd:"" help:"Print the public key by which others check this installation's evidence."`
}

type evidenceVerifyCmd struct {
	File string `arg:"" help:"The file; - reads stdin."`
	Key  string `help:"The public key, in base64, of the installation whose it must be. Without it the master key of this configuration decides." placeholder:"KEY"`
}

// evidenceBytesMax is how much of a file of evidence is read, in bytes.
const evidenceBytesMax = 64 << 20

// Run checks.
func (c evidenceVerifyCmd) Run(a *app) error {
	want := ed25519.PublicKey(nil)
	if c.Key != "" {
		raw, err := base64.StdEncoding.DecodeString(c.Key)
		if err != nil || len(raw) != ed25519.PublicKeySize {
			return misuse{fmt.Errorf("--key is no public key of Ed25519 in base64")}
		}
		want = raw
	} else {
		var err error
		if want, err = a.evidenceKey(); err != nil {
			return err
		}
	}
	text, err := a.readMost(c.File, evidenceBytesMax)
	if err != nil {
		return err
	}
	b, by, err := evidence.Verify(text)
	if err != nil {
		return err
	}
	if !by.Equal(want) {
		return fmt.Errorf("the file is whole, and signed by another installation, with the key %s", base64.StdEncoding.EncodeToString(by))
	}
	d := b.Disbursement
	a.print("%s %s of merchant %s: %s, %s", d.Kind, d.ID, b.Merchant, money.Amount{Minor: d.AmountMinor, Currency: money.Currency(d.Currency)}, d.State)
	a.print("%s, %s and %s, issued %s by %s", count(len(b.Requests), "request"), count(len(b.Events), "event"), count(len(b.Notifications), "notification"), b.Issued.Format("2006-01-02 15:04:05 MST"), b.By)
	a.print("the evidence holds")
	return nil
}

// evidenceKey is this installation's.
func (a *app) evidenceKey() (ed25519.PublicKey, error) {
	c, err := loadConfig(a.config, a.environ)
	if err != nil {
		return nil, err
	}
	master, err := masterKey(c, a.environ)
	if err != nil {
		return nil, err
	}
	v, err := vault.New(master, rand.Reader)
	if err != nil {
		return nil, err
	}
	return evidence.Key(v).Public().(ed25519.PublicKey), nil
}

type evidenceKeyCmd struct{}

// Run prints the key.
func (evidenceKeyCmd) Run(a *app) error {
	k, err := a.evidenceKey()
	if err != nil {
		return err
	}
	a.print("%s", base64.StdEncoding.EncodeToString(k))
	return nil
}
