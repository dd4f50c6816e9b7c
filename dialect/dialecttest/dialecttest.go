// Package dialecttest holds dialects to their promises: that recorded
// conversations come out the same to the byte, that every error has words,
// and that no request whatsoever brings a dialect down.
//
// A conversation is a txtar file that one can read from top to bottom: prose,
// then what came, what it meant, what was decided, and what went back. The
// decisions are the real ones; only what surrounds them is made up here.
package dialecttest

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"remit/dialect"
)

var update = flag.Bool("update", false, "write the conversations anew, with what the dialect says now")

// Bench is what a dialect is tried on: the keys of both sides, all of them
// fixed, so that signatures come out the same.
type Bench struct {
	Dialect     dialect.Dialect
	Signer      dialect.Signer
	Server      crypto.PublicKey    // what merchants verify us with
	Credentials dialect.Credentials // the one merchant's, whole
	// Prove puts the merchant's proof into a request, or into a reply to a
	// notification, where its text asks for it.
	Prove func(testing.TB, *dialect.Request)
}

// caller is the merchant, in good standing.
func (b Bench) caller(t testing.TB) dialect.Caller {
	t.Helper()
	c := dialect.Caller{
		Known: true, Merchant: merchant, Admitted: true, Shared: b.Credentials.Shared, PublicKeys: map[string]crypto.PublicKey{},
		Secret: func(name, candidate string) bool {
			secret, ok := b.Credentials.Secrets[name]
			return ok && secret == candidate
		},
	}
	for name, text := range b.Credentials.Public {
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			t.Fatalf("the public key %q is not PEM", name)
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		c.PublicKeys[name] = key
	}
	return c
}

// Golden replays every conversation in testdata. The sections that a file may
// give are "facts" (see Facts), "request", "happens" (see world.happen) and
// "reply" (a merchant's, to the last notice); the sections that follow from
// them are compared with the file's, or, with -update, written into it.
func Golden(t *testing.T, b Bench) {
	files := conversations(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			old, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, b, txtar.Parse(old))
			if bytes.Equal(got, old) {
				return
			}
			if !*update {
				t.Fatalf("the conversation has changed (-recorded +now):\n%s", cmp.Diff(string(old), string(got)))
			}
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Logf("%s: %d conversations", b.Dialect.Name(), len(files))
}

func conversations(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no conversation is recorded: a dialect without any is not tested")
	}
	return files
}

// replay goes through one conversation, and writes down all of it anew.
func replay(t *testing.T, b Bench, in *txtar.Archive) []byte {
	w := newWorld(t, b)
	out := &txtar.Archive{Comment: in.Comment}
	add := func(name, text string) {
		out.Files = append(out.Files, txtar.File{Name: name, Data: []byte(strings.TrimSuffix(text, "\n") + "\n")})
	}
	for _, f := range in.Files {
		switch f.Name {
		case "facts":
			add(f.Name, string(f.Data))
			w.learn(f.Data)
		case "request":
			add(f.Name, string(f.Data))
			w.converse(parseRequest(t, f.Data), add)
		case "happens":
			add(f.Name, string(f.Data))
			for line := range strings.Lines(string(f.Data)) {
				w.happen(strings.Fields(line), add)
			}
		case "reply":
			add(f.Name, string(f.Data))
			w.acknowledge(f.Data, add)
		case "operation", "outcome", "response", "notice", "acknowledged":
			// It follows from what stands above it, and is written anew.
		default:
			t.Fatalf("there is no section %q", f.Name)
		}
	}
	return txtar.Format(out)
}
