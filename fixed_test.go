package remit

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"
)

// What the chain fixes of a payment, a disbursement and a beneficiary is all
// but what tells where it stands. Each field is altered in turn, so that one
// which is added one day is either fixed, or named here as one that moves.
func TestAllIsFixedButWhatMoves(t *testing.T) {
	type row interface{ Fixed([]byte) []byte }
	cases := map[string]struct {
		row   func() reflect.Value // of a pointer
		moves []string
	}{
		"payment": {
			row: func() reflect.Value {
				return reflect.ValueOf(&Payment{Names: []Name{{"a", "b"}}, Portions: []Portion{{"a", 1, 0}}, Amount: eur(1)})
			},
			moves: []string{"State", "Reason", "RefundedMinor", "RefundsLive", "RefundsWaiting", "Portions.RefundedMinor", "Funding", "Updated", "Authorized", "Funded", "Ended"},
		},
		"disbursement": {
			row: func() reflect.Value {
				return reflect.ValueOf(&Disbursement{Portions: []Portion{{"a", 1, 0}}, Amount: eur(1)})
			},
			moves: []string{"State", "WaitingFor", "Reason", "Stuck", "Hold", "Paid", "Portions.RefundedMinor", "Updated", "Sent", "Settled", "Ended"},
		},
		"beneficiary": {row: func() reflect.Value { return reflect.ValueOf(&Beneficiary{}) }},
	}
	for name, c := range cases {
		want := c.row().Interface().(row).Fixed(nil)
		var moved []string
		for _, path := range leaves(c.row().Elem(), "", nil) {
			v := c.row()
			alterLeaf(t, path.of(v.Elem()))
			if bytes.Equal(v.Interface().(row).Fixed(nil), want) {
				moved = append(moved, path.name)
			}
		}
		slices.Sort(moved)
		slices.Sort(c.moves)
		if !slices.Equal(moved, c.moves) {
			t.Errorf("%s: altered and not seen are %v, want %v", name, moved, c.moves)
		}
	}
}

// leaf is a field of plain value somewhere in a row.
type leaf struct {
	name string
	of   func(reflect.Value) reflect.Value
}

func leaves(v reflect.Value, prefix string, at []int) (all []leaf) {
	for i := range v.NumField() {
		name, f, path := prefix+v.Type().Field(i).Name, v.Field(i), append(slices.Clone(at), i)
		switch {
		case f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[time.Time]():
			all = append(all, leaves(f, name+".", path)...)
		case f.Kind() == reflect.Slice:
			for _, x := range leaves(f.Index(0), name+".", nil) {
				inner := x.of
				all = append(all, leaf{x.name, func(v reflect.Value) reflect.Value { return inner(v.FieldByIndex(path).Index(0)) }})
			}
		default:
			all = append(all, leaf{name, func(v reflect.Value) reflect.Value { return v.FieldByIndex(path) }})
		}
	}
	return all
}

func alterLeaf(t *testing.T, v reflect.Value) {
	switch {
	case v.Kind() == reflect.String:
		v.SetString(v.String() + "x")
	case v.Kind() == reflect.Int64:
		v.SetInt(v.Int() + 1)
	case v.Kind() == reflect.Bool:
		v.SetBool(!v.Bool())
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.UnixMicro(7)))
	default:
		t.Fatalf("a field of the kind %s", v.Kind())
	}
}

// Text that wanders from one field to the next, or a name that becomes two,
// is something else.
func TestNothingFixedReadsLikeAnother(t *testing.T) {
	seen := map[string]Payment{}
	for _, p := range []Payment{
		{}, {ExternalID: "ab", Dialect: "c"}, {ExternalID: "b", Dialect: "ca"}, {NotificationURL: "ab"}, {NotificationURL: "a", OrderReference: "b"},
		{Names: []Name{{"a", "b"}}}, {Names: []Name{{"a", ""}, {"b", ""}}}, {Names: []Name{{"", "ab"}}}, {Portions: []Portion{{Name: "a", Minor: 1}}},
		{Portions: []Portion{{Name: "a", Minor: 1}, {}}}, {PayerAccount: "a"}, {PayerName: "a"},
	} {
		text := string(p.Fixed(nil))
		if had, twice := seen[text]; twice {
			t.Errorf("%+v reads like %+v", p, had)
		}
		seen[text] = p
	}
}
