package check_test

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/books"
	"remit/internal/check"
	"remit/internal/engine"
	"remit/internal/vault"
	"remit/money"
	"remit/rail"
	"remit/store"
	"remit/store/sqlite"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// nobody is a directory without keys.
type nobody struct{ engine.Directory }

func (nobody) KeyVersion(string) int64      { return 1 }
func (nobody) Signer(string) dialect.Signer { return nil }

// lived is a file in which a merchant's money has moved in every way: a
// payment with portions, refunds settled, returned, failed and on their way,
// and one that waits for money.
func lived(t *testing.T, path string) *vault.Vault {
	t.Helper()
	v, err := vault.New(make([]byte, vault.MasterKeyBytes), rand.Reader)
	must(t, err)
	s, err := sqlite.Open(t.Context(), path)
	must(t, err)
	defer s.Close()
	must(t, s.Migrate(t.Context()))
	n := 0
	e := engine.New(engine.Config{
		Store: s, Vault: v, Directory: nobody{}, Rail: "bank", Rails: map[string]rail.Rail{},
		Now: func() time.Time { return time.Unix(1_800_000_000, 0) }, Real: time.Now,
		NewID: func(remit.MerchantID) string { n++; return fmt.Sprintf("%019d", n) },
	})
	defer e.Close()
	do := func(c remit.Command) remit.Result {
		res, err := e.Do(t.Context(), c)
		must(t, err)
		return res
	}
	head := func() remit.Head { return e.Head("acme", "test", "line 1") }
	open := func(state remit.PaymentState) remit.Payment {
		return *do(remit.OpenPayment{
			Head: head(), Keyed: remit.Keyed{Dialect: "test"}, Amount: eur(10_000), State: state, PayerAccount: "sealed",
			Portions: []remit.Portion{{Name: "a", Minor: 6_000}, {Name: "b", Minor: 4_000}},
		}).Payment
	}
	do(remit.AddMerchant{Head: head(), Settings: remit.Settings{Name: "Acme"}})
	do(remit.IssueCredentials{Head: head(), Dialect: "test", Credentials: []remit.Credential{{Principal: "acme", Sealed: "sealed"}}})
	do(remit.ChangeSettings{Head: head(), Change: func(x *remit.Settings) { x.Disabled = true }})
	do(remit.ChangeSettings{Head: head(), Change: func(x *remit.Settings) { x.Disabled = false }})
	do(remit.RevokeCredentials{Head: head(), Dialect: "test"})
	do(remit.RecordCheck{Head: head(), Events: 5})
	p := open(remit.PaymentFunded)
	refund := func(p remit.Payment, minor int64) remit.Disbursement {
		return *do(remit.Refund{
			Head: head(), Keyed: remit.Keyed{Dialect: "test"}, Rail: "bank", Payment: remit.Name{Text: p.ExternalID}, Amount: eur(minor),
			Portions: []remit.Portion{{Name: "a", Minor: minor}}, WhenUnfunded: remit.Wait,
		}).Disbursement
	}
	send := func(d remit.Disbursement) remit.Disbursement {
		id, _ := d.SendWork()
		ref := store.WorkRef{Merchant: "acme", ID: id}
		have, err := s.Read(t.Context(), store.Wants{Work: []store.WorkRef{ref}})
		must(t, err)
		do(remit.MarkSent{Head: head(), Disbursement: d.ID, Rails: []string{"bank"}, Work: have.Work[ref]})
		return d
	}
	became := func(d remit.Disbursement, what remit.Became) remit.Disbursement {
		do(remit.Outcome{Head: head(), Disbursement: d.ID, Currency: "EUR", Became: what, Reason: remit.ReasonAccountClosed})
		return d
	}
	became(send(refund(p, 1_000)), remit.BecameSettled)
	became(became(send(refund(p, 1_100)), remit.BecameSettled), remit.BecameReturned)
	became(send(refund(p, 1_200)), remit.BecameRefused)
	send(refund(p, 1_300))
	refund(p, 1_400)
	refund(open(remit.PaymentAuthorized), 500)
	open(remit.PaymentFunded) // of which nothing is refunded
	then, err := books.At(t.Context(), s, "acme", time.Unix(1_800_000_000, 0))
	must(t, err)
	mark := store.Mark{Merchant: "acme", Seq: then.Seq}
	for _, a := range then.Books {
		mark.Accounts = append(mark.Accounts, a)
	}
	must(t, s.AddMark(t.Context(), mark))
	return v
}

func eur(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }

// The check finds one wrong minor unit and one altered byte, wherever it is:
// each statement alters one thing behind the engine's back, and is undone.
func TestTheCheckFindsEachThingThatWasAltered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "remit.db")
	v := lived(t, path)
	whole, err := os.ReadFile(path)
	must(t, err)
	run := func(t *testing.T, path string) (check.Report, error) {
		s, err := sqlite.Open(t.Context(), path)
		must(t, err)
		defer s.Close()
		return check.Run(t.Context(), s, v, nil)
	}
	if r, err := run(t, path); err != nil || !r.OK || r.Transfers == 0 {
		t.Fatalf("the books do not hold to begin with: %v, %v", r.Broken, err)
	}
	alterations := []string{
		"accounts SET debits = debits + 1 WHERE path = 'EUR'", "accounts SET credits = credits + 1 WHERE path LIKE 'world/%'",
		"accounts SET held = held - 1 WHERE path = 'EUR'", "accounts SET currency = 'SEK' WHERE path = 'EUR'",
		"payments SET minor = minor + 1 WHERE state = 'funded'", "payments SET refunded_minor = refunded_minor - 1 WHERE refunded_minor > 0",
		"payments SET refunds_live = refunds_live + 1", "payments SET refunds_waiting = refunds_waiting - 1 WHERE refunds_waiting > 0",
		"payments SET state = 'reversed' WHERE state = 'funded'", "payments SET portions = replace(portions, '\"r\":', '\"r\":1') WHERE refunds_live > 0",
		"payments SET currency = 'SEK' WHERE refunds_live > 0",
		"disbursements SET minor = minor + 1 WHERE state = 'settled'", "disbursements SET minor = minor - 1 WHERE state = 'sent'",
		"disbursements SET minor = minor - 1 WHERE state = 'waiting'", "disbursements SET state = 'failed' WHERE state = 'accepted'",
		"disbursements SET state = 'settled' WHERE state = 'returned'", "disbursements SET payment = '' WHERE state = 'settled'",
		"disbursements SET portions = '' WHERE state = 'settled'",
		"merchants SET seq = seq + 1", "merchants SET head = 'x'",
		"marks SET credits = credits + 1 WHERE path = 'EUR'", "marks SET currency = 'SEK' WHERE path = 'EUR'", "marks SET seq = seq + 1", "marks SET seq = seq - 9",
		"events SET evidence = replace(evidence, 'no → yes', 'yes → no') WHERE kind = 'settings'", "events SET actor = 'operator:eve' WHERE kind = 'issued'",
		"events SET kind = 'issued' WHERE kind = 'revoked'",
	}
	for _, column := range []string{"at", "subject", "kind", "actor", "evidence", "cause", "transfers", "link"} {
		change := column + " = " + column + " || 'x'"
		if column == "at" {
			change = "at = at + 1"
		}
		if column == "transfers" {
			change = "transfers = replace(transfers, '1000', '1001')"
		}
		alterations = append(alterations, "events SET "+change+" WHERE transfers <> '' AND seq = (SELECT min(seq) FROM events WHERE transfers LIKE '%1000%')")
	}
	removals := []string{
		"DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)", "DELETE FROM events WHERE seq = 3",
		"DELETE FROM disbursements WHERE state = 'settled'", "DELETE FROM disbursements WHERE state = 'sent'",
		"DELETE FROM disbursements WHERE state = 'failed'", "DELETE FROM payments WHERE id = (SELECT max(id) FROM payments)", "DELETE FROM accounts WHERE path LIKE 'clearing/%'",
	}
	for _, a := range alterations {
		removals = append(removals, "UPDATE "+a)
	}
	for _, statement := range removals {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "remit.db")
			must(t, os.WriteFile(path, whole, 0o600))
			db, err := sql.Open("sqlite", path+"?_pragma=ignore_check_constraints(1)")
			must(t, err)
			res, err := db.Exec(statement)
			must(t, err)
			must(t, db.Close())
			if n, _ := res.RowsAffected(); n == 0 {
				t.Fatal("it alters nothing")
			}
			if r, err := run(t, path); err == nil && r.OK {
				t.Error("the check found nothing")
			}
		})
	}
}
