package vault

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"remit"
)

// open makes a vault whose master key and randomness come from a seed.
func open(t *testing.T, seed byte) *Vault {
	t.Helper()
	v, err := New(bytes.Repeat([]byte{seed}, MasterKeyBytes), rand.NewChaCha8([32]byte{seed}))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestAMasterKeyHasItsLength.
func TestAMasterKeyHasItsLength(t *testing.T) {
	for _, n := range []int{0, 16, MasterKeyBytes - 1, MasterKeyBytes + 1} {
		if _, err := New(make([]byte, n), nil); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
}

// TestWhatIsSealedOpens under the same key for the same thing, and never
// looks the same twice.
func TestWhatIsSealedOpens(t *testing.T) {
	v := open(t, 1)
	for _, text := range []string{"", "a", "SE45 5000 0000 0583 9825 7466", strings.Repeat("ä", 5000), "s1.", "\x00"} {
		sealed, err := v.Seal(text, "acme/p1/account")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := open(t, 1).Open(sealed, "acme/p1/account"); err != nil || got != text {
			t.Errorf("%.20q: got %.20q, %v", text, got, err)
		}
		again, err := v.Seal(text, "acme/p1/account")
		if err != nil || (again == sealed) != (text == "") {
			t.Errorf("%.20q: sealed twice it looks the same (%v)", text, err)
		}
		if len(text) > 10 && strings.Contains(string(sealed), text[:10]) {
			t.Errorf("%.20q can be read", text)
		}
	}
}

// TestNothingElseOpens: another key, another thing, each altered byte, a
// shortened text, a text that was never sealed. The error says nothing of it.
func TestNothingElseOpens(t *testing.T) {
	v := open(t, 1)
	sealed, err := v.Seal("secret", "acme/p1")
	if err != nil {
		t.Fatal(err)
	}
	closed := func(what string, v *Vault, s remit.Sealed, bind string) {
		t.Helper()
		if got, err := v.Open(s, bind); !errors.Is(err, ErrSealed) || got != "" {
			t.Errorf("%s: got %q, %v", what, got, err)
		}
	}
	closed("another key", open(t, 2), sealed, "acme/p1")
	closed("another thing", v, sealed, "acme/p2")
	closed("nothing", v, sealed, "")
	for i := range sealed {
		b := []byte(sealed)
		b[i] ^= 2
		closed("an altered byte", v, remit.Sealed(b), "acme/p1")
		if i > 0 {
			closed("a part", v, sealed[:i], "acme/p1")
		}
	}
	closed("a plain text", v, "secret", "acme/p1")
	closed("another version", v, "s2."+sealed[3:], "acme/p1")
	closed("no text at all", v, "s1.", "acme/p1")
}

// TestNoRandomnessNoSeal: a nonce is never made up.
func TestNoRandomnessNoSeal(t *testing.T) {
	for _, r := range []io.Reader{iotest.ErrReader(io.ErrClosedPipe), strings.NewReader("short")} {
		v, err := New(make([]byte, MasterKeyBytes), r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.Seal("secret", ""); err == nil {
			t.Errorf("got %q", got)
		}
	}
}

// TestDigestsTellApart other parts, other boundaries between them, other
// keys, and what they are for.
func TestDigestsTellApart(t *testing.T) {
	v := open(t, 1)
	want := v.Digest("ab", "c")
	if got := open(t, 1).Digest("ab", "c"); got != want || len(got) != 22 {
		t.Errorf("got %q, then %q", want, got)
	}
	for name, got := range map[string]string{
		"other parts":     v.Digest("ab", "d"),
		"other bounds":    v.Digest("a", "bc"),
		"one part":        v.Digest("abc"),
		"an empty part":   v.Digest("ab", "c", ""),
		"another purpose": v.SecretDigest("ab", "c"),
		"another key":     open(t, 2).Digest("ab", "c"),
	} {
		if got == want {
			t.Errorf("%s: the same digest", name)
		}
	}
	if !SameSecret(v.SecretDigest("x"), v.SecretDigest("x")) || SameSecret(v.SecretDigest("x"), v.SecretDigest("y")) || SameSecret("x", "") {
		t.Error("secrets are not compared")
	}
	if bytes.Equal(v.Derive("seal"), v.Derive("digest")) || len(v.Derive("chain")) != 32 {
		t.Error("two purposes have one key")
	}
}

// numbersWindow is how many numbers of a merchant are looked at.
const numbersWindow = 200_000

// TestNumbersDoNotRepeat, have ten digits, and begin with none that is zero.
func TestNumbersDoNotRepeat(t *testing.T) {
	n := open(t, 1).NumbersFor("acme")
	seen := make(map[string]bool, numbersWindow)
	ascending := 0
	last := ""
	for i := range int64(numbersWindow) {
		s := n.At(i + 1)
		if len(s) != 10 || s[0] == '0' || strings.Trim(s, "0123456789") != "" {
			t.Fatalf("number %d is %q", i+1, s)
		}
		if seen[s] {
			t.Fatalf("number %d, %s, was there before", i+1, s)
		}
		seen[s] = true
		if s > last {
			ascending++
		}
		last = s
	}
	// Half of all steps go up, give or take ten standard deviations.
	if off := ascending - numbersWindow/2; off < -1300 || off > 1300 {
		t.Errorf("%d of %d numbers are above the one before: they can be guessed", ascending, numbersWindow)
	}
}

// TestThePermutationIsOne: it can be walked back from every value, so that no
// two counters share a number, also where a window of them is not enough to
// see it.
func TestThePermutationIsOne(t *testing.T) {
	n := open(t, 1).NumbersFor("acme")
	rnd := rand.New(rand.NewPCG(1, 0))
	for range 10_000 {
		x := rnd.Uint64N(1 << (2 * halfBits))
		if got := n.back(n.permute(x)); got != x {
			t.Fatalf("%d leads to %d, and back to %d", x, n.permute(x), got)
		}
	}
}

// back undoes permute: with the halves swapped, a Feistel network runs
// backwards when its rounds do.
func (k Numbers) back(y uint64) uint64 {
	mac := hmac.New(sha256.New, k.key)
	l, r := y>>halfBits, y&halfMask
	for i := rounds - 1; i >= 0; i-- {
		l, r = r^round(mac, i, l), l
	}
	return l<<halfBits | r
}

// TestMerchantsNumbersAreTheirOwn: the same counter gives another number to
// another merchant and under another key, and the same one for ever.
func TestMerchantsNumbersAreTheirOwn(t *testing.T) {
	v := open(t, 1)
	got := v.NumbersFor("acme").At(1)
	if again := open(t, 1).NumbersFor("acme").At(1); again != got {
		t.Errorf("got %s, then %s", got, again)
	}
	if got == v.NumbersFor("globex").At(1) || got == open(t, 2).NumbersFor("acme").At(1) {
		t.Error("two merchants, or two keys, have the same numbers")
	}
	if last := v.NumbersFor("acme"); last.At(numberCount+1) != last.At(1) {
		t.Error("the numbers do not begin anew after the last")
	}
}
