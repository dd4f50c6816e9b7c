package relational

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"remit"
	"remit/ledger"
	"remit/store"
)

// Update runs one group: lock, read, decide, write, commit.
func (s *Store) Update(ctx context.Context, w store.Wants, decide func(*store.Have) (*store.Writes, error)) error {
	g := group{s: s, tx: s.driver.Write(), ctx: ctx, locking: true, have: newHave()}
	defer g.tx.Close()
	if err := g.lockAndRead(w); err != nil {
		return s.driver.Classify(err)
	}
	writes, err := decide(g.have)
	if err != nil {
		return err
	}
	st, err := s.writes(writes)
	if err != nil {
		return err
	}
	g.add(st)
	if err := g.at(BeforeCommit); err != nil {
		return s.driver.Classify(err)
	}
	if err := g.tx.Commit(ctx, g.pending); err != nil {
		return s.driver.Classify(err)
	}
	if s.hook != nil {
		if err := s.hook(AfterCommit); err != nil {
			return fmt.Errorf("%w: %w", store.ErrUnclear, err)
		}
	}
	return nil
}

// Read reads in one snapshot, and locks nothing.
func (s *Store) Read(ctx context.Context, w store.Wants) (*store.Have, error) {
	g := group{s: s, have: newHave()}
	g.add(s.find(merchantsByID, merchantRefs(w.Merchants), g.merchant))
	g.reads(w)
	g.workAndDeliveries(w)
	return g.have, s.read(ctx, g.pending...)
}

// group is one group under way.
type group struct {
	s       *Store
	tx      Tx
	ctx     context.Context
	locking bool
	pending []Statement // to run with what follows
	have    *store.Have
}

func newHave() *store.Have {
	return &store.Have{
		Merchants:     map[remit.MerchantID]remit.Merchant{},
		Answers:       map[store.AnswerRef]remit.Answer{},
		Payments:      map[store.PaymentRef]remit.Payment{},
		Names:         map[store.ExternalRef][]remit.PaymentID{},
		Disbursements: map[store.DisbursementRef]remit.Disbursement{},
		Disbursed:     map[store.DisbursedRef]remit.DisbursementID{},
		Beneficiaries: map[store.BeneficiaryRef]remit.Beneficiary{},
		Credentials:   map[remit.MerchantID][]remit.Credential{},
		Books:         map[remit.MerchantID]ledger.Books{},
		Events:        map[remit.MerchantID][]remit.Event{},
		Work:          map[store.WorkRef]remit.Work{},
		Deliveries:    map[store.WorkRef]remit.Delivery{},
	}
}

func (g *group) add(st []Statement) { g.pending = append(g.pending, st...) }

// run runs what is pending.
func (g *group) run() error {
	st := g.pending
	g.pending = nil
	if len(st) == 0 {
		return nil
	}
	return g.tx.Run(g.ctx, st)
}

// at lets the hook fail the group at a point, once all before it has been
// done.
func (g *group) at(p Point) error {
	if g.s.hook == nil {
		return nil
	}
	if err := g.run(); err != nil {
		return err
	}
	return g.s.hook(p)
}

// lockAndRead locks the merchants, then reads in statements of their own: a
// single one that locked and read would see the rows as they were before the
// lock was to be had. Work is locked last, and only of the merchants that are
// locked, since the others are somebody else's at this moment.
func (g *group) lockAndRead(w store.Wants) error {
	for _, m := range slices.Compact(slices.Sorted(slices.Values(w.New))) {
		g.add([]Statement{{Text: bareMerchant, Args: []any{string(m)}}})
	}
	lock := merchantsSkipping
	if w.Block {
		lock = merchantsLocked
	}
	g.add(g.s.find(lock, merchantRefs(w.Merchants), g.merchant))
	if err := g.at(Locked); err != nil {
		return err
	}
	g.reads(w)
	if len(w.Work) > 0 && !w.Block {
		if err := g.run(); err != nil {
			return err
		}
		w.Work = slices.DeleteFunc(slices.Clone(w.Work), func(r store.WorkRef) bool { return !g.holds(r.Merchant) })
	}
	g.workAndDeliveries(w)
	if err := g.at(Read); err != nil {
		return err
	}
	return g.run()
}

// holds tells whether rows of the merchant may be shown: a group sees nothing
// of a merchant that it has not locked.
func (g *group) holds(m remit.MerchantID) bool {
	_, ok := g.have.Merchants[m]
	return ok || !g.locking
}

func merchantRefs(ids []remit.MerchantID) []ref {
	sorted := slices.Compact(slices.Sorted(slices.Values(ids)))
	return refs(sorted, func(m remit.MerchantID) ref { return ref{merchant: m} })
}

func refs[T any](ts []T, of func(T) ref) []ref {
	rs := make([]ref, len(ts))
	for i, t := range ts {
		rs[i] = of(t)
	}
	return rs
}

func paymentRef(r store.PaymentRef) ref   { return ref{r.Merchant, [2]any{string(r.ID)}} }
func externalRef(r store.ExternalRef) ref { return ref{r.Merchant, [2]any{r.Name.Text}} }
func scopedRef(r store.ExternalRef) ref   { return ref{r.Merchant, [2]any{r.Name.Scope, r.Name.Text}} }
func disbursedRef(r store.DisbursedRef) ref {
	return ref{r.Merchant, [2]any{r.Name}}
}
func answerRef(r store.AnswerRef) ref { return ref{r.Merchant, [2]any{r.Scope, r.Key}} }
func workRef(r store.WorkRef) ref     { return ref{r.Merchant, [2]any{r.ID.Seq, r.ID.N}} }
func disbursementRef(r store.DisbursementRef) ref {
	return ref{r.Merchant, [2]any{string(r.ID)}}
}

// The lookups of a group.
var (
	bigints = []string{"BIGINT", "BIGINT"}

	merchantsByID     = &lookup{before: "SELECT " + merchantColumns + " FROM merchants WHERE "}
	merchantsLocked   = &lookup{before: merchantsByID.before, after: " ORDER BY merchant_id", lock: " FOR UPDATE"}
	merchantsSkipping = &lookup{before: merchantsByID.before, after: " ORDER BY merchant_id", lock: " FOR UPDATE SKIP LOCKED"}

	answersByKey   = &lookup{before: "SELECT " + answerColumns + " FROM answers WHERE ", keys: []string{"scope", "key"}, casts: []string{"", ""}}
	paymentsByID   = &lookup{before: "SELECT " + paymentColumns + " FROM payments WHERE ", keys: []string{"id"}, casts: []string{""}}
	paymentsByName = &lookup{before: "SELECT " + paymentColumns + " FROM payments WHERE ", keys: []string{"external_id"}, casts: []string{""}}
	waitingByID    = &lookup{before: "SELECT " + disbursementColumns + " FROM disbursements WHERE ", keys: []string{"payment"}, casts: []string{""},
		after: " AND payment <> '' AND state = 'waiting' AND waiting_for = 'funding'"}
	waitingByName = &lookup{before: "SELECT " + prefixed("d.", disbursementColumns) + " FROM payments p JOIN disbursements d ON d.merchant_id = p.merchant_id AND d.payment = p.id WHERE ",
		alias: "p.", keys: []string{"external_id"}, casts: []string{""},
		after: " AND d.payment <> '' AND d.state = 'waiting' AND d.waiting_for = 'funding'"}
	paymentsScoped = &lookup{before: "SELECT n.scope, n.name, " + prefixed("p.", paymentColumns) + " FROM payment_names n JOIN payments p ON p.merchant_id = n.merchant_id AND p.id = n.payment WHERE ",
		alias: "n.", keys: []string{"scope", "name"}, casts: []string{"", ""}}
	refundsByName = &lookup{before: waitingByName.before, alias: "p.", keys: []string{"external_id"}, casts: []string{""}, after: " AND d.payment <> ''"}
	refundsScoped = &lookup{before: "SELECT " + prefixed("d.", disbursementColumns) + " FROM payment_names n JOIN disbursements d ON d.merchant_id = n.merchant_id AND d.payment = n.payment WHERE ",
		alias: "n.", keys: []string{"scope", "name"}, casts: []string{"", ""}, after: " AND d.payment <> ''"}
	disbursementsByName = &lookup{before: "SELECT " + disbursementColumns + " FROM disbursements WHERE ", keys: []string{"external_id"}, casts: []string{""}, after: " AND external_id <> ''"}
	paymentsOfNamed     = &lookup{before: "SELECT " + prefixed("p.", paymentColumns) + " FROM disbursements d JOIN payments p ON p.merchant_id = d.merchant_id AND p.id = d.payment WHERE ", alias: "d.", keys: []string{"external_id"}, casts: []string{""}, after: " AND d.external_id <> ''"}
	beneficiariesByID   = &lookup{before: "SELECT " + beneficiaryColumns + " FROM beneficiaries WHERE ", keys: []string{"id"}, casts: []string{""}}
	beneficiariesBy     = &lookup{before: "SELECT " + beneficiaryColumns + " FROM beneficiaries WHERE ", keys: []string{"digest"}, casts: []string{""}}
	disbursementsByID   = &lookup{before: "SELECT " + disbursementColumns + " FROM disbursements WHERE ", keys: []string{"id"}, casts: []string{""}}
	paymentsOfDisbursed = &lookup{before: "SELECT " + prefixed("p.", paymentColumns) + " FROM disbursements d JOIN payments p ON p.merchant_id = d.merchant_id AND p.id = d.payment WHERE ", alias: "d.", keys: []string{"id"}, casts: []string{""}}
	credentialsOf       = &lookup{before: "SELECT " + credentialColumns + " FROM credentials WHERE ", after: " ORDER BY dialect, principal"}
	bareMerchant        = "INSERT INTO merchants (" + merchantColumns + ") VALUES ($1, '', 0, 0, '', 0) ON CONFLICT (merchant_id) DO NOTHING"
	accountsOfMerchant  = &lookup{before: "SELECT " + accountColumns + " FROM accounts WHERE "}
	accountsIn          = &lookup{before: "SELECT " + accountColumns + " FROM accounts WHERE ", keys: []string{"currency"}, casts: []string{""}}
	workByID            = &lookup{before: "SELECT " + workColumns + " FROM work WHERE ", keys: []string{"seq", "n"}, casts: bigints}
	workLocked          = &lookup{before: workByID.before, keys: workByID.keys, casts: bigints, after: " ORDER BY merchant_id, seq, n", lock: " FOR UPDATE"}
	workDone            = &lookup{before: "DELETE FROM work WHERE ", keys: workByID.keys, casts: bigints}
	deliveriesByID      = &lookup{before: "SELECT " + deliveryColumns + " FROM deliveries WHERE ", keys: []string{"seq", "n"}, casts: bigints}
	eventsBehind        = "SELECT " + eventColumns + " FROM events WHERE merchant_id = $1 AND seq > $2 ORDER BY seq"
)

// reads adds what is read without a lock of its own.
func (g *group) reads(w store.Wants) {
	s := g.s
	g.add(s.find(answersByKey, refs(w.Answers, answerRef), g.answer))
	g.add(s.find(paymentsByID, refs(w.Payments, paymentRef), g.payment))
	plain, scoped := splitNames(w.Externals)
	g.add(s.find(paymentsByName, refs(plain, externalRef), g.named))
	g.add(s.find(paymentsScoped, refs(scoped, scopedRef), g.scoped))
	plain, scoped = splitNames(w.Refunds)
	g.add(s.find(refundsByName, refs(plain, externalRef), g.disbursement))
	g.add(s.find(refundsScoped, refs(scoped, scopedRef), g.disbursement))
	g.add(s.find(disbursementsByName, refs(w.Disbursed, disbursedRef), g.disbursed))
	g.add(s.find(paymentsOfNamed, refs(w.Disbursed, disbursedRef), g.payment))
	g.beneficiaries(w.Beneficiaries)
	g.add(s.find(waitingByID, refs(w.Waiting, paymentRef), g.disbursement))
	g.add(s.find(waitingByName, refs(w.WaitingByName, externalRef), g.disbursement))
	g.add(s.find(disbursementsByID, refs(w.Disbursements, disbursementRef), g.disbursement))
	g.add(s.find(paymentsOfDisbursed, refs(w.Disbursements, disbursementRef), g.payment))
	g.add(s.find(credentialsOf, merchantRefs(w.Credentials), g.credential))
	g.accounts(w.Accounts)
	for _, r := range w.Events {
		g.add([]Statement{{Text: eventsBehind, Args: []any{string(r.Merchant), r.After}, Row: g.event}})
	}
}

// accounts adds the reading of accounts, each merchant's whole books at most
// once.
func (g *group) accounts(all []store.AccountsRef) {
	var whole, some []ref
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b store.AccountsRef) int {
		return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.Currency, b.Currency))
	})
	for i, r := range slices.Compact(sorted) {
		switch {
		case r.Currency == "":
			whole = append(whole, ref{merchant: r.Merchant})
		case len(whole) == 0 || i == 0 || whole[len(whole)-1].merchant != r.Merchant:
			some = append(some, ref{r.Merchant, [2]any{string(r.Currency)}})
		}
	}
	g.add(g.s.find(accountsOfMerchant, whole, g.account))
	g.add(g.s.find(accountsIn, some, g.account))
}

// workAndDeliveries adds the work, locked, and the deliveries.
func (g *group) workAndDeliveries(w store.Wants) {
	l := workByID
	if g.locking {
		l = workLocked
	}
	g.add(g.s.find(l, refs(w.Work, workRef), g.work))
	g.add(g.s.find(deliveriesByID, refs(w.Deliveries, workRef), g.delivery))
}

func (g *group) merchant(r Row) error {
	m, err := scanMerchant(r)
	g.have.Merchants[m.ID] = m
	return err
}

func (g *group) answer(r Row) error {
	a, err := scanAnswer(r)
	if g.holds(a.Merchant) {
		g.have.Answers[store.AnswerRef{Merchant: a.Merchant, Scope: a.Scope, Key: a.Key}] = a
	}
	return err
}

func (g *group) payment(r Row) error {
	p, err := scanPayment(r)
	if g.holds(p.Merchant) {
		g.have.Payments[store.PaymentRef{Merchant: p.Merchant, ID: p.ID}] = p
	}
	return err
}

// named reads a payment that was looked for by its name of scope "".
func (g *group) named(r Row) error {
	p, err := scanPayment(r)
	g.call(p, remit.Name{Text: p.ExternalID})
	return err
}

// scoped reads a payment that was looked for by a further name.
func (g *group) scoped(r Row) error {
	var n remit.Name
	p, err := scanPayment(leading{r, []any{&n.Scope, &n.Text}})
	g.call(p, n)
	return err
}

func (g *group) call(p remit.Payment, n remit.Name) {
	ref := store.ExternalRef{Merchant: p.Merchant, Name: n}
	if g.holds(p.Merchant) && !slices.Contains(g.have.Names[ref], p.ID) {
		g.have.Payments[store.PaymentRef{Merchant: p.Merchant, ID: p.ID}] = p
		g.have.Names[ref] = append(g.have.Names[ref], p.ID)
	}
}

// leading is a row whose first columns are read apart from the rest.
type leading struct {
	Row
	first []any
}

func (l leading) Scan(dest ...any) error { return l.Row.Scan(append(l.first, dest...)...) }

// splitNames tells names of scope "" from the others.
func splitNames(all []store.ExternalRef) (plain, scoped []store.ExternalRef) {
	for _, r := range all {
		if r.Name.Scope == "" {
			plain = append(plain, r)
		} else {
			scoped = append(scoped, r)
		}
	}
	return plain, scoped
}

func (g *group) disbursed(r Row) error {
	d, err := scanDisbursement(r)
	if g.holds(d.Merchant) {
		g.have.Disbursements[store.DisbursementRef{Merchant: d.Merchant, ID: d.ID}] = d
		g.have.Disbursed[store.DisbursedRef{Merchant: d.Merchant, Name: d.ExternalID}] = d.ID
	}
	return err
}

// beneficiaries adds the reading of beneficiaries, by id or by digest.
func (g *group) beneficiaries(all []store.BeneficiaryRef) {
	var byID, byDigest []ref
	for _, r := range all {
		if r.ID != "" {
			byID = append(byID, ref{r.Merchant, [2]any{string(r.ID)}})
		} else {
			byDigest = append(byDigest, ref{r.Merchant, [2]any{r.Digest}})
		}
	}
	read := func(key func(remit.Beneficiary) store.BeneficiaryRef) func(Row) error {
		return func(r Row) error {
			b, err := scanBeneficiary(r)
			if g.holds(b.Merchant) {
				g.have.Beneficiaries[key(b)] = b
			}
			return err
		}
	}
	g.add(g.s.find(beneficiariesByID, byID, read(func(b remit.Beneficiary) store.BeneficiaryRef {
		return store.BeneficiaryRef{Merchant: b.Merchant, ID: b.ID}
	})))
	g.add(g.s.find(beneficiariesBy, byDigest, read(func(b remit.Beneficiary) store.BeneficiaryRef {
		return store.BeneficiaryRef{Merchant: b.Merchant, Digest: b.Digest}
	})))
}

func (g *group) credential(r Row) error {
	c, err := scanCredential(r)
	if g.holds(c.Merchant) {
		g.have.Credentials[c.Merchant] = append(g.have.Credentials[c.Merchant], c)
	}
	return err
}

func (g *group) disbursement(r Row) error {
	d, err := scanDisbursement(r)
	if g.holds(d.Merchant) {
		g.have.Disbursements[store.DisbursementRef{Merchant: d.Merchant, ID: d.ID}] = d
	}
	return err
}

func (g *group) account(r Row) error {
	a, err := scanAccount(r)
	if g.holds(a.merchant) {
		books := g.have.Books[a.merchant]
		if books == nil {
			books = ledger.Books{}
			g.have.Books[a.merchant] = books
		}
		books[a.ID] = a.Account
	}
	return err
}

func (g *group) event(r Row) error {
	e, err := scanEvent(r)
	e.Transfers = nil
	if g.holds(e.Merchant) {
		g.have.Events[e.Merchant] = append(g.have.Events[e.Merchant], e)
	}
	return err
}

func (g *group) work(r Row) error {
	w, err := scanWork(r)
	if g.holds(w.Merchant) {
		g.have.Work[store.WorkRef{Merchant: w.Merchant, ID: w.ID}] = w
	}
	return err
}

func (g *group) delivery(r Row) error {
	d, err := scanDelivery(r)
	if g.holds(d.Merchant) {
		g.have.Deliveries[store.WorkRef{Merchant: d.Merchant, ID: d.ID}] = d
	}
	return err
}

// writes makes the statements that keep w, in the order in which every writer
// goes: merchant, payment, account, and the work last.
func (s *Store) writes(w *store.Writes) ([]Statement, error) {
	var all []Statement
	var failed error
	add := func(st []Statement, err error) {
		all = append(all, st...)
		failed = cmp.Or(failed, err)
	}
	var owned []ownedAccount
	for _, m := range slices.Sorted(maps.Keys(w.Accounts)) {
		for _, a := range w.Accounts[m] {
			owned = append(owned, ownedAccount{m, a})
		}
	}
	add(put(s, merchants, w.Merchants, merchantRow))
	add(put(s, answers, w.Answers, answerRow))
	add(put(s, payments, w.Payments, paymentRow))
	add(put(s, names, w.Names, nameRow))
	add(put(s, disbursements, w.Disbursements, disbursementRow))
	add(put(s, beneficiaries, w.Beneficiaries, beneficiaryRow))
	add(put(s, accounts, owned, accountRow))
	add(put(s, events, w.Events, eventRow))
	add(put(s, work, w.Work, workRow))
	add(s.find(workDone, refs(w.Done, workRef), nil), nil)
	add(put(s, deliveries, w.Deliveries, deliveryRow))
	add(put(s, tries, w.Tries, tryRow))
	add(put(s, credentials, w.Credentials, credentialRow))
	if failed == nil {
		failed = checkTexts(all)
	}
	return all, failed
}
