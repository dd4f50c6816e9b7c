package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"remit/dialect"
	"remit/dialect/truelayer"
	"remit/dialect/trustly"
	"remit/internal/directory"
	"remit/internal/node"
	"remit/internal/p521"
	"remit/internal/server"
)

// tongue is a dialect in which merchants ask for refunds, signed beforehand.
type tongue struct {
	dialect interface {
		dialect.Dialect
		dialect.Stager
	}
	// client makes of a merchant's credentials what signs its refunds.
	client func(context.Context, *node.Node, dialect.Credentials) (client, error)
	// accepted tells by an answer whether the refund was.
	accepted func(status int, body []byte) bool
	early    int // requests of each merchant before the clock starts
}

// client makes the request for a merchant's n-th refund, of 0.01 EUR of a
// payment: all the bytes of it, signed.
type client func(n int, payment string) ([]byte, error)

var (
	speaksTrustly = tongue{
		dialect: trustly.Dialect{}, client: trustlyClient,
		accepted: func(_ int, body []byte) bool { return bytes.Contains(body, []byte(`"result":"1"`)) },
	}
	speaksTrueLayer = tongue{
		dialect: truelayer.New(), client: trueLayerClient, early: verifiedBefore,
		accepted: func(status int, _ []byte) bool { return status == http.StatusAccepted },
	}
)

// post is a request of HTTP/1.1, with further lines of its header.
func post(path, lines string, body []byte) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: remit.example\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s", path, len(body), lines, body)
}

// keyOf is the private key of credentials that have one, with its name.
func keyOf[K crypto.Signer](c dialect.Credentials) (name string, key K, err error) {
	for n, text := range c.Private {
		k, err := directory.ParsePrivateKey(text)
		if err != nil {
			return "", key, err
		}
		if key, ok := k.(K); ok {
			return n, key, nil
		}
	}
	return "", key, fmt.Errorf("%s has no private key of type %T", c.Principal, key)
}

func trustlyClient(_ context.Context, _ *node.Node, c dialect.Credentials) (client, error) {
	_, key, err := keyOf[*rsa.PrivateKey](c)
	if err != nil {
		return nil, err
	}
	username, password := string(c.Principal), c.Secrets["password"]
	return func(n int, payment string) ([]byte, error) {
		uuid := fmt.Sprintf("00000000-0000-4000-8000-%012x", n)
		plain := "Refund" + uuid + "Amount0.01CurrencyEUROrderID" + payment + "Password" + password + "Username" + username
		sum := sha1.Sum([]byte(plain))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA1, sum[:])
		if err != nil {
			return nil, err
		}
		return post("/api/1", "", fmt.Appendf(nil,
			`{"method":"Refund","params":{"Signature":%q,"UUID":%q,"Data":{"Username":%q,"Password":%q,"OrderID":%q,"Amount":"0.01","Currency":"EUR"}},"version":"1.1"}`,
			base64.StdEncoding.EncodeToString(signature), uuid, username, password, payment)), nil
	}, nil
}

func trueLayerClient(ctx context.Context, nd *node.Node, c dialect.Credentials) (client, error) {
	kid, key, err := keyOf[*ecdsa.PrivateKey](c)
	if err != nil {
		return nil, err
	}
	token, err := accessToken(ctx, nd, c)
	if err != nil {
		return nil, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	head := encode(fmt.Appendf(nil, `{"alg":"ES512","kid":%q,"tl_version":"2","tl_headers":"Idempotency-Key"}`, kid))
	return func(n int, payment string) ([]byte, error) {
		path, body := "/v3/payments/"+payment+"/refunds", []byte(`{"amount_in_minor":1,"reference":"A"}`)
		idempotent := fmt.Sprintf("Idempotency-Key: 00000000-0000-4000-8000-%012x", n)
		sum := sha512.Sum512([]byte(head + "." + encode(fmt.Appendf(nil, "POST %s\n%s\n%s", path, idempotent, body))))
		signature, err := signP521(key, sum[:])
		if err != nil {
			return nil, err
		}
		return post(path, "Authorization: Bearer "+token+"\r\n"+idempotent+"\r\nTl-Signature: "+head+".."+encode(signature)+"\r\n", body), nil
	}, nil
}

// accessToken asks for a token, as a client does.
func accessToken(ctx context.Context, nd *node.Node, c dialect.Credentials) (string, error) {
	s := server.New(server.Options{
		Dialects: []dialect.Dialect{nd.Dialects[truelayer.Name]}, Directory: nd.Directory, Engine: nd.Engine, Now: time.Now, Real: time.Now,
		NewTrace: func() string { return "0123456789abcdef" }, Key: nd.RequestKey,
	})
	defer s.Close()
	form := fmt.Sprintf(`{"grant_type":"client_credentials","client_id":%q,"client_secret":%q}`, c.Principal, c.Secrets["client_secret"])
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/connect/token", strings.NewReader(form)))
	var got struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Token == "" {
		return "", fmt.Errorf("no access token: %d %s", w.Code, w.Body)
	}
	return got.Token, nil
}

// signP521 signs a digest, in the form that JWS has: r and s, each with zeros
// before it.
func signP521(key *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, p521.SignatureBytes)
	r.FillBytes(raw[:len(raw)/2])
	s.FillBytes(raw[len(raw)/2:])
	return raw, nil
}
