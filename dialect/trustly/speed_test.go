package trustly

import (
	"crypto"
	"testing"

	"remit"
	"remit/dialect"
)

// BenchmarkCall tells the reading of a request, its verification and its
// answer apart: all but the two RSA operations should be lost beside them.
func BenchmarkCall(b *testing.B) {
	k := readKeys(b)
	r := sample()
	k.prove(b, &r)
	caller := dialect.Caller{Known: true, Admitted: true, Secret: func(string, string) bool { return true },
		PublicKeys: map[string]crypto.PublicKey{keyName: k.merchant.Public()}}
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			Dialect{}.Read(r)
		}
	})
	b.Run("verify and decode", func(b *testing.B) {
		call := Dialect{}.Read(r)
		for b.Loop() {
			if err := call.Verify(caller); err != nil {
				b.Fatal(err)
			}
			if _, err := call.Decode(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		call := Dialect{}.Read(r)
		for b.Loop() {
			call.Encode(k, remit.Result{}, nil)
		}
	})
}
