// Package catalog is the three lists: the dialects that are spoken, the rails
// that money can leave over, the stores that can remember it. It alone knows
// implementations; a new one adds its line here.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"remit/dialect"
	"remit/dialect/paytrail"
	"remit/dialect/truelayer"
	"remit/dialect/trustly"
	"remit/dialect/trustlyus"
	"remit/rail"
	"remit/rail/simulator"
	"remit/store"
	"remit/store/postgres"
	"remit/store/relational"
	"remit/store/sqlite"
)

// Dialects lists every API that is spoken.
func Dialects() []dialect.Dialect {
	return []dialect.Dialect{
		trustly.Dialect{},
		trustlyus.Dialect{},
		truelayer.New(),    // before who shares its paths: it tells its callers by their token
		paytrail.Dialect{}, // last: it takes what nobody else does at the paths that it shares
	}
}

// ErrStore means that a text names no kind of store.
var ErrStore = errors.New("a store is sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE, or postgres: and libpq's words (host=… dbname=…)")

// StorePoints are the points of a group at which OpenStore's hook is called.
func StorePoints() []string {
	return []string{point(relational.Locked), point(relational.Read), point(relational.BeforeCommit), point(relational.AfterCommit)}
}

func point(p relational.Point) string { return "store-" + string(p) }

// OpenStore opens the store that a DSN names. It does not migrate. hook, where
// it is set, is called at each of StorePoints of every group, for crash tests.
func OpenStore(ctx context.Context, dsn string, hook func(point string)) (store.Store, error) {
	var o relational.Options
	if hook != nil {
		o.Hook = func(p relational.Point) error {
			hook(point(p))
			return nil
		}
	}
	kind, rest, _ := strings.Cut(dsn, ":")
	switch {
	case kind == "sqlite" && rest != "":
		return sqlite.OpenWith(ctx, rest, o)
	case kind == "postgres" && !strings.HasPrefix(rest, "//") && rest != "":
		return postgres.OpenWith(ctx, rest, o)
	case strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://"):
		return postgres.OpenWith(ctx, dsn, o)
	}
	return nil, ErrStore
}

// Simulated says where a simulated bank is: in this process, with a journal,
// or at the URL of a process of its own.
type Simulated struct {
	Journal string
	Delay   time.Duration      // from hand-over to settlement; 0 is simulator.DelayDefault
	Now     func() time.Time   // the bank's clock; nil is time.Now
	Hook    func(point string) // called at each of BankPoints, for crash tests; nil does nothing
	URL     string
	Token   string
}

// SimulatorName is the name of the simulated rail in ledger accounts.
const SimulatorName = "simulator"

// ErrRails means that no rail was named, or one in two ways.
var ErrRails = errors.New("a simulated bank has either a journal, or a URL with a token")

// OpenRails opens every rail that is configured. Refunds leave over the first.
func OpenRails(c Simulated) (rails []rail.Rail, done func() error, err error) {
	switch {
	case c.Journal != "" && c.URL == "":
		b, err := OpenBank(c)
		if err != nil {
			return nil, nil, err
		}
		return []rail.Rail{simulator.New(SimulatorName, b)}, b.Close, nil
	case c.Journal == "" && c.URL != "" && c.Token != "":
		return []rail.Rail{simulator.Dial(SimulatorName, strings.TrimRight(c.URL, "/"), c.Token, nil)}, func() error { return nil }, nil
	}
	return nil, nil, ErrRails
}

// BankPoints are the points of a simulated bank at which a crash test can kill
// its process, by the bank's own names of them.
var BankPoints = map[string]string{
	simulator.BeforeJournal: "bank-before-journal",
	simulator.AfterJournal:  "bank-after-journal",
}

// ErrInUse means that another process has the journal of a simulated bank open.
var ErrInUse = simulator.ErrInUse

// MagicValues lists the values that order an outcome at a simulated bank.
func MagicValues() []simulator.Magic { return simulator.MagicValues() }

// OpenBank opens the simulated bank of a journal in this process.
func OpenBank(c Simulated) (*simulator.Bank, error) {
	o := simulator.Options{Now: c.Now, Delay: c.Delay}
	if c.Hook != nil {
		o.Hook = func(p string) error {
			c.Hook(BankPoints[p])
			return nil
		}
	}
	b, err := simulator.Open(c.Journal, o)
	if err != nil {
		return nil, fmt.Errorf("the simulated bank's journal: %w", err)
	}
	return b, nil
}

// BankHandler lets others speak to a bank who know the token.
func BankHandler(b *simulator.Bank, token string) http.Handler { return simulator.Handler(b, token) }
