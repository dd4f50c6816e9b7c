package remit

import (
	"errors"
	"testing"
	"time"
)

// TestARefusalSpendsAFreeKey: it is remembered under a key that nobody has used,
// and given again. A key that was used for anything else keeps its answer, and
// the refusal leaves no trace.
func TestARefusalSpendsAFreeKey(t *testing.T) {
	w := newWorld(t)
	denied := Errorf(Forbidden, ReasonFunction, "not allowed")
	spend := func(key, digest string) SpendKey {
		return SpendKey{Head: w.head(), Err: denied,
			Keyed: Keyed{Dialect: "tongue", Key: key, Digest: digest, Remember: time.Hour, RefusalsBind: true}}
	}
	if c := w.must(spend("a", "one")); c.Result.Refusal != denied || c.Result.Replayed || len(c.Answers) != 1 || len(c.Events) != 0 {
		t.Errorf("got %+v", c)
	}
	if c := w.must(spend("a", "one")); !c.Result.Replayed || c.Result.Refusal.Reason != ReasonFunction || !c.Empty() {
		t.Errorf("the second time got %+v", c)
	}
	w.refused(spend("a", "two"), Forbidden, ReasonFunction)
	w.refused(spend("", ""), Forbidden, ReasonFunction)

	r := w.refund(w.pay(10_000, PaymentFunded), 1_000)
	r.Key, r.Digest = "b", "three"
	w.must(r)
	w.refused(spend("b", "three"), Forbidden, ReasonFunction)
	if c := w.must(r); !c.Result.Replayed || c.Result.Refusal != nil {
		t.Errorf("what was accepted is answered %+v", c.Result)
	}
	r.Key, r.Digest = "a", "four"
	if _, err := w.do(r); !errors.Is(err, KeyReused) {
		t.Errorf("a key that was spent: %v", err)
	}
	r.Head, w.now = w.head(), w.now.Add(time.Hour)
	w.must(r)
	w.check()
	w.audit()
}
