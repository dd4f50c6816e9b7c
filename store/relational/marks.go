package relational

import (
	"context"
	"time"

	"remit"
	"remit/ledger"
	"remit/store"
)

const markColumns = "merchant_id, seq, currency, path, debits, credits, held"

// markRow is one account of a mark.
type markRow struct {
	ownedAccount
	seq int64
}

func scanMark(r Row) (k markRow, err error) {
	var path string
	err = r.Scan((*string)(&k.merchant), &k.seq, (*string)(&k.Currency), &path, &k.Debits, &k.Credits, &k.Held)
	k.ID = remit.AccountAt(k.merchant, path)
	k.MayGoNegative = remit.MayGoNegative(k.ID)
	return k, err
}

// marked gathers the rows of one mark after another.
type marked struct {
	now  store.Mark
	show func(store.Mark) error
}

func (g *marked) next(k markRow) error {
	if g.now.Seq != k.seq {
		if err := g.end(); err != nil {
			return err
		}
		g.now = store.Mark{Merchant: k.merchant, Seq: k.seq}
	}
	g.now.Accounts = append(g.now.Accounts, k.Account)
	return nil
}

// end shows the last mark.
func (g *marked) end() error {
	if g.now.Seq == 0 {
		return nil
	}
	return g.show(g.now)
}

// AddMark keeps a mark, unless there is one of that number.
func (s *Store) AddMark(ctx context.Context, k store.Mark) error {
	var st []Statement
	for _, a := range k.Accounts {
		st = append(st, Statement{
			Text: "INSERT INTO marks (" + markColumns + ") VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (merchant_id, seq, currency, path) DO NOTHING",
			Args: []any{string(k.Merchant), k.Seq, string(a.Currency), remit.AccountPath(a.ID), a.Debits, a.Credits, a.Held},
		})
	}
	return s.write(ctx, st...)
}

// Marks finds the marks on both sides of a number.
func (s *Store) Marks(ctx context.Context, m remit.MerchantID, seq int64) (before, behind store.Mark, err error) {
	find := func(which string, into *store.Mark) Statement {
		return Statement{
			Text: "SELECT " + markColumns + " FROM marks WHERE merchant_id = $1 AND seq = (SELECT " + which + ") ORDER BY currency, path",
			Args: []any{string(m), seq},
			Row: func(r Row) error {
				k, err := scanMark(r)
				into.Merchant, into.Seq, into.Accounts = k.merchant, k.seq, append(into.Accounts, k.Account)
				return err
			},
		}
	}
	err = s.read(ctx,
		find("MAX(seq) FROM marks WHERE merchant_id = $1 AND seq <= $2", &before),
		find("MIN(seq) FROM marks WHERE merchant_id = $1 AND seq > $2", &behind))
	return before, behind, err
}

// SeqAt is the number of the newest event that is not after a time. Events may
// stand a little out of the order of time, so it is looked for from where all
// that follow are after it.
func (s *Store) SeqAt(ctx context.Context, m remit.MerchantID, at time.Time) (seq int64, err error) {
	first, err := s.firstEvent(ctx, m, at.Add(skewMax+time.Microsecond))
	if err != nil {
		return 0, err
	}
	err = s.read(ctx, Statement{
		Text: "SELECT seq FROM events WHERE merchant_id = $1 AND seq < $2 AND at <= $3 ORDER BY seq DESC LIMIT 1",
		Args: []any{string(m), first, micros(at)}, Row: func(r Row) error { return r.Scan(&seq) },
	})
	return seq, err
}

// Transfers shows the transfers of a merchant's events, in order.
func (s *Store) Transfers(ctx context.Context, m remit.MerchantID, after, upTo int64, show func(ledger.Transfer) error) error {
	return s.read(ctx, Statement{
		Text: "SELECT seq, transfers FROM events WHERE merchant_id = $1 AND seq > $2 AND seq <= $3 AND transfers <> '' ORDER BY seq",
		Args: []any{string(m), after, upTo},
		Row: func(r Row) error {
			var seq int64
			var text string
			if err := r.Scan(&seq, &text); err != nil {
				return err
			}
			list, err := readTransfers(m, seq, text)
			if err != nil {
				return err
			}
			for _, t := range list {
				if err := show(t); err != nil {
					return err
				}
			}
			return nil
		},
	})
}
