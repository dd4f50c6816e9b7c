package engine

import (
	"context"
	"errors"
	"sync"

	"remit"
	"remit/rail"
	"remit/store"
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
		lines, err := next(ctx, r, after)
		if len(lines) > 0 {
			// What was carried out and is read again is nothing new: so the
			// place is kept only behind lines of which none failed.
			if failed := e.lines(ctx, name, lines); failed != nil {
				return read, errors.Join(err, failed)
			}
			if kept := e.cfg.Store.SetCursor(ctx, cursor(name), lines[len(lines)-1].Cursor); kept != nil {
				return read, errors.Join(err, kept)
			}
			read += len(lines)
		}
		if err != nil || len(lines) < statementsMax {
			return read, err
		}
	}
}

func cursor(name string) string { return "statements/" + name }

// next is the next lines of a statement, with those before an error.
func next(ctx context.Context, r rail.Reporter, after string) (lines []rail.Statement, err error) {
	for line, err := range r.Statements(ctx, after) {
		if err != nil {
			return lines, err
		}
		if lines = append(lines, line); len(lines) == statementsMax {
			break
		}
	}
	return lines, nil
}

// lines carries out lines, some side by side; those of one instruction one
// after another.
func (e *Engine) lines(ctx context.Context, name string, lines []rail.Statement) error {
	var order []string
	of := map[string][]rail.Statement{}
	for _, l := range lines {
		if of[l.EndToEndID] == nil {
			order = append(order, l.EndToEndID)
		}
		of[l.EndToEndID] = append(of[l.EndToEndID], l)
	}
	errs := make([]error, len(order))
	places := make(chan struct{}, max(e.cfg.LinesAtOnce, 1))
	var all sync.WaitGroup
	for i, id := range order {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			for _, l := range of[id] {
				if errs[i] = e.line(ctx, name, l); errs[i] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// statementEvidence names a line, by what the bank says of it.
func statementEvidence(l rail.Statement) string {
	all := "statement:" + l.Cursor
	if l.Reference != "" {
		all += " reference:" + l.Reference
	}
	if l.Reason != "" {
		all += " reason:" + l.Reason
	}
	return text(all)
}

// line carries out one line. Only what keeps us from knowing is an error.
func (e *Engine) line(ctx context.Context, name string, l rail.Statement) error {
	m, id, ok := remit.ParseEndToEndID(l.EndToEndID)
	what, known := became[l.Kind]
	if !ok || !known {
		e.cfg.Log.Error("a statement's line fits nothing", "rail", name, "reference", l.Reference, "kind", l.Kind)
		return nil
	}
	res, err := e.Do(ctx, remit.Outcome{
		Head:         e.Head(m, "rail:"+name, statementEvidence(l)),
		Disbursement: id, Amount: l.Amount, Currency: l.Amount.Currency, Became: what, Reason: ReasonOf(l.Reason),
	})
	if err == nil && what == remit.BecameSettled && (res.Disbursement.State == remit.Failed || res.Disbursement.State == remit.Canceled) {
		e.cfg.Log.Error("a bank says that it paid what was not to be paid", "rail", name, "reference", l.Reference, "merchant", m, "disbursement", id, "state", res.Disbursement.State)
	}
	if err != nil && !remit.AsError(err).Code.Transient() || errors.Is(err, store.ErrData) {
		e.cfg.Log.Error("a statement's line does not fit the books", "rail", name, "reference", l.Reference, "merchant", m, "disbursement", id, "error", err)
		return nil
	}
	return err
}
