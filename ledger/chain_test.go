package ledger

import (
	"slices"
	"strings"
	"testing"
)

// head is the last link of a chain of records.
func head(key string, records [][]string) string {
	c := NewChain([]byte(key))
	link := ""
	for _, r := range records {
		link = c.Link(link, r...)
	}
	return link
}

func records() [][]string {
	return [][]string{{"acme", "1", "accepted"}, {"acme", "2", "sent", ""}, {"acme", "3", "settled"}}
}

// TestAChainShowsEachAlteredByte changes each byte of each field of each
// record in turn, and sees another head.
func TestAChainShowsEachAlteredByte(t *testing.T) {
	want := head("key", records())
	for i, r := range records() {
		for j, field := range r {
			for at := range len(field) {
				altered := records()
				b := []byte(field)
				b[at] ^= 1
				altered[i][j] = string(b)
				if head("key", altered) == want {
					t.Errorf("record %d, field %d, byte %d was altered, and nothing shows it", i, j, at)
				}
			}
		}
	}
}

// TestAChainShowsWhatWasMoved: records dropped, added, swapped; text that
// wandered from one field to the next; another key.
func TestAChainShowsWhatWasMoved(t *testing.T) {
	want := head("key", records())
	if head("key", records()) != want || len(want) != 22 || strings.ContainsAny(want, "+/=") {
		t.Fatalf("the same records give %q, then %q", want, head("key", records()))
	}
	seen := map[string]string{want: "as it was"}
	for name, spoil := range map[string]func([][]string) [][]string{
		"the first dropped":    func(r [][]string) [][]string { return r[1:] },
		"the middle dropped":   func(r [][]string) [][]string { return slices.Delete(r, 1, 2) },
		"the last dropped":     func(r [][]string) [][]string { return r[:2] },
		"one twice":            func(r [][]string) [][]string { return slices.Insert(r, 1, r[1]) },
		"two swapped":          func(r [][]string) [][]string { r[0], r[1] = r[1], r[0]; return r },
		"a field split":        func(r [][]string) [][]string { r[0] = []string{"ac", "me", "1", "accepted"}; return r },
		"a boundary moved":     func(r [][]string) [][]string { r[0] = []string{"acm", "e1", "accepted"}; return r },
		"two fields joined":    func(r [][]string) [][]string { r[0] = []string{"acme1", "accepted"}; return r },
		"an empty field added": func(r [][]string) [][]string { r[0] = append(r[0], ""); return r },
		"an empty field gone":  func(r [][]string) [][]string { r[1] = r[1][:3]; return r },
		"two records joined":   func(r [][]string) [][]string { return [][]string{append(r[0], r[1]...), r[2]} },
		"an empty record":      func(r [][]string) [][]string { return append(r, nil) },
	} {
		got := head("key", spoil(records()))
		if before, twice := seen[got]; twice {
			t.Errorf("%s reads like: %s", name, before)
		}
		seen[got] = name
	}
	if head("another key", records()) == want {
		t.Error("another key makes the same chain")
	}
}
