package server_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"remit/store"
)

func itoa(n int) string { return strconv.Itoa(n) }

// serialize is the text that is signed, for flat data of texts.
func serialize(method, uuid string, data map[string]string) []byte {
	text := method + uuid
	for _, k := range slices.Sorted(maps.Keys(data)) {
		text += k + data[k]
	}
	sum := sha1.Sum([]byte(text))
	return sum[:]
}

// TestASignedRefundIsAnsweredUnderSignature asks for a refund as Trustly's
// libraries do, twice: signed by the merchant, believed, kept in the store,
// and answered with a signature of ours that holds, byte by byte the same.
func TestASignedRefundIsAnsweredUnderSignature(t *testing.T) {
	w := newWorld(t)
	c := w.secrets["trustly"]
	block, _ := pem.Decode([]byte(c.Private["merchant"]))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	must(t, err)
	const uuid = "8bedfbd4-8181-38e1-f0be-f360171aefc6"
	data := map[string]string{
		"Username": string(c.Principal), "Password": c.Secrets["password"], "OrderID": "1234567890", "Amount": "20.00", "Currency": "EUR",
	}
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA1, serialize("Refund", uuid, data))
	must(t, err)
	body, err := json.Marshal(map[string]any{"method": "Refund", "version": "1.1", "params": map[string]any{
		"Signature": base64.StdEncoding.EncodeToString(signature), "UUID": uuid, "Data": data,
	}})
	must(t, err)
	ask := func() []byte {
		res, err := http.Post(w.url+"/api/1", "application/json", bytes.NewReader(body))
		must(t, err)
		defer http.DefaultClient.CloseIdleConnections()
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		must(t, err)
		return raw
	}
	first := ask()
	var got struct {
		Result struct {
			Signature, UUID, Method string
			Data                    map[string]string
		}
	}
	must(t, json.Unmarshal(first, &got))
	if d := got.Result.Data; d["orderid"] != "1234567890" || d["result"] != "1" {
		t.Fatalf("answered %s", first)
	}
	ours, err := w.Directory.Signer("trustly").Key(0)
	must(t, err)
	raw, err := base64.StdEncoding.DecodeString(got.Result.Signature)
	must(t, err)
	if err := rsa.VerifyPKCS1v15(ours.Public().(*rsa.PublicKey), crypto.SHA1, serialize("Refund", uuid, got.Result.Data), raw); err != nil {
		t.Errorf("our signature: %v", err)
	}
	if again := ask(); !bytes.Equal(first, again) {
		t.Errorf("the same request was answered\n%s then\n%s", first, again)
	}
	ds, err := w.Store.Disbursements(t.Context(), store.Filter{Merchant: "acme", Max: 10})
	must(t, err)
	if len(ds) != 1 || ds[0].Amount.Minor != 2000 {
		t.Errorf("the store holds %+v", ds)
	}
}
