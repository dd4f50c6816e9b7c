package relational

import (
	"slices"
	"strconv"
	"strings"

	"remit"
)

// chunkMax is how many rows or references one statement takes at most. Sizes
// are powers of two up to it, so that there are few texts, and each is
// prepared once.
const chunkMax = 64

// shape is what a statement's text depends on.
type shape struct {
	of  any // *lookup or *table
	n   int
	one bool // all references are of one merchant, and it is said so
}

// text is the statement of a shape; each is written once.
func (s *Store) text(sh shape, write func() string) string {
	if t, ok := s.texts.Load(sh); ok {
		return t.(string)
	}
	t, _ := s.texts.LoadOrStore(sh, write())
	return t.(string)
}

// table is where rows of one kind are kept. Rows of the same key, the first
// columns, replace each other; with no key they are only ever added.
type table struct {
	name    string
	columns string
	keys    int
	owner   string // a column that a row of the same key must have too: another breaks a constraint
}

var (
	merchants     = &table{name: "merchants", columns: merchantColumns, keys: 1}
	answers       = &table{name: "answers", columns: answerColumns, keys: 3}
	payments      = &table{name: "payments", columns: paymentColumns, keys: 2}
	disbursements = &table{name: "disbursements", columns: disbursementColumns, keys: 2}
	accounts      = &table{name: "accounts", columns: accountColumns, keys: 3}
	events        = &table{name: "events", columns: eventColumns, keys: 0}
	work          = &table{name: "work", columns: workColumns, keys: 3}
	deliveries    = &table{name: "deliveries", columns: deliveryColumns, keys: 3}
	tries         = &table{name: "tries", columns: tryColumns, keys: 0}
	names         = &table{name: "payment_names", columns: nameColumns, keys: 4}
	beneficiaries = &table{name: "beneficiaries", columns: beneficiaryColumns, keys: 2}
	requests      = &table{name: "requests", columns: requestColumns, keys: 2}
	credentials   = &table{name: "credentials", columns: credentialColumns, keys: 2, owner: "merchant_id"}
)

// insert is the statement that keeps n rows.
func (t *table) insert(n int) string {
	columns := strings.Split(t.columns, ", ")
	var b strings.Builder
	b.WriteString("INSERT INTO " + t.name + " (" + t.columns + ") VALUES ")
	tuples(&b, 1, n, slices.Repeat([]string{""}, len(columns)))
	if t.keys == len(columns) {
		b.WriteString(" ON CONFLICT DO NOTHING")
	} else if t.keys > 0 {
		b.WriteString(" ON CONFLICT (" + strings.Join(columns[:t.keys], ", ") + ") DO UPDATE SET ")
		for i, c := range columns[t.keys:] {
			if i > 0 {
				b.WriteString(", ")
			}
			if c == t.owner {
				b.WriteString(c + " = CASE WHEN " + t.name + "." + c + " = excluded." + c + " THEN excluded." + c + " END") // else NULL, which it cannot be
				continue
			}
			b.WriteString(c + " = excluded." + c)
		}
	}
	return b.String()
}

// tuples writes n tuples of parameters, the first of which is $first. A cast
// that is not "" names the parameter's type.
func tuples(b *strings.Builder, first, n int, casts []string) {
	for range n {
		if b.String()[b.Len()-1] == ')' {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for i, c := range casts {
			if i > 0 {
				b.WriteString(", ")
			}
			p := "$" + strconv.Itoa(first)
			if c != "" {
				p = "CAST(" + p + " AS " + c + ")"
			}
			b.WriteString(p)
			first++
		}
		b.WriteByte(')')
	}
}

// put makes the statements that keep rows in t. Of rows with the same key the
// last is kept.
func put[T any](s *Store, t *table, rows []T, row func(T) ([]any, error)) ([]Statement, error) {
	all := make([][]any, 0, len(rows))
	at := make(map[[4]any]int, len(rows))
	for _, r := range rows {
		args, err := row(r)
		if err != nil {
			return nil, err
		}
		var key [4]any
		copy(key[:t.keys], args)
		if i, twice := at[key]; twice && t.keys > 0 {
			all[i] = args
			continue
		}
		at[key] = len(all)
		all = append(all, args)
	}
	var st []Statement
	for len(all) > 0 {
		n := chunkMax
		for n > len(all) {
			n /= 2
		}
		st = append(st, Statement{
			Text: s.text(shape{of: t, n: n}, func() string { return t.insert(n) }),
			Args: slices.Concat(all[:n]...),
		})
		all = all[n:]
	}
	return st, nil
}

// lookup is a statement about the rows that references name: its text before
// and after the condition, and the columns of a reference. The merchant's is
// always the first.
type lookup struct {
	before string
	alias  string // of the table that the condition is about, with its dot
	keys   []string
	casts  []string
	after  string
	lock   string // FOR UPDATE and what goes with it, where the database knows it
}

// ref is a reference: whose, and the values of the other key columns.
type ref struct {
	merchant remit.MerchantID
	keys     [2]any
}

// sql is the lookup's text for n references.
func (l *lookup) sql(n int, one, locks bool) string {
	columns := make([]string, 0, 3)
	if !one {
		columns = append(columns, l.alias+"merchant_id")
	}
	for _, k := range l.keys {
		columns = append(columns, l.alias+k)
	}
	casts := append(slices.Repeat([]string{""}, len(columns)-len(l.keys)), l.casts...)
	var b strings.Builder
	b.WriteString(l.before)
	first := 1
	if one {
		b.WriteString(l.alias + "merchant_id = $1")
		first = 2
		if len(columns) > 0 {
			b.WriteString(" AND ")
		}
	}
	switch len(columns) {
	case 0:
	case 1:
		b.WriteString(columns[0] + " IN ")
		tuples(&b, first, 1, slices.Repeat(casts, n))
	default:
		b.WriteString("(" + strings.Join(columns, ", ") + ") IN (VALUES ")
		tuples(&b, first, n, casts)
		b.WriteByte(')')
	}
	b.WriteString(l.after)
	if locks {
		b.WriteString(l.lock)
	}
	return b.String()
}

// find makes the statements that look refs up, or none for no refs. The last
// reference fills a statement up to its size.
func (s *Store) find(l *lookup, refs []ref, row func(Row) error) (st []Statement) {
	refs = slices.DeleteFunc(slices.Clone(refs), func(r ref) bool { return !keepable(r.keys[0]) || !keepable(r.keys[1]) })
	for chunk := range slices.Chunk(refs, chunkMax) {
		one := s.byMerchant
		for _, r := range chunk {
			one = one && r.merchant == chunk[0].merchant
		}
		n := 1
		for n < len(chunk) && (!one || len(l.keys) > 0) {
			n *= 2
		}
		args := make([]any, 0, n*(1+len(l.keys)))
		if one {
			args = append(args, string(chunk[0].merchant))
		}
		for i := range n {
			r := chunk[min(i, len(chunk)-1)]
			if !one {
				args = append(args, string(r.merchant))
			}
			args = append(args, r.keys[:len(l.keys)]...)
		}
		st = append(st, Statement{
			Text: s.text(shape{l, n, one}, func() string { return l.sql(n, one, s.driver.Locks()) }),
			Args: args,
			Row:  row,
		})
	}
	return st
}

// prefixed is a list of columns, each with its table's alias.
func prefixed(alias, columns string) string {
	return alias + strings.ReplaceAll(columns, ", ", ", "+alias)
}
