package relational

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"remit/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// tuningVersion is the migration that fits the tables to their database.
const tuningVersion = 2

// schemaVersion is the newest migration that this program knows.
const schemaVersion = tuningVersion

// Migrate brings the schema up to this program's.
func (s *Store) Migrate(ctx context.Context) error {
	switch v, err := s.version(ctx); {
	case err != nil && !errors.Is(err, store.ErrSchema):
		return err
	case v > schemaVersion:
		return newer(v)
	}
	p, err := s.provider()
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return s.driver.Classify(err)
	}
	return s.Ready(ctx)
}

func (s *Store) provider() (*goose.Provider, error) {
	db, dialect, options, err := s.driver.Migrator()
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	tune := goose.NewGoMigration(tuningVersion, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		for _, text := range s.driver.Tuning() {
			if _, err := tx.ExecContext(ctx, text); err != nil {
				return err
			}
		}
		return nil
	}}, nil)
	return goose.NewProvider(dialect, db, files, append(options, goose.WithGoMigrations(tune), goose.WithDisableGlobalRegistry(true))...)
}

// Ready tells whether the schema is this program's.
func (s *Store) Ready(ctx context.Context) error {
	switch v, err := s.version(ctx); {
	case errors.Is(err, store.ErrSchema):
		return fmt.Errorf("%w: it has none yet", store.ErrSchema)
	case err != nil:
		return err
	case v > schemaVersion:
		return newer(v)
	case v < schemaVersion:
		return fmt.Errorf("%w: it has version %d, this program needs %d: run remit migrate", store.ErrSchema, v, schemaVersion)
	}
	return nil
}

func newer(v int64) error {
	return fmt.Errorf("%w: a newer program made version %d, this one knows %d", store.ErrSchema, v, schemaVersion)
}

// version is the schema's; an error that wraps store.ErrSchema means that
// there is none yet.
func (s *Store) version(ctx context.Context) (v int64, err error) {
	err = s.read(ctx, Statement{
		Text: "SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied",
		Row:  func(r Row) error { return r.Scan(&v) },
	})
	return v, err
}
