package engine

import (
	"context"
	"errors"
	"fmt"

	"remit"
	"remit/rail"
)

// statementsMax is how many lines of a rail's statement are read before the
// place is kept.
const statementsMax = 256

// became is what a line of a statement says in a disbursement's words.
var became = map[rail.StatementKind]remit.Became{
	rail.StatementSettled: remit.BecameSettled, rail.StatementRefused: remit.BecameRefused, rail.StatementReturned: remit.BecameReturned,
}

// ReadStatements reads what a rail's statements say since they were last read,
// and says how many lines there were. A line that fits nothing we know is
// logged and passed over: it is a break, for a person to look at.
func (e *Engine) ReadStatements(ctx context.Context, name string) (int, error) {
	r, ok := e.cfg.Rails[name].(rail.Reporter)
	if !ok {
		return 0, nil
	}
	read := 0
	for {
		after, err := e.cfg.Store.Cursor(ctx, cursor(name))
		if err != nil {
			return read, err
		}
		n, last, err := e.readSome(ctx, name, r, after)
		read += n
		if n > 0 {
			if kept := e.cfg.Store.SetCursor(ctx, cursor(name), last); kept != nil {
				return read, errors.Join(err, kept)
			}
		}
		if err != nil || n < statementsMax {
			return read, err
		}
	}
}

func cursor(name string) string { return "statements/" + name }

func (e *Engine) readSome(ctx context.Context, name string, r rail.Reporter, after string) (n int, last string, err error) {
	for line, err := range r.Statements(ctx, after) {
		if err != nil {
			return n, last, err
		}
		if err := e.line(ctx, name, line); err != nil {
			return n, last, err
		}
		n, last = n+1, line.Cursor
		if n == statementsMax {
			break
		}
	}
	return n, last, nil
}

// line carries out one line. Only what keeps us from knowing is an error.
func (e *Engine) line(ctx context.Context, name string, l rail.Statement) error {
	m, id, ok := remit.ParseEndToEndID(l.EndToEndID)
	what, known := became[l.Kind]
	if !ok || !known {
		e.cfg.Log.Error("a statement's line fits nothing", "rail", name, "reference", l.Reference, "kind", l.Kind)
		return nil
	}
	_, err := e.Do(ctx, remit.Outcome{
		Head:         e.Head(m, "rail:"+name, fmt.Sprintf("statement:%s reference:%s reason:%s", l.Cursor, l.Reference, l.Reason)),
		Disbursement: id, Amount: l.Amount, Currency: l.Amount.Currency, Became: what, Reason: ReasonOf(l.Reason),
	})
	if errors.Is(err, remit.NotFound) || errors.Is(err, remit.Conflict) || errors.Is(err, remit.Invalid) {
		e.cfg.Log.Error("a statement's line does not fit the books", "rail", name, "reference", l.Reference, "merchant", m, "disbursement", id, "error", err)
		return nil
	}
	return err
}
