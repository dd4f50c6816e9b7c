package trustlyus

import (
	"encoding/base64"
	"encoding/hex"
	"io"

	"remit"
	"remit/dialect"
)

// The names under which a merchant's credentials are kept. The access key is
// compared as a secret, and computed with as one that both sides know.
const (
	accessKey = "access_key"
	accessID  = "access_id"
)

const (
	idBytes  = 10 // of randomness, in an access id
	keyBytes = 20 // of randomness, in an access key
)

// Issue makes an access id and an access key.
// docs/spec/trustly-us.md#2-authentication-of-api-calls.
func (Dialect) Issue(rand io.Reader, _ remit.MerchantID) (dialect.Credentials, error) {
	raw := make([]byte, idBytes+keyBytes)
	if _, err := io.ReadFull(rand, raw); err != nil {
		return dialect.Credentials{}, err
	}
	id, key := hex.EncodeToString(raw[:idBytes]), hex.EncodeToString(raw[idBytes:])
	return dialect.Credentials{
		Principal: dialect.Principal(id),
		Secrets:   map[string]string{accessKey: key},
		Shared:    map[string]string{accessKey: key, accessID: id},
	}, nil
}

// NewServerKey makes none: nothing is signed with a key of ours alone.
func (Dialect) NewServerKey(io.Reader) (string, error) { return "", nil }

// basic writes credentials in HTTP's Basic scheme.
func basic(id, key string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+key))
}
