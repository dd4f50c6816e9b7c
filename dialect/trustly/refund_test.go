package trustly

import (
	"crypto"
	"net/http"
	"testing"

	"remit"
	"remit/dialect"
	"remit/money"
)

// TestARefundIsReadAndAnsweredUnderSignature walks one refund through the
// four steps of a call, and verifies the answer as a client would.
func TestARefundIsReadAndAnsweredUnderSignature(t *testing.T) {
	k := readKeys(t)
	const uuid = "8bedfbd4-8181-38e1-f0be-f360171aefc6"
	data, err := parse([]byte(`{"Username":"acme","Password":"` + testPassword + `","OrderID":"1187741486","Amount":"30.00","Currency":"EUR","Attributes":null}`))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := plain.sign(k.merchant, message("Refund", uuid, data, bytewise))
	if err != nil {
		t.Fatal(err)
	}
	body := `{"method":"Refund","params":{"Signature":"` + signature + `","UUID":"` + uuid + `","Data":` + string(appendJSON(nil, data)) + `},"version":1.1}`

	call := Dialect{}.Read(dialect.Request{Method: http.MethodPost, Path: "/api/1", Body: []byte(body)})
	who, err := call.Claim()
	if err != nil || who != "acme" {
		t.Fatalf("claimed %q, %v", who, err)
	}
	if err := call.Verify(k.caller()); err != nil {
		t.Fatal(err)
	}
	op, err := call.Decode()
	if err != nil {
		t.Fatal(err)
	}
	r := op.Refund
	want := money.Amount{Minor: 3000, Currency: "EUR"}
	if r.ExternalID != "1187741486" || r.Amount != want || r.Key != uuid || len(r.Faults) != 0 || r.WhenUnfunded != remit.Wait {
		t.Errorf("decoded %+v", r)
	}

	res := call.Encode(k, remit.Result{Form: r.Form}, nil)
	answer, err := parse(res.Body)
	if err != nil || res.Status != http.StatusOK {
		t.Fatalf("status %d, %v: %s", res.Status, err, res.Body)
	}
	result := answer.get("result")
	if !verify(usable(map[string]crypto.PublicKey{keyName: k.server.Public()}), result.get("signature").text, "Refund", uuid, result.get("data")) {
		t.Errorf("the answer's signature does not hold: %s", res.Body)
	}
	if got := string(appendJSON(nil, result.get("data"))); got != `{"orderid":"1187741486","result":"1"}` {
		t.Errorf("answered %s", got)
	}
}
