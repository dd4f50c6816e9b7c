package remit

import "encoding/binary"

// fixed gathers fields, each with its length, so that no two lists of them
// read the same.
type fixed []byte

func (b fixed) texts(all ...string) fixed {
	for _, s := range all {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}

func (b fixed) numbers(all ...int64) fixed {
	for _, n := range all {
		b = binary.AppendVarint(b, n)
	}
	return b
}

func (b fixed) portions(all []Portion) fixed {
	b = b.numbers(int64(len(all)))
	for _, x := range all {
		b = b.texts(x.Name).numbers(x.Minor)
	}
	return b
}

func bit(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// Fixed appends to b what of the payment stays as it is until an event fixes
// it anew: all but where it stands and what was refunded of it
// (docs/adr/0015-rows-in-the-chain.md).
func (p Payment) Fixed(b []byte) []byte {
	f := fixed(b).texts("payment", string(p.Merchant), string(p.ID), p.Dialect, p.ExternalID).numbers(int64(len(p.Names)))
	for _, n := range p.Names {
		f = f.texts(n.Scope, n.Text)
	}
	f = f.numbers(p.Amount.Minor).texts(string(p.Amount.Currency)).portions(p.Portions)
	f = f.texts(p.NotificationURL, p.OrderReference, string(p.PayerAccount), string(p.PayerName), p.Details, p.Attributes.EndUserID)
	return f.numbers(bit(p.Attributes.SingleRefund), bit(p.Attributes.Lapses), p.Attributes.LateMicros, p.Opened.UnixMicro())
}

// Fixed appends to b what of the disbursement stays as it is until an event
// fixes it anew: all but where it stands.
func (d Disbursement) Fixed(b []byte) []byte {
	f := fixed(b).texts("disbursement", string(d.Merchant), string(d.ID), string(d.Kind), string(d.Payment), d.Dialect, d.ExternalID)
	f = f.numbers(d.Amount.Minor).texts(string(d.Amount.Currency), d.Reference, d.Rail).portions(d.Portions)
	return f.texts(d.Details, string(d.Account), string(d.AccountName), d.NotificationURL, d.OrderReference).numbers(d.Created.UnixMicro())
}

// Fixed appends to b all of the beneficiary.
func (b Beneficiary) Fixed(to []byte) []byte {
	f := fixed(to).texts("beneficiary", string(b.Merchant), string(b.ID), b.Dialect, b.Digest, string(b.Account), string(b.Holder), b.Details)
	return f.numbers(b.Created.UnixMicro())
}
