package console

import (
	"testing"

	"remit"
	"remit/internal/engine"
)

// A timeline says why a disbursement is stuck: nobody could tell what became
// of it, or nothing was handed over since its payee cannot be read.
func TestATimelineSaysWhyItIsStuck(t *testing.T) {
	for evidence, want := range map[string]string{
		"answer:unknown":  "Stuck: the last look-up could not tell what became of it",
		engine.Unreadable: "Stuck: whom it goes to cannot be read, and nothing was handed over",
	} {
		if got := happened(remit.Disbursement{}, remit.Event{Kind: remit.KindStuck, Evidence: evidence}).Title; got != want {
			t.Errorf("%s: got %q, want %q", evidence, got, want)
		}
	}
}
