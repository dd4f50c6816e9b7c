package dialect

import (
	"slices"
	"strings"
	"testing"
)

// A mark reads as it was written, and not otherwise: with another key, for
// another purpose, or with one character changed anywhere.
func TestAMarkIsReadOnlyAsItWasWritten(t *testing.T) {
	key := []byte("a key")
	m := Mark(key, "page", "acme", "p1", "a.b|c")
	if parts, ok := ReadMark(key, "page", m); !ok || !slices.Equal(parts, []string{"acme", "p1", "a.b|c"}) {
		t.Errorf("got %q, %v", parts, ok)
	}
	others := []string{"", ".", "x." + m, m + "A", strings.Replace(m, ".", "", 1)}
	for i := range m {
		c := byte('A')
		if m[i] == c {
			c = 'B'
		}
		others = append(others, m[:i]+string(c)+m[i+1:])
	}
	for _, other := range others {
		if parts, ok := ReadMark(key, "page", other); ok && !slices.Equal(parts, []string{"acme", "p1", "a.b|c"}) {
			t.Errorf("%q reads as %q", other, parts)
		}
	}
	for _, c := range []struct {
		key     []byte
		purpose string
	}{{[]byte("another"), "page"}, {key, "token"}, {nil, "page"}} {
		if _, ok := ReadMark(c.key, c.purpose, m); ok {
			t.Errorf("it is read under %q for %q", c.key, c.purpose)
		}
	}
}
