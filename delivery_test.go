package remit

import (
	"errors"
	"testing"
	"time"
)

// owed puts a delivery with its work into the world, as an engine does at a
// state change.
func (w *world) owed() Work {
	id := WorkID{Seq: 7, N: 1}
	w.deliveries[id] = Delivery{Merchant: "acme", ID: id, Dialect: "tongue", Subject: "d1", State: DeliveryDue, Notice: Notice{Content: "frozen"}}
	w.work[id] = Work{Merchant: "acme", ID: id, Kind: WorkDeliver, Subject: "d1", Order: "d1", Lease: w.now.Add(time.Minute)}
	return w.work[id]
}

// TestATryEndsADeliveryOrPutsItOff, or gives it up; each is kept, numbered.
func TestATryEndsADeliveryOrPutsItOff(t *testing.T) {
	for name, x := range map[string]struct {
		problem string
		more    bool
		state   DeliveryState
		left    bool // work to do
	}{
		"delivered":             {"", true, DeliveryDelivered, false},
		"delivered at the last": {"", false, DeliveryDelivered, false},
		"not delivered":         {"status 500", true, DeliveryDue, true},
		"not delivered at last": {"status 500", false, DeliveryDead, false},
	} {
		w := newWorld(t)
		id := w.owed().ID
		r := RecordTry{Head: w.head(), Work: w.work[id], Try: Try{At: w.now, Status: 500, Problem: x.problem}, Again: time.Hour, More: x.more}
		c := w.must(r)
		d := w.deliveries[id]
		if d.State != x.state || d.Tries != 1 || d.Notice.Content != "frozen" || len(c.Tries) != 1 || c.Tries[0].N != 1 || c.Tries[0].Delivery != id {
			t.Errorf("%s: got %+v, %+v", name, d, c.Tries)
		}
		got, left := w.work[id]
		if left != x.left || (left && (got.Tries != 1 || !got.Due.Equal(w.now.Add(time.Hour)) || !got.Lease.IsZero())) {
			t.Errorf("%s: work left %t, %+v", name, left, got)
		}
		if _, err := w.do(r); !errors.Is(err, ErrLost) {
			t.Errorf("%s: the same try again got %v", name, err)
		}
	}
	w := newWorld(t)
	x := w.owed()
	delete(w.deliveries, x.ID)
	w.refused(RecordTry{Head: w.head(), Work: x}, NotFound, "")
}

// TestWorkCanBePutOffUntried: it is due again later, free for everybody, and
// counts no try. Who has lost it cannot put it off.
func TestWorkCanBePutOffUntried(t *testing.T) {
	w := newWorld(t)
	x := w.owed()
	x.Fence = 2
	w.work[x.ID] = x
	w.must(PutOff{Head: w.head(), Work: x, Again: time.Hour})
	if got := w.work[x.ID]; !got.Lease.IsZero() || !got.Due.Equal(w.now.Add(time.Hour)) || got.Tries != 0 || got.Fence != 2 {
		t.Errorf("got %+v", got)
	}
	x.Fence = 1
	if _, err := w.do(PutOff{Head: w.head(), Work: x}); !errors.Is(err, ErrLost) {
		t.Errorf("who has lost the lease got %v", err)
	}
}

// TestADeliveryCanBeMadeAgain with the same bytes, whether it was given up,
// made, or is still due.
func TestADeliveryCanBeMadeAgain(t *testing.T) {
	for _, s := range []DeliveryState{DeliveryDue, DeliveryDelivered, DeliveryDead} {
		w := newWorld(t)
		x := w.owed()
		d := w.deliveries[x.ID]
		d.State = s
		w.deliveries[x.ID] = d
		if s != DeliveryDue {
			delete(w.work, x.ID)
		}
		w.now = w.now.Add(time.Hour)
		c := w.must(Redeliver{Head: w.head(), Delivery: x.ID})
		if len(c.Events) != 1 || c.Events[0].Kind != KindRedelivered || c.Events[0].Subject != x.Subject || c.Events[0].Evidence != "test; notification "+x.ID.String() {
			t.Errorf("%s: it is written down as %+v", s, c.Events)
		}
		got, again := w.deliveries[x.ID], w.work[x.ID]
		if got.State != DeliveryDue || got.Notice != d.Notice || again.Kind != WorkDeliver || !again.Due.Equal(w.now) || again.Order != "d1" || again.Subject != x.Subject {
			t.Errorf("%s: got %+v, %+v", s, got, again)
		}
	}
	w := newWorld(t)
	w.refused(Redeliver{Head: w.head(), Delivery: WorkID{Seq: 1}}, NotFound, "")
}

// TestReleaseLetsGoOnlyOfItsOwn: work that somebody has taken over since
// stays leased to them.
func TestReleaseLetsGoOnlyOfItsOwn(t *testing.T) {
	w := newWorld(t)
	x := w.owed()
	r := Release{Head: w.head(), Work: []WorkID{x.ID, {Seq: 99}}}
	w.must(r)
	if got := w.work[x.ID]; !got.Lease.IsZero() {
		t.Errorf("still leased: %+v", got)
	}
	x.Fence, x.Lease = 1, w.now.Add(time.Minute)
	w.work[x.ID] = x
	if c := w.must(r); !c.Empty() {
		t.Errorf("took away another's lease: %+v", c)
	}
}
