package storetest

import (
	"time"

	"remit"
	"remit/ledger"
	"remit/money"
	"remit/store"
)

// fullWrites is one full and one bare row of each kind.
func fullWrites() *store.Writes {
	eur := func(n int64) money.Amount { return money.Amount{Minor: n, Currency: "EUR"} }
	balance, clearing := remit.BalanceAccount(acme, "EUR"), remit.ClearingAccount(acme, "simulator", "EUR")
	return &store.Writes{
		Merchants: []remit.Merchant{{
			ID: acme, Created: epoch, Seq: 2, Head: "head", Numbers: 7,
			Settings: remit.Settings{
				Name: "Acme ÅÄÖ", Disabled: true, Functions: map[string]bool{"Refund": false}, IPAllow: []string{"192.0.2.1"},
				EndUsersBlocked: []string{"u1"}, Switches: map[string]bool{"x": true}, SendWindowMicros: 5, KeysWithdrawn: map[string]bool{"trustly": true},
			},
		}},
		Answers: []remit.Answer{
			{Merchant: acme, Scope: "trustly", Key: "k1", Digest: "digest", Code: "exceeds", Reason: "a_reason", Field: "amount", Detail: "too much", Subject: "d1",
				Form: "form", KeyVersion: 3, Cause: "c1", At: epoch, Expires: after(time.Hour)},
			{Merchant: acme, Scope: "trustly", Key: "k2"},
		},
		Payments: []remit.Payment{
			{ID: "p1", Merchant: acme, Dialect: "trustly", ExternalID: "1000000001", Amount: eur(10000), State: remit.PaymentFunded, Reason: "why",
				RefundedMinor: 4000, RefundsLive: 2, RefundsWaiting: 1, Funding: "1", NotificationURL: "https://example.com/n",
				OrderReference: "order 7", PayerAccount: "sealed-account", PayerName: "sealed-name",
				Attributes: remit.PaymentAttributes{EndUserID: "u1", SingleRefund: true, Lapses: true}, Opened: epoch, Updated: after(time.Second),
				Names:    []remit.Name{{Scope: "order", Text: "7"}, {Scope: "payer", Text: "ann"}},
				Portions: []remit.Portion{{Name: "2400", Minor: 10000, RefundedMinor: 4000}}, Details: `{"own":true}`,
				Authorized: after(2 * time.Second), Funded: after(3 * time.Second), Ended: after(4 * time.Second)},
			{ID: "p2", Merchant: acme, ExternalID: "1000000002", Amount: eur(1), State: remit.PaymentOpened},
		},
		Names: []store.PaymentName{
			{Merchant: acme, Name: remit.Name{Scope: "order", Text: "7"}, Payment: "p1"},
			{Merchant: acme, Name: remit.Name{Scope: "order", Text: "7"}, Payment: "p2"},
		},
		Beneficiaries: []remit.Beneficiary{
			{Merchant: acme, ID: "1000000003", Dialect: "trustly", Digest: "same", Account: "sealed-account", Holder: "sealed-name", Details: `{"own":2}`, Created: epoch},
			{Merchant: acme, ID: "1000000004"},
		},
		Disbursements: []remit.Disbursement{
			{ID: "d1", Merchant: acme, Kind: remit.KindRefund, Payment: "p1", Dialect: "trustly", ExternalID: "x1", Amount: eur(3000),
				State: remit.Waiting, WaitingFor: remit.WaitFunding, Reason: "why", Stuck: true, Reference: "ref", Rail: "simulator",
				Hold: "2", Paid: "3", Created: epoch, Updated: after(time.Minute), Sent: after(2 * time.Minute), Settled: after(3 * time.Minute),
				Ended: after(4 * time.Minute), Portions: []remit.Portion{{Name: "2400", Minor: 3000}}, Details: `{"own":1}`, Account: "sealed-account",
				AccountName: "sealed-name", NotificationURL: "https://example.com/d", OrderReference: "order 8"},
			{ID: "d2", Merchant: acme, Kind: remit.KindPayout, Amount: eur(1), State: remit.Accepted},
		},
		Accounts: map[remit.MerchantID][]ledger.Account{acme: {
			{ID: balance, Currency: "EUR", Debits: 5, Credits: 10000, Held: 3000},
			{ID: clearing, Currency: "EUR", Credits: 5},
			{ID: remit.WorldAccount(acme, "EUR"), Currency: "EUR", Debits: 10000, MayGoNegative: true},
			{ID: remit.BalanceAccount(acme, "SEK"), Currency: "SEK"},
		}},
		Events: []remit.Event{
			{Merchant: acme, Seq: 1, At: epoch, Subject: "d1", Kind: "accepted", Actor: "merchant", Evidence: "request 1", Cause: "c1", Was: "was", Link: "link",
				Transfers: []ledger.Transfer{
					{ID: "1", Step: ledger.Hold, From: balance, To: clearing, Amount: eur(3000)},
					{ID: "1.1", Step: ledger.PostHold, From: balance, To: clearing, Amount: eur(3000), Cites: "1"},
				}},
			{Merchant: acme, Seq: 2},
		},
		Work: []remit.Work{
			{Merchant: acme, ID: remit.WorkID{Seq: 1, N: 0}, Kind: remit.WorkSend, Subject: "d1", Order: "d1", Due: epoch, Lease: after(time.Second), Fence: 4, Tries: 2},
			{Merchant: acme, ID: remit.WorkID{Seq: 1, N: 1}},
			{Merchant: acme, ID: remit.WorkID{Seq: 2, N: 0}, Kind: remit.WorkExpire, Subject: "p1", Order: "p1", Due: after(time.Hour)},
		},
		Deliveries: []remit.Delivery{
			{Merchant: acme, ID: remit.WorkID{Seq: 1, N: 1}, Dialect: "trustly", Subject: "d1",
				Notice: remit.Notice{Kind: "credit", URL: "https://example.com/n", Content: `{"a":1}`, KeyVersion: 2},
				State:  remit.DeliveryDead, Tries: 1, Created: epoch, Updated: after(time.Second)},
			{Merchant: acme, ID: remit.WorkID{Seq: 2, N: 0}},
		},
		Tries: []remit.Try{{Merchant: acme, Delivery: remit.WorkID{Seq: 1, N: 1}, N: 1, At: epoch, Took: 15 * time.Millisecond, Status: 500, Problem: "status", Response: "oops"}},
	}
}

// everything wants all that w keeps, by its references.
func everything(w *store.Writes) (wants store.Wants) {
	for _, m := range w.Merchants {
		wants.Merchants = append(wants.Merchants, m.ID)
		wants.Accounts = append(wants.Accounts, store.AccountsRef{Merchant: m.ID})
		wants.Events = append(wants.Events, store.EventsRef{Merchant: m.ID})
	}
	for _, a := range w.Answers {
		wants.Answers = append(wants.Answers, store.AnswerRef{Merchant: a.Merchant, Scope: a.Scope, Key: a.Key})
	}
	for _, p := range w.Payments {
		wants.Payments = append(wants.Payments, store.PaymentRef{Merchant: p.Merchant, ID: p.ID})
		wants.Externals = append(wants.Externals, store.ExternalRef{Merchant: p.Merchant, Name: remit.Name{Text: p.ExternalID}})
	}
	for _, n := range w.Names {
		wants.Externals = append(wants.Externals, store.ExternalRef{Merchant: n.Merchant, Name: n.Name})
	}
	for _, b := range w.Beneficiaries {
		wants.Beneficiaries = append(wants.Beneficiaries, store.BeneficiaryRef{Merchant: b.Merchant, ID: b.ID})
		if b.Digest != "" {
			wants.Beneficiaries = append(wants.Beneficiaries, store.BeneficiaryRef{Merchant: b.Merchant, Digest: b.Digest})
		}
	}
	for _, d := range w.Disbursements {
		wants.Disbursements = append(wants.Disbursements, store.DisbursementRef{Merchant: d.Merchant, ID: d.ID})
		if d.ExternalID != "" {
			wants.Disbursed = append(wants.Disbursed, store.DisbursedRef{Merchant: d.Merchant, Name: d.ExternalID})
		}
	}
	for _, x := range w.Work {
		wants.Work = append(wants.Work, store.WorkRef{Merchant: x.Merchant, ID: x.ID})
	}
	for _, d := range w.Deliveries {
		wants.Deliveries = append(wants.Deliveries, store.WorkRef{Merchant: d.Merchant, ID: d.ID})
	}
	return wants
}

// haveOf is what is found of w when all of it is wanted.
func haveOf(w *store.Writes) *store.Have {
	h := &store.Have{
		Merchants: map[remit.MerchantID]remit.Merchant{}, Answers: map[store.AnswerRef]remit.Answer{},
		Payments: map[store.PaymentRef]remit.Payment{}, Names: map[store.ExternalRef][]remit.PaymentID{},
		Disbursed: map[store.DisbursedRef]remit.DisbursementID{}, Beneficiaries: map[store.BeneficiaryRef]remit.Beneficiary{},
		Disbursements: map[store.DisbursementRef]remit.Disbursement{}, Credentials: map[remit.MerchantID][]remit.Credential{}, Books: map[remit.MerchantID]ledger.Books{},
		Events: map[remit.MerchantID][]remit.Event{}, Work: map[store.WorkRef]remit.Work{}, Deliveries: map[store.WorkRef]remit.Delivery{},
	}
	for _, m := range w.Merchants {
		h.Merchants[m.ID] = m
	}
	for _, a := range w.Answers {
		h.Answers[store.AnswerRef{Merchant: a.Merchant, Scope: a.Scope, Key: a.Key}] = a
	}
	for _, p := range w.Payments {
		h.Payments[store.PaymentRef{Merchant: p.Merchant, ID: p.ID}] = p
		ref := store.ExternalRef{Merchant: p.Merchant, Name: remit.Name{Text: p.ExternalID}}
		h.Names[ref] = append(h.Names[ref], p.ID)
	}
	for _, n := range w.Names {
		ref := store.ExternalRef{Merchant: n.Merchant, Name: n.Name}
		h.Names[ref] = append(h.Names[ref], n.Payment)
	}
	for _, b := range w.Beneficiaries {
		h.Beneficiaries[store.BeneficiaryRef{Merchant: b.Merchant, ID: b.ID}] = b
		if b.Digest != "" {
			h.Beneficiaries[store.BeneficiaryRef{Merchant: b.Merchant, Digest: b.Digest}] = b
		}
	}
	for _, d := range w.Disbursements {
		h.Disbursements[store.DisbursementRef{Merchant: d.Merchant, ID: d.ID}] = d
		if d.ExternalID != "" {
			h.Disbursed[store.DisbursedRef{Merchant: d.Merchant, Name: d.ExternalID}] = d.ID
		}
	}
	for m, as := range w.Accounts {
		h.Books[m] = ledger.Books{}
		for _, a := range as {
			h.Books[m][a.ID] = a
		}
	}
	for _, e := range w.Events {
		e.Transfers = nil
		h.Events[e.Merchant] = append(h.Events[e.Merchant], e)
	}
	for _, x := range w.Work {
		h.Work[store.WorkRef{Merchant: x.Merchant, ID: x.ID}] = x
	}
	for _, d := range w.Deliveries {
		h.Deliveries[store.WorkRef{Merchant: d.Merchant, ID: d.ID}] = d
	}
	return h
}
