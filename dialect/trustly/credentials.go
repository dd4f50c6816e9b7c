package trustly

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"

	"remit"
	"remit/dialect"
)

// The names under which a merchant's credentials are kept.
const (
	secretName = "password"
	keyName    = "merchant"
)

const (
	keyBits       = 2048 // of every key that the provider publishes
	passwordBytes = 18   // of randomness
)

// Issue makes a username, a password and a key pair. The username is the
// merchant's id, which is unique in the installation. The private key is
// written as PKCS#1, which all five official clients read.
func (Dialect) Issue(rand io.Reader, m remit.MerchantID) (dialect.Credentials, error) {
	secret := make([]byte, passwordBytes)
	if _, err := io.ReadFull(rand, secret); err != nil {
		return dialect.Credentials{}, err
	}
	key, err := rsa.GenerateKey(rand, keyBits)
	if err != nil {
		return dialect.Credentials{}, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return dialect.Credentials{}, err
	}
	return dialect.Credentials{
		Principal: dialect.Principal(m),
		Secrets:   map[string]string{secretName: hex.EncodeToString(secret)},
		Public:    map[string]string{keyName: armor("PUBLIC KEY", public)},
		Private:   map[string]string{keyName: armor("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))},
	}, nil
}

// NewServerKey makes a key to sign answers and notifications with, as PKCS#8.
func (Dialect) NewServerKey(rand io.Reader) (string, error) {
	key, err := rsa.GenerateKey(rand, keyBits)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return armor("PRIVATE KEY", der), err
}

func armor(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// privateKey reads a key that Issue made.
func privateKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("the private key is not PEM")
	}
	return x509.ParsePKCS1PrivateKey(block.Bytes)
}
