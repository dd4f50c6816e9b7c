package truelayer

import (
	"crypto"
	"testing"

	"remit"
	"remit/dialect"
)

// BenchmarkCall tells the reading of a request, its verification and its
// answer apart: all but the curve should be lost beside it.
func BenchmarkCall(b *testing.B) {
	k := readKeys(b)
	r := sample()
	k.prove(b, &r)
	d := New()
	caller := dialect.Caller{Known: true, Merchant: "acme", Admitted: true, PublicKeys: map[string]crypto.PublicKey{testKid: k.merchant.Public()}}
	read := func() dialect.Call {
		call := d.Read(r)
		if _, err := call.Claim(); err != nil {
			b.Fatal(err)
		}
		return call
	}
	b.Run("read and claim", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read()
		}
	})
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		call := read()
		for b.Loop() {
			if err := call.Verify(caller); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		call := read()
		for b.Loop() {
			if _, err := call.Decode(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		call, result := read(), remit.Result{Disbursement: &remit.Disbursement{ExternalID: "8e2f0f6a-5d0b-4f0e-9a53-3a1f7f4f9c11"}}
		for b.Loop() {
			call.Encode(k, result, nil)
		}
	})
}
