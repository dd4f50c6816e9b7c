package remit

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestEveryCodeHasAWord, which is read back, and which no other code has.
func TestEveryCodeHasAWord(t *testing.T) {
	seen := map[string]bool{}
	for i, c := range Codes() {
		word := c.String()
		if got, ok := ParseCode(word); !ok || got != c || int(c) != i || word == "" || seen[word] {
			t.Errorf("code %d, %q: read back as %s, %t", i, word, got, ok)
		}
		seen[word] = true
	}
	if c, ok := ParseCode("no such word"); ok || c != Internal {
		t.Errorf("a word that is no code's: got %s, %t", c, ok)
	}
}

// TestOnlyOurOwnTroublePasses: no refusal for the merchant's own reasons is
// transient.
func TestOnlyOurOwnTroublePasses(t *testing.T) {
	want := map[Code]bool{Internal: true, InFlight: true, RateLimited: true, Unavailable: true}
	for _, c := range Codes() {
		if c.Transient() != want[c] {
			t.Errorf("%s: got transient %t", c, c.Transient())
		}
	}
}

// TestEveryErrorHasAPublicFace: an Error keeps its own, however deep; any
// other is our fault, and its text stays with us.
func TestEveryErrorHasAPublicFace(t *testing.T) {
	cause := errors.New("dial tcp 10.0.0.5:5432")
	own := &Error{Code: Conflict, Reason: ReasonTerminal, Detail: "too late", Err: cause}
	if got := AsError(fmt.Errorf("while doing: %w", own)); got != own {
		t.Errorf("got %+v", got)
	}
	if !errors.Is(own, Conflict) || errors.Is(own, Invalid) || !errors.Is(own, cause) {
		t.Error("an error is not its code and its cause")
	}
	got := AsError(cause)
	if got.Code != Internal || !errors.Is(got, cause) || strings.Contains(got.Detail, cause.Error()) {
		t.Errorf("got %+v", got)
	}
	if bare := Errorf(Invalid, "", "%d digits", 3); errors.Is(bare, cause) || bare.Error() != "invalid: 3 digits" {
		t.Errorf("got %v", bare)
	}
	if want := "conflict: too late: dial tcp 10.0.0.5:5432"; own.Error() != want {
		t.Errorf("got %q, want %q", own.Error(), want)
	}
}
