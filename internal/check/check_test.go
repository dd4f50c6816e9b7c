package check_test

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"remit"
	"remit/dialect"
	"remit/internal/books"
	"remit/internal/check"
	"remit/internal/engine"
	"remit/internal/pgtest"
	"remit/internal/vault"
	"remit/money"
	"remit/rail"
	"remit/store"
	"remit/store/postgres"
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

// lived is a store in which a merchant's money has moved in every way: a
// payment with portions, refunds settled, returned, failed and on their way, one
// that waits for money and one that waited for an account, payments that became
// another, failed or were reversed, a beneficiary, and payouts.
func lived(t *testing.T, s store.Store) *vault.Vault {
	t.Helper()
	v, err := vault.New(make([]byte, vault.MasterKeyBytes), rand.Reader)
	must(t, err)
	must(t, s.Migrate(t.Context()))
	n, now := 0, time.Unix(1_800_000_000, 0)
	e := engine.New(engine.Config{
		Store: s, Vault: v, Directory: nobody{}, Rail: "bank", Rails: map[string]rail.Rail{},
		Now: func() time.Time { now = now.Add(time.Second); return now }, Real: time.Now,
		NewID: func(remit.MerchantID) string { n++; return fmt.Sprintf("%019d", n) },
	})
	defer e.Close()
	do := func(c remit.Command) remit.Result {
		res, err := e.Do(t.Context(), c)
		must(t, err)
		return res
	}
	ask := func(op dialect.Operation) remit.Result {
		res, err := e.Ask(t.Context(), "acme", "test", "request", op)
		must(t, err)
		return res
	}
	head := func() remit.Head { return e.Head("acme", "test", "line 1") }
	open := func(state remit.PaymentState, by string) remit.Payment {
		return *ask(dialect.Operation{Open: &dialect.Open{OpenPayment: remit.OpenPayment{
			Amount: eur(10_000), State: state, Portions: []remit.Portion{{Name: "a", Minor: 6_000}, {Name: "b", Minor: 4_500}, {Name: "discount", Minor: -500}},
			Names: []remit.Name{{Scope: "order", Text: "one"}, {Scope: "payer", Text: by}}, Further: []remit.NewName{{Scope: "copy", Naming: remit.Same}},
			NotificationURL: "https://example.com/p", OrderReference: "order", Details: `{"a":1}`,
			Attributes: remit.PaymentAttributes{EndUserID: "user"},
		}, Payer: dialect.Party{Account: by, Name: by}}}).Payment
	}
	do(remit.AddMerchant{Head: head(), Settings: remit.Settings{Name: "Acme"}})
	do(remit.IssueCredentials{Head: head(), Dialect: "test", Credentials: []remit.Credential{{Principal: "acme", Sealed: "sealed"}}})
	do(remit.ChangeSettings{Head: head(), Change: func(x *remit.Settings) { x.Disabled = true }})
	do(remit.ChangeSettings{Head: head(), Change: func(x *remit.Settings) { x.Disabled = false }})
	do(remit.RevokeCredentials{Head: head(), Dialect: "test"})
	do(remit.RecordCheck{Head: head(), Events: 5})
	p := open(remit.PaymentFunded, "eve")
	refund := func(p remit.Payment, minor int64) remit.Disbursement {
		return *do(remit.Refund{
			Head: head(), Keyed: remit.Keyed{Dialect: "test"}, Rail: "bank", Payment: remit.Name{Text: p.ExternalID}, Amount: eur(minor),
			Portions: []remit.Portion{{Name: "a", Minor: minor}}, WhenUnfunded: remit.Wait, WhenNowhere: remit.Wait, Naming: remit.UUID,
			Reference: "reference", Details: `{"b":2}`,
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
	refund(open(remit.PaymentAuthorized, "ann"), 500)
	open(remit.PaymentFunded, "bob") // of which nothing is refunded

	move := func(p remit.Payment, to remit.PaymentState, by string) {
		ask(dialect.Operation{Move: &dialect.Move{
			MovePayment: remit.MovePayment{Payment: p.ID, To: to, Details: `{"by":"` + by + `"}`}, Payer: dialect.Party{Account: by, Name: by},
		}})
	}
	known := open(remit.PaymentOpened, "")
	move(known, "", "ida")
	move(known, remit.PaymentFunded, "joe")
	move(open(remit.PaymentFunded, "kim"), remit.PaymentReversed, "")
	move(open(remit.PaymentOpened, "lee"), remit.PaymentFailed, "")
	waits := refund(open(remit.PaymentFunded, ""), 600)
	ask(dialect.Operation{Proceed: &dialect.Proceed{Proceed: remit.Proceed{Disbursed: waits.ExternalID}, Payee: dialect.Party{Account: "max", Name: "Max"}}})
	b := ask(dialect.Operation{Register: &dialect.Register{
		Register: remit.Register{Naming: remit.Number, Details: `{"c":3}`}, Party: dialect.Party{Account: "ned", Name: "Ned"}, Same: []byte("ned"),
	}}).Beneficiary
	for _, to := range []remit.BeneficiaryID{b.ID, ""} {
		ask(dialect.Operation{Payout: &dialect.Payout{Payout: remit.Payout{
			Beneficiary: to, Amount: eur(700), Naming: remit.UUID, NotificationURL: "https://example.com/d", OrderReference: "order", WaitFor: remit.WaitApproval,
		}, Payee: dialect.Party{Account: "oda", Name: "Oda"}}})
	}

	then, err := books.At(t.Context(), s, "acme", now)
	must(t, err)
	mark := store.Mark{Merchant: "acme", Seq: then.Seq}
	for _, a := range then.Books {
		mark.Accounts = append(mark.Accounts, a)
	}
	must(t, s.AddMark(t.Context(), mark))
	return v
}

func eur(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }

// behind is a database behind a store, which can be altered and made whole
// again.
type behind struct {
	store store.Store
	vault *vault.Vault
	db    *sql.DB
}

// keys are the tables of a merchant's books, and the columns that name a row.
var keys = map[string][]string{
	"merchants": {"merchant_id"}, "accounts": {"merchant_id", "currency", "path"}, "marks": {"merchant_id", "seq", "currency", "path"},
	"events": {"merchant_id", "seq"}, "payments": {"merchant_id", "id"}, "payment_names": {"merchant_id", "scope", "name", "payment"},
	"disbursements": {"merchant_id", "id"}, "beneficiaries": {"merchant_id", "id"},
}

// eachBooks runs a test on the books of a whole life, in both stores. No
// constraint of the database stands in the way.
func eachBooks(t *testing.T, f func(*testing.T, behind)) {
	run := func(t *testing.T, s store.Store, driver, dsn string) {
		t.Cleanup(func() { s.Close() })
		b := behind{store: s, vault: lived(t, s)}
		db, err := sql.Open(driver, dsn)
		must(t, err)
		t.Cleanup(func() { db.Close() })
		b.db = db
		for table := range keys {
			b.exec(t, "CREATE TABLE whole_"+table+" AS SELECT * FROM "+table)
		}
		if r, err := b.check(t); err != nil || !r.OK || r.Transfers == 0 {
			t.Fatalf("the books do not hold to begin with: %v, %v", r.Broken, err)
		}
		f(t, b)
		if r, err := b.check(t); err != nil || !r.OK {
			t.Fatalf("the books were not made whole again: %v, %v", r.Broken, err)
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "remit.db")
		s, err := sqlite.Open(t.Context(), path)
		must(t, err)
		run(t, s, "sqlite", path+"?_pragma=ignore_check_constraints(1)&_pragma=busy_timeout(10000)&_pragma=synchronous(0)")
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		dsn := pgtest.DSN(t)
		s, err := postgres.Open(t.Context(), dsn)
		must(t, err)
		must(t, s.Migrate(t.Context()))
		db, err := sql.Open("pgx", dsn)
		must(t, err)
		defer db.Close()
		_, err = db.Exec(`DO $$ DECLARE c record; BEGIN
			FOR c IN SELECT conrelid::regclass AS of, conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace
			LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.of, c.conname); END LOOP; END $$`)
		must(t, err)
		run(t, s, "pgx", dsn)
	})
}

func (b behind) check(t *testing.T) (check.Report, error) {
	t.Helper()
	return check.Run(t.Context(), b.store, b.vault, nil)
}

func (b behind) exec(t *testing.T, statement string, args ...any) int64 {
	t.Helper()
	res, err := b.db.ExecContext(t.Context(), statement, args...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	n, err := res.RowsAffected()
	must(t, err)
	return n
}

// altered alters a table, and tells whether the check finds it. Then the table
// is whole again.
func (b behind) altered(t *testing.T, table, statement string, args ...any) (found bool) {
	t.Helper()
	if b.exec(t, statement, args...) == 0 {
		t.Fatalf("it alters nothing: %s", statement)
	}
	r, err := b.check(t)
	b.exec(t, "DELETE FROM "+table)
	b.exec(t, "INSERT INTO "+table+" SELECT * FROM whole_"+table)
	return err != nil || !r.OK
}

// The check finds one wrong minor unit and one row too few or too many,
// wherever it is: each statement alters one thing behind the engine's back.
func TestTheCheckFindsEachThingThatWasAltered(t *testing.T) {
	alterations := []string{
		"accounts SET debits = debits + 1 WHERE path = 'EUR'", "accounts SET credits = credits + 1 WHERE path LIKE 'world/%'",
		"accounts SET held = held - 1 WHERE path = 'EUR'", "accounts SET currency = 'SEK' WHERE path = 'EUR'",
		"payments SET minor = minor + 1 WHERE state = 'funded'", "payments SET refunded_minor = refunded_minor - 1 WHERE refunded_minor > 0",
		"payments SET refunds_live = refunds_live + 1", "payments SET refunds_waiting = refunds_waiting - 1 WHERE refunds_waiting > 0",
		"payments SET state = 'reversed' WHERE state = 'funded'", "payments SET portions = replace(portions, '\"r\":', '\"r\":1') WHERE refunds_live > 0",
		"payments SET currency = 'SEK' WHERE refunds_live > 0", "payments SET minor = minor + 1 WHERE state = 'failed'",
		"payments SET payer_account = (SELECT payer_account FROM payments WHERE state = 'reversed') WHERE state = 'authorized'",
		"payments SET payer_name = (SELECT payer_name FROM payments WHERE state = 'reversed') WHERE state = 'authorized'",
		"payments SET payer_account = (SELECT account FROM beneficiaries) WHERE state = 'authorized'",
		"payments SET payer_account = '' WHERE state = 'authorized'", "payments SET notification_url = 'https://example.org/' WHERE state = 'authorized'",
		"payment_names SET name = 'two' WHERE scope = 'payer' AND name = 'bob'",
		"payment_names SET payment = (SELECT max(id) FROM payments) WHERE scope = 'payer' AND name = 'bob'",
		"disbursements SET minor = minor + 1 WHERE state = 'settled'", "disbursements SET minor = minor - 1 WHERE state = 'sent'",
		"disbursements SET minor = minor - 1 WHERE state = 'waiting'", "disbursements SET state = 'failed' WHERE state = 'accepted'",
		"disbursements SET state = 'settled' WHERE state = 'returned'", "disbursements SET payment = '' WHERE state = 'settled'",
		"disbursements SET payment = (SELECT max(id) FROM payments) WHERE state = 'failed'",
		"disbursements SET portions = '' WHERE state = 'settled'", "disbursements SET account = (SELECT account FROM beneficiaries) WHERE kind = 'payout'",
		"disbursements SET account = (SELECT max(payer_account) FROM payments), account_name = (SELECT max(payer_name) FROM payments) WHERE state = 'accepted'",
		"disbursements SET hold = (SELECT max(hold) FROM disbursements) WHERE state = 'accepted'",
		"beneficiaries SET account = (SELECT max(payer_account) FROM payments)",
		"merchants SET seq = seq + 1", "merchants SET head = 'x'",
		"marks SET credits = credits + 1 WHERE path = 'EUR'", "marks SET currency = 'SEK' WHERE path = 'EUR'", "marks SET seq = seq + 1", "marks SET seq = seq - 9",
		"events SET evidence = replace(evidence, 'no → yes', 'yes → no') WHERE kind = 'settings'", "events SET actor = 'operator:eve' WHERE kind = 'issued'",
		"events SET kind = 'issued' WHERE kind = 'revoked'", "events SET transfers = replace(transfers, '1000', '1001') WHERE transfers LIKE '%1000%'",
	}
	statements := []string{
		"DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)", "DELETE FROM events WHERE seq = 3",
		"INSERT INTO payment_names SELECT merchant_id, scope, 'two', payment FROM payment_names WHERE name = 'bob'",
		"INSERT INTO beneficiaries SELECT merchant_id, '1', dialect, 'x', account, holder, details, created FROM beneficiaries",
	}
	for _, a := range alterations {
		statements = append(statements, "UPDATE "+a)
	}
	eachBooks(t, func(t *testing.T, b behind) {
		for _, statement := range statements {
			table := strings.Fields(strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(statement, "UPDATE "), "DELETE FROM "), "INSERT INTO "))[0]
			if !b.altered(t, table, statement) {
				t.Errorf("was not found: %s", statement)
			}
		}
	})
}

// unchecked are the columns of the books that nothing is held against, as
// docs/concepts/security-model.md#the-books says.
var unchecked = []string{
	"merchants.settings", "merchants.created", "merchants.numbers", "payments.reason", "payments.updated",
	"disbursements.reason", "disbursements.updated", "disbursements.waiting_for",
}

// The check finds each altered field of each row, and each row that is gone. A
// column that is added one day is either checked, or named as one that is not.
func TestTheCheckFindsEachAlteredField(t *testing.T) {
	eachBooks(t, func(t *testing.T, b behind) {
		missed := map[string]bool{}
		for table, key := range keys {
			columns, rows := b.rows(t, table)
			for i, row := range rows {
				var named []any
				condition := ""
				for j, k := range key {
					named = append(named, row[slices.Index(columns, k)])
					condition += fmt.Sprintf(" AND %s = $%d", k, j+1)
				}
				condition = strings.TrimPrefix(condition, " AND ")
				spare := table == "merchants" || table == "marks" // a mark is made anew; a merchant that is whole gone is nowhere
				if !b.altered(t, table, "DELETE FROM "+table+" WHERE "+condition, named...) && !spare {
					t.Errorf("row %d of %s went, and was not missed", i, table)
				}
				for j, column := range columns {
					change := fmt.Sprintf("UPDATE %s SET %s = $%d WHERE %s", table, column, len(key)+1, condition)
					if !b.altered(t, table, change, append(slices.Clone(named), other(column, row[j]))...) {
						missed[table+"."+column] = true
					}
				}
			}
		}
		for _, column := range unchecked {
			if !missed[column] {
				t.Errorf("%s is checked", column)
			}
			delete(missed, column)
		}
		if len(missed) > 0 {
			t.Errorf("nothing is held against %v", slices.Sorted(maps.Keys(missed)))
		}
	})
}

// rows are all of a table.
func (b behind) rows(t *testing.T, table string) (columns []string, all [][]any) {
	t.Helper()
	list, err := b.db.QueryContext(t.Context(), "SELECT * FROM "+table)
	must(t, err)
	defer list.Close()
	columns, err = list.Columns()
	must(t, err)
	for list.Next() {
		row, at := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			at[i] = &row[i]
		}
		must(t, list.Scan(at...))
		all = append(all, row)
	}
	must(t, list.Err())
	return columns, all
}

// other is a value like had that is another one.
func other(column string, had any) any {
	text, is := had.(string)
	switch n, _ := had.(int64); {
	case column == "seq":
		return n + 1_000 // a number that is free
	case !is:
		return n + 1
	}
	empty := map[string]string{"names": `[{"t":"x"}]`, "portions": `[{"n":"x","m":1}]`, "attributes": `{"late_micros":1}`, "settings": `{"name":"x"}`}
	switch {
	case empty[column] == "":
		return text + "x"
	case text == "":
		return empty[column]
	}
	return strings.Replace(text, `":"`, `":"x`, 1)
}
