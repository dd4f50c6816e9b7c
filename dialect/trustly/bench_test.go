package trustly

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"testing"

	"remit/dialect"
)

const testPassword = "correct horse"

// keys are our own key, as the server, and a merchant's.
type keys struct {
	server   crypto.Signer
	merchant crypto.Signer
	private  string // the merchant's, as PEM
}

func readKeys(t testing.TB) keys {
	t.Helper()
	read := func(file string) (string, []byte) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		if block == nil {
			t.Fatalf("%s is not PEM", file)
		}
		return string(text), block.Bytes
	}
	_, der := read("testdata/keys/server.pem")
	server, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := read("testdata/keys/merchant.pem")
	merchant, err := privateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return keys{server.(crypto.Signer), merchant, text}
}

// Key is the server's: there is one version of it, and 0 means the newest.
func (k keys) Key(version int64) (crypto.Signer, error) {
	if version > 1 {
		return nil, errors.New("there is no such key")
	}
	return k.server, nil
}

func (k keys) caller() dialect.Caller {
	return dialect.Caller{
		Known: true, Merchant: "acme", Admitted: true,
		Secret:     func(name, candidate string) bool { return name == secretName && candidate == testPassword },
		PublicKeys: map[string]crypto.PublicKey{keyName: k.merchant.Public()},
	}
}
