package remit

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"remit/ledger"
)

// TestTheChainCoversTheWholeEvent alters each field of an event and of its
// transfers in turn, so that a field which is added one day is not forgotten.
// Only the link itself is left out.
func TestTheChainCoversTheWholeEvent(t *testing.T) {
	event := func() Event {
		return Event{Merchant: "acme", Seq: 7, At: time.UnixMicro(1), Subject: "d1", Transfers: []ledger.Transfer{{ID: "7", Amount: eur(1)}, {ID: "7.1"}}}
	}
	want := event().ChainFields()
	alter := func(v reflect.Value) {
		switch {
		case v.Kind() == reflect.String:
			v.SetString(v.String() + "x")
		case v.Kind() == reflect.Int64:
			v.SetInt(v.Int() + 1)
		case v.Type() == reflect.TypeFor[time.Time]():
			v.Set(reflect.ValueOf(time.UnixMicro(2)))
		case v.Type() == reflect.TypeFor[[]ledger.Transfer]():
			v.Set(v.Slice(0, 1))
		case v.Kind() == reflect.Struct:
			v.Field(0).SetInt(v.Field(0).Int() + 1)
		default:
			t.Fatalf("a field of the kind %s", v.Kind())
		}
	}
	for i := range reflect.TypeFor[Event]().NumField() {
		e := event()
		alter(reflect.ValueOf(&e).Elem().Field(i))
		name := reflect.TypeFor[Event]().Field(i).Name
		if same := slices.Equal(e.ChainFields(), want); same != (name == "Link") {
			t.Errorf("%s was altered; that the chain is over the same fields is %t", name, same)
		}
	}
	for i := range reflect.TypeFor[ledger.Transfer]().NumField() {
		e := event()
		alter(reflect.ValueOf(&e.Transfers[1]).Elem().Field(i))
		if slices.Equal(e.ChainFields(), want) {
			t.Errorf("Transfers.%s was altered, and the chain is over the same fields", reflect.TypeFor[ledger.Transfer]().Field(i).Name)
		}
	}
	e := event()
	e.Transfers[0].Amount.Currency = "SEK"
	if slices.Equal(e.ChainFields(), want) {
		t.Error("the currency was altered, and the chain is over the same fields")
	}
}

// TestOnlyStatesAreStates: the other kinds of events bring nothing anywhere.
func TestOnlyStatesAreStates(t *testing.T) {
	for _, s := range States() {
		if !IsState(string(s)) {
			t.Errorf("%s is a state", s)
		}
	}
	for _, s := range paymentStates {
		if !IsState(string(s)) {
			t.Errorf("%s is a state", s)
		}
	}
	for _, kind := range []string{KindCreated, KindIssued, KindRevoked, KindKeyReplaced, KindChecked, KindRedelivered, KindHurried, KindSettings, KindTopUp, KindStuck, KindUnknown, ""} {
		if IsState(kind) {
			t.Errorf("%q is no state", kind)
		}
	}
	if got, want := (WorkID{Seq: 17, N: 2}).String(), "17.2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
