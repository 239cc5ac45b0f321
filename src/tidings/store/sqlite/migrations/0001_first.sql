-- Times are microseconds since 1970; ids are 32 hex digits that sort by time.

CREATE TABLE accounts (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  auth_token TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  active     INTEGER NOT NULL,
  countries  TEXT                      -- JSON array of ISO 3166 codes, NULL: everywhere
) WITHOUT ROWID;

CREATE TABLE api_keys (
  id          TEXT PRIMARY KEY,
  account     TEXT NOT NULL REFERENCES accounts,
  name        TEXT NOT NULL,
  secret_hash TEXT NOT NULL,
  created_at  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE senders (
  address     TEXT PRIMARY KEY,
  account     TEXT NOT NULL REFERENCES accounts,
  queue_limit INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX senders_by_account ON senders (account, address);

-- The first columns are what was asked and never change; the rest is where the message stands.
CREATE TABLE messages (
  id           TEXT PRIMARY KEY,
  account      TEXT NOT NULL,
  dialect      TEXT NOT NULL,
  direction    TEXT NOT NULL,
  sender       TEXT NOT NULL,
  recipient    TEXT NOT NULL,
  body         TEXT NOT NULL,
  encoding     TEXT NOT NULL,
  segments     INTEGER NOT NULL,
  callback_url TEXT,
  validity     INTEGER,
  created_at   INTEGER NOT NULL,
  status       TEXT,
  events       INTEGER,
  updated_at   INTEGER,
  error        INTEGER,
  sent_at      INTEGER,
  carrier      TEXT,
  due_at       INTEGER,
  tries        INTEGER
);
CREATE INDEX messages_of_account ON messages (account, id);
CREATE INDEX messages_by_recipient ON messages (recipient, account, id);
CREATE INDEX messages_by_sender ON messages (sender, account, id);
CREATE INDEX messages_due ON messages (carrier, due_at, id) WHERE due_at IS NOT NULL;

CREATE TABLE segments (
  message_id   TEXT NOT NULL,
  part         INTEGER NOT NULL,
  state        TEXT NOT NULL,
  carrier      TEXT NOT NULL,
  carrier_id   TEXT,
  carrier_key  TEXT,
  error        INTEGER,
  submitted_at INTEGER,
  answered_at  INTEGER,
  settled_at   INTEGER,
  PRIMARY KEY (message_id, part)
) WITHOUT ROWID;
CREATE INDEX segments_by_carrier_key ON segments (carrier, carrier_key) WHERE carrier_key IS NOT NULL;
CREATE INDEX segments_submitting ON segments (message_id, part) WHERE state = 'submitting';

CREATE TABLE events (
  cursor     INTEGER PRIMARY KEY AUTOINCREMENT,   -- commit order; never used twice
  message_id TEXT NOT NULL,
  number     INTEGER NOT NULL,
  account    TEXT NOT NULL,
  at         INTEGER NOT NULL,
  kind       TEXT NOT NULL,
  status     TEXT NOT NULL,
  moved      INTEGER NOT NULL,
  applied    INTEGER NOT NULL,
  part       INTEGER NOT NULL,
  error      INTEGER,
  detail     TEXT NOT NULL
);
CREATE UNIQUE INDEX events_of_message ON events (message_id, number);
CREATE INDEX events_of_account ON events (account, cursor);

CREATE TABLE receipts (
  id          TEXT PRIMARY KEY,
  carrier     TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  message_id  TEXT,
  part        INTEGER NOT NULL,
  raw         TEXT NOT NULL,
  receipt     TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX receipts_of_message ON receipts (message_id) WHERE message_id IS NOT NULL;

-- A receipt that nothing matches yet, under each key a segment might carry.
CREATE TABLE parked (
  carrier     TEXT NOT NULL,
  key         TEXT NOT NULL,
  receipt_id  TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  PRIMARY KEY (carrier, key, receipt_id)
) WITHOUT ROWID;
CREATE INDEX parked_by_receipt ON parked (receipt_id);
CREATE INDEX parked_by_age ON parked (received_at);

CREATE TABLE callbacks (
  message_id TEXT NOT NULL,
  number     INTEGER NOT NULL,
  account    TEXT NOT NULL,
  host       TEXT NOT NULL,
  state      TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  due_at     INTEGER NOT NULL,
  attempts   INTEGER NOT NULL,
  response   INTEGER,
  error      INTEGER,
  done_at    INTEGER,
  PRIMARY KEY (message_id, number)
) WITHOUT ROWID;
CREATE INDEX callbacks_owed ON callbacks (host, due_at, message_id, number) WHERE state IN ('owed', 'retrying');

CREATE TABLE opt_outs (
  account   TEXT NOT NULL,
  sender    TEXT NOT NULL,
  recipient TEXT NOT NULL,
  at        INTEGER NOT NULL,
  keyword   TEXT NOT NULL,
  PRIMARY KEY (account, sender, recipient)
) WITHOUT ROWID;

CREATE TABLE idempotency_keys (
  account    TEXT NOT NULL,
  key        TEXT NOT NULL,
  digest     TEXT NOT NULL,
  message_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (account, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
