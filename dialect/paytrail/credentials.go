package paytrail

import (
	"fmt"
	"io"
	"math/big"

	"remit"
	"remit/dialect"
)

// The names under which a merchant's two secrets are kept. Both are needed in
// clear: they are the keys of HMACs.
const (
	sharedMerchant = "merchant_api"
	sharedPayment  = "payment_api"
)

// The two APIs' callers are told apart by what stands before the id.
// docs/spec/paytrail.md#3-choosing-between-a-and-b-on-one-host.
const (
	principalMerchant = "merchant/"
	principalAccount  = "account/"
)

const (
	secretLength = 30 // of characters: 178 bits
	secretChars  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	// idMin and idCount bound the ids: nine digits, which every client's
	// integers hold.
	idMin   = 100_000_000
	idCount = 900_000_000
)

// Issue makes the id and the secret of both APIs.
func (Dialect) Issue(rand io.Reader, _ remit.MerchantID) (dialect.Credentials, error) {
	d := dice{rand: rand}
	c := dialect.Credentials{
		Principal: dialect.Principal(principalMerchant + d.id()),
		Also:      []dialect.Principal{dialect.Principal(principalAccount + d.id())},
		Shared:    map[string]string{sharedMerchant: d.secret(), sharedPayment: d.secret()},
	}
	return c, d.err
}

// dice draws from randomness, and keeps the first error.
type dice struct {
	rand io.Reader
	err  error
}

// below draws a number from 0 to n-1: of a hundred bits more than n has, so
// that the remainder favours none.
func (d *dice) below(n int64) int64 {
	raw := make([]byte, 20)
	if _, err := io.ReadFull(d.rand, raw); err != nil && d.err == nil {
		d.err = err
	}
	return new(big.Int).Mod(new(big.Int).SetBytes(raw), big.NewInt(n)).Int64()
}

func (d *dice) id() string { return fmt.Sprint(idMin + d.below(idCount)) }

func (d *dice) secret() string {
	s := make([]byte, secretLength)
	for i := range s {
		s[i] = secretChars[d.below(int64(len(secretChars)))]
	}
	return string(s)
}

// NewServerKey makes nothing: what is signed is signed with the merchant's
// own secret.
func (Dialect) NewServerKey(io.Reader) (string, error) { return "", nil }
