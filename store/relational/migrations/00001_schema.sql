-- +goose Up

-- One text for SQLite and PostgreSQL. Money is BIGINT in minor units, a time
-- is BIGINT in microseconds since 1970 (0 is no time), an id is TEXT. Every
-- key of a merchant's table starts with merchant_id, so that the table can be
-- distributed by it. No foreign keys: whoever writes holds the merchant's row,
-- and the audit recomputes the rest. Where there are many rows the numbers come
-- first, so that PostgreSQL aligns none of them with empty bytes.

CREATE TABLE merchants (
    merchant_id TEXT   NOT NULL PRIMARY KEY,
    settings    TEXT   NOT NULL,
    created     BIGINT NOT NULL,
    seq         BIGINT NOT NULL CHECK (seq >= 0),
    head        TEXT   NOT NULL,
    numbers     BIGINT NOT NULL CHECK (numbers >= 0)
);

CREATE TABLE accounts (
    merchant_id TEXT   NOT NULL,
    currency    TEXT   NOT NULL,
    path        TEXT   NOT NULL,
    debits      BIGINT NOT NULL CHECK (debits >= 0),
    credits     BIGINT NOT NULL CHECK (credits >= 0),
    held        BIGINT NOT NULL CHECK (held >= 0),
    PRIMARY KEY (merchant_id, currency, path),
    CHECK (credits - debits >= held OR path LIKE 'world/%' OR path LIKE 'owed/%')
);

CREATE TABLE payments (
    merchant_id      TEXT   NOT NULL,
    id               TEXT   NOT NULL,
    dialect          TEXT   NOT NULL,
    external_id      TEXT   NOT NULL,
    minor            BIGINT NOT NULL CHECK (minor >= 0),
    currency         TEXT   NOT NULL,
    state            TEXT   NOT NULL,
    reason           TEXT   NOT NULL,
    refunded_minor   BIGINT NOT NULL CHECK (refunded_minor >= 0),
    refunds_live     BIGINT NOT NULL CHECK (refunds_live >= 0),
    refunds_waiting  BIGINT NOT NULL CHECK (refunds_waiting >= 0 AND refunds_waiting <= refunds_live),
    funding          TEXT   NOT NULL,
    notification_url TEXT   NOT NULL,
    order_reference  TEXT   NOT NULL,
    payer_account    TEXT   NOT NULL,
    payer_name       TEXT   NOT NULL,
    attributes       TEXT   NOT NULL,
    opened           BIGINT NOT NULL,
    updated          BIGINT NOT NULL,
    authorized       BIGINT NOT NULL,
    funded           BIGINT NOT NULL,
    ended            BIGINT NOT NULL,
    names            TEXT   NOT NULL,
    portions         TEXT   NOT NULL,
    details          TEXT   NOT NULL,
    PRIMARY KEY (merchant_id, id),
    CHECK (refunded_minor <= minor)
);
CREATE UNIQUE INDEX payments_external ON payments (merchant_id, external_id);
CREATE INDEX payments_opened ON payments (merchant_id, opened);
CREATE INDEX payments_order ON payments (merchant_id, order_reference) WHERE order_reference <> '';
CREATE INDEX payments_minor ON payments (merchant_id, minor, opened);
CREATE INDEX payments_funded ON payments (merchant_id, funded, currency, minor) WHERE funded <> 0;

-- Further names of payments, which several may share.
CREATE TABLE payment_names (
    merchant_id TEXT NOT NULL,
    scope       TEXT NOT NULL,
    name        TEXT NOT NULL,
    payment     TEXT NOT NULL,
    PRIMARY KEY (merchant_id, scope, name, payment)
);
CREATE INDEX payment_names_name ON payment_names (merchant_id, name, payment);

CREATE TABLE disbursements (
    minor       BIGINT NOT NULL CHECK (minor > 0),
    created     BIGINT NOT NULL,
    updated     BIGINT NOT NULL,
    sent        BIGINT NOT NULL,
    settled     BIGINT NOT NULL,
    ended       BIGINT NOT NULL,
    stuck       SMALLINT NOT NULL,
    merchant_id TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    payment     TEXT   NOT NULL,
    dialect     TEXT   NOT NULL,
    external_id TEXT   NOT NULL,
    currency    TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    waiting_for TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    reference   TEXT   NOT NULL,
    rail        TEXT   NOT NULL,
    hold        TEXT   NOT NULL,
    paid        TEXT   NOT NULL,
    portions         TEXT NOT NULL,
    details          TEXT NOT NULL,
    account          TEXT NOT NULL,
    account_name     TEXT NOT NULL,
    notification_url TEXT NOT NULL,
    order_reference  TEXT NOT NULL,
    PRIMARY KEY (merchant_id, id)
);
CREATE INDEX disbursements_payment ON disbursements (merchant_id, payment) WHERE payment <> '';
CREATE INDEX disbursements_external ON disbursements (merchant_id, external_id) WHERE external_id <> '';
CREATE TABLE beneficiaries (
    merchant_id TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    dialect     TEXT   NOT NULL,
    digest      TEXT   NOT NULL,
    account     TEXT   NOT NULL,
    holder      TEXT   NOT NULL,
    details     TEXT   NOT NULL,
    created     BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, id)
);
CREATE UNIQUE INDEX beneficiaries_digest ON beneficiaries (merchant_id, digest);
-- No index knows a column that changes on the way from accepted to settled:
-- PostgreSQL then writes the new version of a row into its page, and no index.
CREATE INDEX disbursements_created ON disbursements (merchant_id, created, currency, minor);
CREATE INDEX disbursements_payouts ON disbursements (merchant_id, created, id) WHERE kind = 'payout';
CREATE INDEX disbursements_waiting ON disbursements (merchant_id, created, id) WHERE waiting_for <> '';
CREATE INDEX disbursements_gone ON disbursements (merchant_id, created, id, currency, minor, ended) WHERE ended <> 0;
CREATE INDEX disbursements_ended ON disbursements (merchant_id, ended) WHERE ended <> 0;
CREATE INDEX disbursements_minor ON disbursements (merchant_id, minor, created);
CREATE INDEX disbursements_reference ON disbursements (merchant_id, reference) WHERE reference <> '';
CREATE INDEX disbursements_order ON disbursements (merchant_id, order_reference) WHERE order_reference <> '';
CREATE INDEX disbursements_stuck ON disbursements (merchant_id) WHERE stuck = 1;

-- transfers holds an event's transfers, one a line; their ids follow from seq.
-- A cause of '=' is the command whose id the subject has, behind one letter.
-- A link is followed by a tab and by what was fixed before, where that changed.
CREATE TABLE events (
    seq         BIGINT NOT NULL CHECK (seq > 0),
    at          BIGINT NOT NULL,
    merchant_id TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    actor       TEXT   NOT NULL,
    evidence    TEXT   NOT NULL,
    cause       TEXT   NOT NULL,
    transfers   TEXT   NOT NULL,
    link        TEXT   NOT NULL,
    PRIMARY KEY (merchant_id, seq)
);
CREATE INDEX events_subject ON events (merchant_id, subject);
CREATE INDEX events_own ON events (merchant_id, seq) WHERE subject = '';

-- What the accounts came to with one event: derived from the transfers.
CREATE TABLE marks (
    merchant_id TEXT   NOT NULL,
    seq         BIGINT NOT NULL CHECK (seq > 0),
    currency    TEXT   NOT NULL,
    path        TEXT   NOT NULL,
    debits      BIGINT NOT NULL CHECK (debits >= 0),
    credits     BIGINT NOT NULL CHECK (credits >= 0),
    held        BIGINT NOT NULL CHECK (held >= 0),
    PRIMARY KEY (merchant_id, seq, currency, path)
);

-- A disbursement of '=' has the id of the cause, behind one letter.
CREATE TABLE answers (
    key_version  BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    expires      BIGINT NOT NULL,
    merchant_id  TEXT   NOT NULL,
    scope        TEXT   NOT NULL,
    key          TEXT   NOT NULL,
    digest       TEXT   NOT NULL,
    code         TEXT   NOT NULL,
    reason       TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    field        TEXT   NOT NULL,
    detail       TEXT   NOT NULL,
    form         TEXT   NOT NULL,
    cause        TEXT   NOT NULL,
    PRIMARY KEY (merchant_id, scope, key)
);
CREATE INDEX answers_expires ON answers (expires);

-- tried is 0 until the work has been tried once; what comes later in its
-- order waits for that.
CREATE TABLE work (
    merchant_id TEXT   NOT NULL,
    seq         BIGINT NOT NULL,
    n           BIGINT NOT NULL,
    kind        TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    order_key   TEXT   NOT NULL,
    due         BIGINT NOT NULL,
    lease       BIGINT NOT NULL,
    fence       BIGINT NOT NULL CHECK (fence >= 0),
    tries       BIGINT NOT NULL CHECK (tries >= 0),
    PRIMARY KEY (merchant_id, seq, n)
);
CREATE INDEX work_due ON work (kind, merchant_id, due);
CREATE INDEX work_order ON work (merchant_id, order_key);

CREATE TABLE deliveries (
    merchant_id TEXT   NOT NULL,
    seq         BIGINT NOT NULL,
    n           BIGINT NOT NULL,
    dialect     TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    url         TEXT   NOT NULL,
    content     TEXT   NOT NULL,
    key_version BIGINT NOT NULL,
    state       TEXT   NOT NULL,
    tries       BIGINT NOT NULL CHECK (tries >= 0),
    created     BIGINT NOT NULL,
    updated     BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, seq, n)
);
CREATE INDEX deliveries_subject ON deliveries (merchant_id, subject);
CREATE INDEX deliveries_dead ON deliveries (merchant_id) WHERE state = 'dead';

CREATE TABLE tries (
    merchant_id TEXT   NOT NULL,
    seq         BIGINT NOT NULL,
    n           BIGINT NOT NULL,
    i           BIGINT NOT NULL CHECK (i > 0),
    at          BIGINT NOT NULL,
    took        BIGINT NOT NULL,
    status      BIGINT NOT NULL,
    problem     TEXT   NOT NULL,
    response    TEXT   NOT NULL,
    PRIMARY KEY (merchant_id, seq, n, i)
);

-- What merchants asked, as the request log keeps it. Nothing depends on a row
-- being here; only what was refused, and therefore has no subject, is found by
-- what it named.
CREATE TABLE requests (
    at          BIGINT   NOT NULL,
    took        BIGINT   NOT NULL,
    status      SMALLINT NOT NULL,
    verified    SMALLINT NOT NULL,
    replayed    SMALLINT NOT NULL,
    merchant_id TEXT     NOT NULL,
    id          TEXT     NOT NULL,
    dialect     TEXT     NOT NULL,
    operation   TEXT     NOT NULL,
    stage       TEXT     NOT NULL,
    code        TEXT     NOT NULL,
    reason      TEXT     NOT NULL,
    detail      TEXT     NOT NULL,
    wire        TEXT     NOT NULL,
    subject     TEXT     NOT NULL,
    named       TEXT     NOT NULL,
    asked       TEXT     NOT NULL,
    PRIMARY KEY (merchant_id, id)
);
CREATE INDEX requests_at ON requests (merchant_id, at, id);
CREATE INDEX requests_refused ON requests (merchant_id, at, id) WHERE code <> '';
CREATE INDEX requests_subject ON requests (merchant_id, subject) WHERE subject <> '';
CREATE INDEX requests_named ON requests (merchant_id, named) WHERE named <> '';

-- What follows is small, rarely written, and belongs to no merchant alone.

CREATE TABLE credentials (
    dialect     TEXT   NOT NULL,
    principal   TEXT   NOT NULL,
    merchant_id TEXT   NOT NULL,
    sealed      TEXT   NOT NULL,
    created     BIGINT NOT NULL,
    ended       BIGINT NOT NULL,
    PRIMARY KEY (dialect, principal)
);
CREATE INDEX credentials_merchant ON credentials (merchant_id);

CREATE TABLE secrets (
    name    TEXT   NOT NULL,
    version BIGINT NOT NULL CHECK (version > 0),
    sealed  TEXT   NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);

CREATE TABLE slips (
    name    TEXT   NOT NULL PRIMARY KEY,
    text    TEXT   NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX slips_expires ON slips (expires);

CREATE TABLE cursors (
    rail     TEXT NOT NULL PRIMARY KEY,
    position TEXT NOT NULL
);
