package test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the provider's digest
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// request is one signed Trustly refund, in words of our own: what a client
// sends, and sends again byte for byte when it heard nothing.
func (c *client) request(uuid, order, amount, reference string) []byte {
	plain := "Refund" + uuid + "Amount" + amount + "AttributesExternalReference" + reference + "CurrencyEUR" +
		"OrderID" + order + "Password" + c.password + "Username" + c.username
	sum := sha1.Sum([]byte(plain))
	signature, err := rsa.SignPKCS1v15(rand.Reader, c.key, crypto.SHA1, sum[:])
	if err != nil {
		panic(err)
	}
	body, err := json.Marshal(map[string]any{
		"method": "Refund", "version": "1.1",
		"params": map[string]any{
			"Signature": base64.StdEncoding.EncodeToString(signature), "UUID": uuid,
			"Data": map[string]any{
				"Username": c.username, "Password": c.password, "OrderID": order, "Amount": amount, "Currency": "EUR",
				"Attributes": map[string]any{"ExternalReference": reference},
			},
		},
	})
	if err != nil {
		panic(err)
	}
	return body
}

// code is what an answer says: 1 for an accepted refund, else the error's.
func code(answer string) int {
	var a struct {
		Result *struct {
			Data struct {
				Result string `json:"result"`
			} `json:"data"`
		} `json:"result"`
		Error *struct {
			Code int `json:"code"`
		} `json:"error"`
	}
	switch err := json.Unmarshal([]byte(answer), &a); {
	case err != nil:
		return 0
	case a.Error != nil:
		return a.Error.Code
	case a.Result != nil && a.Result.Data.Result == "1":
		return 1
	}
	return 0
}

// uuid is the n-th of a family.
func uuid(family, n int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", family, n) }
